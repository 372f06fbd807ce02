// ZooKeeper's messages as a test sees them: requests to bytes, replies back.
#ifndef SILLOK_TEST_SUPPORT_ZOOKEEPER_WIRE_H_
#define SILLOK_TEST_SUPPORT_ZOOKEEPER_WIRE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sillok::zk {

enum OpCode : int32_t {
  kCreate = 1,
  kDelete = 2,
  kExists = 3,
  kGetData = 4,
  kSetData = 5,
  kGetAcl = 6,
  kSetAcl = 7,
  kGetChildren = 8,
  kSync = 9,
  kPing = 11,
  kGetChildren2 = 12,
  kCheck = 13,
  kMulti = 14,
  kCreate2 = 15,
  kCheckWatches = 17,
  kRemoveWatches = 18,
  kCreateContainer = 19,
  kCreateTtl = 21,
  kMultiRead = 22,
  kAuth = 100,
  kSetWatches = 101,
  kGetEphemerals = 103,
  kGetAllChildrenNumber = 104,
  kSetWatches2 = 105,
  kAddWatch = 106,
  kWhoAmI = 107,
  kCloseSession = -11,
};
// "create", "setData", ...; the number where there is no name.
std::string OpName(int32_t op);

enum ErrorCode : int32_t {
  kOk = 0,
  kRuntimeInconsistency = -2,
  kConnectionLoss = -4,
  kUnimplemented = -6,
  kNoNode = -101,
  kBadVersion = -103,
  kNodeExists = -110,
  kNotEmpty = -111,
  kSessionExpired = -112,
  kSessionMoved = -118,
};

enum SpecialXid : int32_t {
  kXidNotification = -1,
  kXidPing = -2,
  kXidAuth = -4,
  kXidSetWatches = -8,
};

inline constexpr int32_t kAllRights = 31;

struct Acl {
  int32_t perms = kAllRights;
  std::string scheme = "world";
  std::string id = "anyone";
};

struct Stat {
  int64_t czxid = 0;
  int64_t mzxid = 0;
  int64_t ctime = 0;
  int64_t mtime = 0;
  int32_t version = 0;
  int32_t cversion = 0;
  int32_t aversion = 0;
  int64_t ephemeral_owner = 0;
  int32_t data_length = 0;
  int32_t num_children = 0;
  int64_t pzxid = 0;
};

// Appends what a message is made of. Strings may be null, as buffers may.
class Writer {
 public:
  Writer& Int(int32_t value);
  Writer& Long(int64_t value);
  Writer& Bool(bool value);
  Writer& Bytes(const std::optional<std::string>& value);
  Writer& Strings(const std::vector<std::string>& values);
  Writer& Acls(const std::optional<std::vector<Acl>>& acls);
  Writer& Raw(std::string_view bytes);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Takes a message apart. Past the end, or with a length that cannot be, it is
// no longer ok() and gives zeros.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  int32_t Int();
  int64_t Long();
  bool Bool();
  std::optional<std::string> Bytes();
  std::string String() { return Bytes().value_or(""); }
  std::vector<std::string> Strings();
  std::vector<Acl> Acls();
  Stat ReadStat();
  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }

 private:
  bool Take(size_t size, std::string_view* bytes);
  int32_t Count();

  std::string_view rest_;
  bool ok_ = true;
};

// One operation with whatever its kind needs; the rest stays unused.
struct Op {
  int32_t op = kGetData;
  std::optional<std::string> path = "/";
  std::optional<std::string> data = "";
  std::optional<std::vector<Acl>> acls = std::vector<Acl>{Acl{}};
  int32_t version = -1;
  int32_t flags = 0;  // of creates
  int64_t ttl = 0;
  bool watch = false;
  int32_t mode = 0;   // addWatch, removeWatches, checkWatches
  std::string scheme;  // auth
  std::vector<Op> parts;  // multi, multiRead
  // setWatches, setWatches2: since when, and five lists (data, exist, child,
  // persistent, recursive).
  int64_t relative_zxid = 0;
  std::vector<std::vector<std::string>> watches;
  // Bytes cut off the end of the body: a request no client would send.
  int32_t cut = 0;
};
// The body, without header.
std::string EncodeBody(const Op& op);
// Header and body.
std::string EncodeRequest(int32_t xid, const Op& op);
// One line to read it by.
std::string Describe(const Op& op);

struct ConnectRequest {
  int64_t last_zxid_seen = 0;
  int32_t timeout_ms = 10'000;
  int64_t session_id = 0;
  std::string password = std::string(16, '\0');
  bool read_only = false;
};
struct ConnectResponse {
  int32_t timeout_ms = 0;  // <= 0: there is no such session
  int64_t session_id = 0;
  std::string password;
  bool read_only = false;
};
std::string Encode(const ConnectRequest& request);
std::optional<ConnectResponse> DecodeConnectResponse(std::string_view frame);

struct ReplyHeader {
  int32_t xid = 0;
  int64_t zxid = 0;
  int32_t error = 0;
};
inline constexpr size_t kReplyHeaderSize = 16;
ReplyHeader ReadReplyHeader(Reader* reader);

struct WatchEvent {
  int32_t type = 0;
  int32_t state = 0;
  std::string path;
};

}  // namespace sillok::zk

#endif  // SILLOK_TEST_SUPPORT_ZOOKEEPER_WIRE_H_
