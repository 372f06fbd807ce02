// The bytes of the tree's persistent rows; docs/format/coordinator-store.md is
// the specification. Pure functions. Internal to coordinator/tree.
#ifndef SILLOK_COORDINATOR_TREE_ROW_FORMAT_H_
#define SILLOK_COORDINATOR_TREE_ROW_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"

namespace sillok {

// First byte of a key. The row of the ensemble comes first, if there is one, then
// the meta row, znodes, parents before their children, and sessions.
inline constexpr char kEnsembleRow = 'E';
inline constexpr char kMetaRow = 'M';
inline constexpr char kNodeRow = 'N';
inline constexpr char kSessionRow = 'S';

struct NodeFields {
  uint64_t czxid = 0;
  uint64_t mzxid = 0;
  uint64_t pzxid = 0;
  int64_t ctime_ms = 0;
  int64_t mtime_ms = 0;
  int32_t version = 0;
  int64_t creates = 0;
  uint64_t num_children = 0;
  uint64_t ephemeral_owner = 0;
  // What most znodes do not have.
  bool container = false;
  bool null_data = false;
  int64_t ttl_ms = 0;       // 0 = none
  int32_t aversion = 0;
  std::string_view acl;     // EncodeAcl; empty = everybody everything
  std::string_view data;

  bool plain() const {
    return !container && !null_data && ttl_ms == 0 && aversion == 0 &&
           acl.empty();
  }
};

struct SessionFields {
  std::string_view password;
  int64_t timeout_ms = 0;
};

// Who the members are, once a reconfiguration has said so.
struct EnsembleFields {
  uint64_t version = 0;      // its zxid
  std::string_view members;  // a v1::ReconfigTxn
};

struct MetaFields {
  uint64_t applied = 0;
  uint64_t znodes = 0;
  uint64_t sessions = 0;
  uint64_t digest = 0;
};

std::string EnsembleKey();
std::string MetaKey();
std::string NodeKey(std::string_view path);
std::string SessionKey(SessionId id);

std::string EncodeEnsemble(const EnsembleFields& fields);
std::string EncodeMeta(const MetaFields& fields);
std::string EncodeNode(std::string_view key, const NodeFields& fields);
std::string EncodeSession(std::string_view key, const SessionFields& fields);

// DATA_LOSS when the checksum or the form is wrong. Views point into `value`.
absl::StatusOr<EnsembleFields> DecodeEnsemble(std::string_view value);
absl::StatusOr<MetaFields> DecodeMeta(std::string_view value);
absl::StatusOr<NodeFields> DecodeNode(std::string_view key,
                                      std::string_view value);
absl::StatusOr<SessionFields> DecodeSession(std::string_view key,
                                            std::string_view value);
absl::StatusOr<SessionId> DecodeSessionKey(std::string_view key);

// The checksum alone, for any row: what copies rows checks them so.
absl::Status VerifyRow(std::string_view key, std::string_view value);
// A key as an error message shows it.
std::string DescribeKey(std::string_view key);

// What one znode or session adds to the tree's digest (data is represented by
// mzxid and its size). A plain znode adds what it did before there were others.
uint64_t NodeDigest(std::string_view path, const NodeFields& fields);
uint64_t SessionDigest(SessionId id, const SessionFields& fields);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_ROW_FORMAT_H_
