// The replicated state of the coordinator: znodes and sessions, as of the last
// applied transaction. Pure: no clock, disk, thread or randomness.
#ifndef SILLOK_COORDINATOR_TREE_ZNODE_TREE_H_
#define SILLOK_COORDINATOR_TREE_ZNODE_TREE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/tree/node_table.h"
#include "coordinator/tree/session_table.h"
#include "proto/coordinator.pb.h"
#include "proto/txn.pb.h"

namespace sillok {

// One thing an applied txn did to the tree, for WatchTable::Trigger.
struct TreeChange {
  // NODE_CHILDREN_CHANGED names the parent.
  v1::WatchEventType type = v1::WATCH_EVENT_UNSPECIFIED;
  std::string path;
};

struct ApplyResult {
  // What the origin of the txn answers its client. For a session's creation or
  // close: just OK.
  v1::CoordResponse response;
  // In the order watches fire: of a create NODE_CREATED then the parent's
  // NODE_CHILDREN_CHANGED; of a multi operation by operation.
  std::vector<TreeChange> changes;
  std::optional<SessionId> session_created;
  std::optional<SessionId> session_closed;
};

// One row of the persistent image: docs/format/coordinator-store.md.
struct TreeRow {
  std::string key;
  std::optional<std::string> value;  // none: the row is deleted
};

// Rows that bring a persistent image from an earlier TakeRows to this one.
// Nothing is said about the order of keys, but deletions come first; a key
// that is deleted and then written again is written.
struct TreeRows {
  Zxid applied;
  std::vector<TreeRow> rows;
  size_t bytes = 0;  // of all keys and values
};

// What deciding about a write needs to know of a znode.
struct ZnodeFacts {
  int32_t version = 0;
  int64_t creates = 0;  // children ever created: the next sequence number
  int64_t num_children = 0;
  uint64_t ephemeral_owner = 0;  // 0 = persistent
};

// Only committed state. One thread. Operations cost O(path), listing children
// O(children log children), closing a session O(its ephemerals).
//
// Memory: a fixed node of 88 bytes, one heap block with the last path component
// and the data, and an index slot; ephemerals 4 bytes more.
class ZnodeTree {
 public:
  // "/", "/zookeeper", "/zookeeper/quota" and "/zookeeper/config"; applied zxid 0.
  ZnodeTree();
  ~ZnodeTree();
  ZnodeTree(const ZnodeTree&) = delete;
  ZnodeTree& operator=(const ZnodeTree&) = delete;

  // Applies the committed txn with this zxid, which must be after applied().
  // An error (a txn that does not fit the tree) means that this member's state is
  // not that of the leader: the member must stop and not use the tree again.
  absl::StatusOr<ApplyResult> Apply(Zxid zxid, const v1::Txn& txn);
  // The zxid passed without a txn of its own (the start of an epoch).
  void SkipTo(Zxid zxid);
  Zxid applied() const { return applied_; }

  // Answers exists, get_data and get_children. Other requests give UNIMPLEMENTED.
  v1::CoordResponse Read(const v1::CoordRequest& request) const;
  // OK, or NO_NODE and the outputs untouched. Null outputs are left out.
  v1::CoordCode Exists(std::string_view path, v1::Stat* stat) const;
  v1::CoordCode GetData(std::string_view path, std::string* data,
                        v1::Stat* stat) const;
  // Sorted names.
  v1::CoordCode GetChildren(std::string_view path,
                            std::vector<std::string>* children,
                            v1::Stat* stat) const;
  std::optional<ZnodeFacts> Find(std::string_view path) const;
  // Paths of the znodes a session owns, in no order.
  std::vector<std::string> EphemeralsOf(SessionId session) const;
  // Of every session that owns any, sorted; O(ephemerals).
  std::map<SessionId, std::set<std::string>> AllEphemerals() const;
  // Without the paths.
  size_t CountEphemeralsOf(SessionId session) const;
  const SessionTable& sessions() const { return sessions_; }

  // Persistence. The image is complete after a first TakeRows of a new tree
  // (the four built-in znodes) and kept up by later ones. Rows of several txns are
  // merged, so take them once for a run of committed txns.
  TreeRows TakeRows();
  bool has_rows() const;
  // Rebuilding: Clear, LoadRow for every row in key order, FinishLoad with the
  // zxid the image belongs to. Every row's checksum is verified, and at the end
  // that none is missing; an error names the row, and leaves a tree that must
  // be cleared. No rows at zxid 0 give a new tree.
  void Clear();
  absl::Status LoadRow(std::string_view key, std::string_view value);
  absl::Status FinishLoad(Zxid applied);

  // A sum over all znodes and sessions: equal on two members that have applied
  // the same txns, and almost surely different when their states differ.
  uint64_t digest() const { return digest_; }
  size_t znodes() const;
  size_t ephemerals() const { return ephemeral_count_; }
  // Bytes of all paths (last components) and data.
  int64_t data_bytes() const { return data_bytes_; }
  // Walks the whole tree: every ephemeral's owner is a live session, ephemerals
  // have no children, counters and digest are what the nodes say. For tests and
  // for a start-up check; O(tree).
  absl::Status CheckInvariants() const;

 private:
  struct LoadState;

  absl::Status ApplyWrite(Zxid zxid, int64_t time_ms, const v1::WriteTxn& write,
                          ApplyResult* result);
  absl::Status ApplyOp(Zxid zxid, int64_t time_ms, const v1::TxnOp& op,
                       ApplyResult* result, v1::WriteResult* answer);
  absl::Status ApplyCreate(Zxid zxid, int64_t time_ms,
                           const v1::CreateTxnOp& op, ApplyResult* result,
                           v1::WriteResult* answer);
  absl::Status ApplyDelete(Zxid zxid, std::string_view path,
                           ApplyResult* result);
  absl::Status ApplySetData(Zxid zxid, int64_t time_ms,
                            const v1::SetDataTxnOp& op, ApplyResult* result,
                            v1::WriteResult* answer);
  absl::Status ApplyCreateSession(const v1::CreateSessionTxn& create,
                                  ApplyResult* result);
  absl::Status ApplyCloseSession(Zxid zxid, const v1::CloseSessionTxn& close,
                                 ApplyResult* result);
  void AddBuiltIns();
  NodeId Lookup(std::string_view path) const;
  std::string PathOf(NodeId id) const;
  void FillStat(const Node& node, v1::Stat* stat) const;
  void AddEphemeral(NodeId id, uint64_t owner);
  void RemoveEphemeral(NodeId id);
  void MarkDirty(NodeId id);
  // The node's part of digest_ is taken out before a change, added after it.
  void DigestOut(NodeId id, std::string_view path);
  void DigestIn(NodeId id, std::string_view path);
  absl::Status LoadNode(std::string_view key, std::string_view value);
  absl::Status LoadSession(std::string_view key, std::string_view value);
  absl::Status CheckLoaded(Zxid applied) const;

  NodeTable nodes_;
  SessionTable sessions_;
  // A session's ephemerals; each node knows its place in the list.
  std::unordered_map<uint64_t, std::vector<NodeId>> ephemerals_;
  size_t ephemeral_count_ = 0;
  int64_t data_bytes_ = 0;
  Zxid applied_;
  uint64_t digest_ = 0;

  // Since the last TakeRows. dirty_ has every node whose dirty flag is set; one
  // whose flag is not set has been removed since, or is in it twice.
  std::vector<NodeId> dirty_;
  std::vector<std::string> deleted_paths_;
  std::vector<SessionId> dirty_sessions_;
  bool meta_dirty_ = false;
  std::unique_ptr<LoadState> load_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_ZNODE_TREE_H_
