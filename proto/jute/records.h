// The records of ZooKeeper's client protocol. Names and fields are ZooKeeper's.
#ifndef SILLOK_PROTO_JUTE_RECORDS_H_
#define SILLOK_PROTO_JUTE_RECORDS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "proto/jute/codec.h"

namespace sillok::jute {

enum class Op : int32_t {
  kCloseSession = -11,
  kCreateSession = -10,
  kError = -1,
  kNotification = 0,
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
  kReconfig = 16,
  kCheckWatches = 17,
  kRemoveWatches = 18,
  kCreateContainer = 19,
  kDeleteContainer = 20,
  kCreateTtl = 21,
  kMultiRead = 22,
  kAuth = 100,
  kSetWatches = 101,
  kSasl = 102,
  kGetEphemerals = 103,
  kGetAllChildrenNumber = 104,
  kSetWatches2 = 105,
  kAddWatch = 106,
  kWhoAmI = 107,
};

// Numbers of messages that stand outside the client's own counting.
constexpr int32_t kNotificationXid = -1;
constexpr int32_t kPingXid = -2;
constexpr int32_t kAuthXid = -4;
constexpr int32_t kSetWatchesXid = -8;

constexpr size_t kPasswordBytes = 16;

// --- connection set-up; these frames have no header ---

struct ConnectRequest {
  int32_t protocol_version = 0;
  int64_t last_zxid_seen = 0;
  int32_t timeout_ms = 0;
  int64_t session_id = 0;
  Buffer password;
  // Clients before 3.4 do not send this byte, and do not take it back.
  bool has_read_only = true;
  bool read_only = false;
  friend bool operator==(const ConnectRequest&,
                         const ConnectRequest&) = default;
};
bool DecodeConnectRequest(std::string_view frame, ConnectRequest* request);
void AppendConnectRequest(const ConnectRequest& request, std::string* out);

struct ConnectResponse {
  int32_t protocol_version = 0;
  int32_t timeout_ms = 0;
  int64_t session_id = 0;
  Buffer password;
  bool has_read_only = true;
  bool read_only = false;
  friend bool operator==(const ConnectResponse&,
                         const ConnectResponse&) = default;
};
bool DecodeConnectResponse(std::string_view frame, ConnectResponse* response);
void AppendConnectResponse(const ConnectResponse& response, std::string* out);

// --- headers ---

struct RequestHeader {
  int32_t xid = 0;
  int32_t type = 0;
  static constexpr size_t kBytes = 8;
  friend bool operator==(const RequestHeader&, const RequestHeader&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.xid, record.type);
  }
};

struct ReplyHeader {
  int32_t xid = 0;
  int64_t zxid = 0;
  int32_t err = 0;
  friend bool operator==(const ReplyHeader&, const ReplyHeader&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.xid, record.zxid, record.err);
  }
};

struct MultiHeader {
  int32_t type = 0;
  bool done = false;
  int32_t err = 0;
  friend bool operator==(const MultiHeader&, const MultiHeader&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.type, record.done, record.err);
  }
};
constexpr MultiHeader kMultiEnd = {-1, true, -1};

// --- parts ---

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
  friend bool operator==(const Stat&, const Stat&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.czxid, record.mzxid, record.ctime, record.mtime,
          record.version, record.cversion, record.aversion,
          record.ephemeral_owner, record.data_length, record.num_children,
          record.pzxid);
  }
};

struct Acl {
  int32_t permissions = 0;
  std::string_view scheme;
  std::string_view id;
  friend bool operator==(const Acl&, const Acl&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.permissions, record.scheme, record.id);
  }
};

// --- requests ---

// create, create2, createContainer
struct CreateRequest {
  std::string_view path;
  Buffer data;
  std::vector<Acl> acl;
  int32_t flags = 0;
  friend bool operator==(const CreateRequest&, const CreateRequest&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.path, record.data, record.acl, record.flags);
  }
};

struct CreateTtlRequest {
  CreateRequest create;
  int64_t ttl_ms = 0;
  friend bool operator==(const CreateTtlRequest&,
                         const CreateTtlRequest&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.create, record.ttl_ms);
  }
};

// delete, check
struct PathVersion {
  std::string_view path;
  int32_t version = 0;
  friend bool operator==(const PathVersion&, const PathVersion&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.path, record.version);
  }
};

