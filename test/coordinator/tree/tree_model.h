// The znode tree as it should be, as simple as can be: one map, changed at once,
// with the rules spelled out again. It knows nothing of the code it checks.
#ifndef SILLOK_TEST_COORDINATOR_TREE_TREE_MODEL_H_
#define SILLOK_TEST_COORDINATOR_TREE_TREE_MODEL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/coordinator.pb.h"

namespace sillok {

struct ModelRule {
  uint32_t permissions = 0;
  std::string scheme;
  std::string id;
  bool operator==(const ModelRule&) const = default;
};
using ModelAcl = std::vector<ModelRule>;

struct ModelNode {
  std::string data;
  bool null_data = false;
  int version = 0;
  int aversion = 0;
  int64_t creates = 0;
  int64_t deletes = 0;
  uint64_t owner = 0;
  bool container = false;
  int64_t ttl_ms = 0;
  int64_t mtime_ms = 0;
  uint64_t czxid = 0, mzxid = 0, pzxid = 0;
  ModelAcl acl = {{31, "world", "anyone"}};
};

// Copied whole for a multi, thrown away if it fails.
class TreeModel {
 public:
  // Scheme and id.
  using Who = std::vector<std::pair<std::string, std::string>>;

  struct Step {
    uint64_t session = 0;
    Who who;
    uint64_t zxid = 0;
    int64_t now_ms = 0;
  };

  TreeModel();

  // Carries out one operation; `*path` is the created path.
  int Do(const v1::WriteOp& op, const Step& step, std::string* path);
  void Remove(const std::string& path, uint64_t zxid);
  bool HasChildren(const std::string& path) const;
  bool Allows(const std::string& path, uint32_t permission,
              const Who& who) const;
  // A container or TTL znode whose time is over.
  bool Overdue(const std::string& path, int64_t now_ms,
               int64_t max_never_used_ms) const;

  static std::string Parent(const std::string& path);

  std::map<std::string, ModelNode> nodes;
  std::set<uint64_t> sessions;
  // How many znodes may be there, by the path of the quota.
  std::map<std::string, int64_t> quotas;

 private:
  int Create(const v1::CreateOp& op, const Step& step, std::string* path);
  int SetAcl(const v1::SetAclOp& op, const Step& step);
  // Znodes at and below the path, and their bytes.
  std::pair<int64_t, int64_t> Use(const std::string& path) const;
  bool QuotaForbidsCreate(const std::string& path) const;
  void UpdateStatistics(const std::string& path);
};

}  // namespace sillok

#endif  // SILLOK_TEST_COORDINATOR_TREE_TREE_MODEL_H_