// exists, getData, getChildren, getChildren2
struct PathWatch {
  std::string_view path;
  bool watch = false;
  friend bool operator==(const PathWatch&, const PathWatch&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.path, record.watch);
  }
};

// getACL, sync, getEphemerals (a prefix), getAllChildrenNumber; the answers to
// create and sync
struct PathOnly {
  std::string_view path;
  friend bool operator==(const PathOnly&, const PathOnly&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.path);
  }
};

struct SetDataRequest {
  std::string_view path;
  Buffer data;
  int32_t version = 0;
  friend bool operator==(const SetDataRequest&,
                         const SetDataRequest&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.path, record.data, record.version);
  }
};

struct SetAclRequest {
  std::string_view path;
  std::vector<Acl> acl;
  int32_t version = 0;
  friend bool operator==(const SetAclRequest&, const SetAclRequest&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.path, record.acl, record.version);
  }
};

struct ReconfigRequest {
  std::string_view joining;
  std::string_view leaving;
  std::string_view new_members;
  int64_t from_config = -1;
  friend bool operator==(const ReconfigRequest&,
                         const ReconfigRequest&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.joining, record.leaving, record.new_members,
          record.from_config);
  }
};

// checkWatches, removeWatches (a WatcherType), addWatch (an AddWatchMode)
struct PathType {
  std::string_view path;
  int32_t type = 0;
  friend bool operator==(const PathType&, const PathType&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.path, record.type);
  }
};

struct AuthPacket {
  int32_t type = 0;
  std::string_view scheme;
  Buffer auth;
  friend bool operator==(const AuthPacket&, const AuthPacket&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.type, record.scheme, record.auth);
  }
};

struct SetWatchesRequest {
  int64_t relative_zxid = 0;
  std::vector<std::string_view> data;
  std::vector<std::string_view> exists;
  std::vector<std::string_view> children;
  friend bool operator==(const SetWatchesRequest&,
                         const SetWatchesRequest&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.relative_zxid, record.data, record.exists, record.children);
  }
};

struct SetWatches2Request {
  SetWatchesRequest one_time;
  std::vector<std::string_view> persistent;
  std::vector<std::string_view> persistent_recursive;
  friend bool operator==(const SetWatches2Request&,
                         const SetWatches2Request&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.one_time, record.persistent, record.persistent_recursive);
  }
};

// --- answers ---

// create2, createContainer, createTTL
struct PathStat {
  std::string_view path;
  Stat stat;
  friend bool operator==(const PathStat&, const PathStat&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.path, record.stat);
  }
};

// exists, setData, setACL
struct StatOnly {
  Stat stat;
  friend bool operator==(const StatOnly&, const StatOnly&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.stat);
  }
};

// getData, reconfig
struct DataStat {
  Buffer data;
  Stat stat;
  friend bool operator==(const DataStat&, const DataStat&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.data, record.stat);
  }
};

struct AclStat {
  std::vector<Acl> acl;
  Stat stat;
  friend bool operator==(const AclStat&, const AclStat&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.acl, record.stat);
  }
};

// getChildren, getEphemerals
struct Names {
  std::vector<std::string_view> names;
  friend bool operator==(const Names&, const Names&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.names);
  }
};

struct NamesStat {
  std::vector<std::string_view> names;
  Stat stat;
  friend bool operator==(const NamesStat&, const NamesStat&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.names, record.stat);
  }
};

// getAllChildrenNumber; the error of a multi's part, addWatch
struct IntOnly {
  int32_t value = 0;
  friend bool operator==(const IntOnly&, const IntOnly&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.value);
  }
};

struct ClientInfo {
  std::string_view scheme;
  std::string_view user;
  friend bool operator==(const ClientInfo&, const ClientInfo&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.scheme, record.user);
  }
};

struct WhoAmIResponse {
  std::vector<ClientInfo> clients;
  friend bool operator==(const WhoAmIResponse&,
                         const WhoAmIResponse&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.clients);
  }
};

struct WatcherEvent {
  int32_t type = 0;
  int32_t state = 0;
  std::string_view path;
  friend bool operator==(const WatcherEvent&, const WatcherEvent&) = default;
  template <typename C, typename R>
  static void Fields(C& codec, R& record) {
    codec(record.type, record.state, record.path);
  }
};
constexpr int32_t kSyncConnected = 3;

}  // namespace sillok::jute

#endif  // SILLOK_PROTO_JUTE_RECORDS_H_
