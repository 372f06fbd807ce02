// The replicated state of the coordinator: znodes and sessions, as of the last
// applied transaction. Pure: no clock, disk, thread or randomness.
#ifndef SILLOK_COORDINATOR_TREE_ZNODE_TREE_H_
#define SILLOK_COORDINATOR_TREE_ZNODE_TREE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/tree/acl.h"
#include "coordinator/tree/acl_table.h"
#include "coordinator/tree/ensemble.h"
#include "coordinator/tree/node_table.h"
#include "coordinator/tree/quota.h"
#include "coordinator/tree/session_table.h"
#include "coordinator/tree/tree_faults.h"
#include "proto/coordinator.pb.h"
#include "proto/txn.pb.h"

namespace sillok {

struct NodeFields;

// One thing an applied txn did to the tree, for WatchTable::Trigger.
struct TreeChange {
  // NODE_CHILDREN_CHANGED names the parent.
  v1::WatchEventType type = v1::WATCH_EVENT_UNSPECIFIED;
  std::string path;
  // Of the znode at `path` as it was then: only who may read it hears of it.
  AclRef acl;
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
  int32_t aversion = 0;
  int64_t data_bytes = 0;
  AclRef acl;
};

// Only committed state. One thread. Operations cost O(path), listing children
// O(children log children), closing a session O(its ephemerals).
//
// Memory: a fixed node of 88 bytes, one heap block with the last path component
// and the data, and an index slot; ephemerals 4 bytes more, containers and TTL
// znodes about 60, znodes whose ACL was changed after their creation about 40.
// Each different ACL is kept once.
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

  // Answers what reads the tree: exists, get_data, get_children, get_acl,
  // get_ephemerals, count_descendants and multi_read, as far as ACLs allow it to
  // the requester. Other requests give UNIMPLEMENTED. A multi_read that comes to
  // more than 32 MiB is answered QUOTA_EXCEEDED.
  void Read(const v1::CoordRequest& request, const Requester& requester,
            v1::CoordResponse* response) const;
  // Without regard to ACLs.
  v1::CoordResponse Read(const v1::CoordRequest& request) const;
  // The ACL of a znode there is; null when there is none, or none is needed.
  AclRef AclOf(std::string_view path) const;
  // OK, or NO_NODE and the outputs untouched. Null outputs are left out.
  v1::CoordCode Exists(std::string_view path, v1::Stat* stat) const;
  v1::CoordCode GetData(std::string_view path, std::string* data,
                        v1::Stat* stat) const;
  // Sorted names.
  v1::CoordCode GetChildren(std::string_view path,
                            std::vector<std::string>* children,
                            v1::Stat* stat) const;
  std::optional<ZnodeFacts> Find(std::string_view path) const;

  // Who the members are: as the last reconfiguration says, or before the first
  // one those of SetFileEnsemble.
  const Ensemble& ensemble() const { return ensemble_; }
  // Those of this member's configuration file. They are no part of the replicated
  // state: until a reconfiguration is applied, reads of /zookeeper/config give
  // them as their text, with ZooKeeper's version -1 of the data; no row and no
  // digest has them. Without members the data is empty. To be said again after
  // Clear.
  void SetFileEnsemble(std::vector<v1::EnsembleMember> members);

  // Containers and TTL znodes are numbered from 0; numbers move when one goes.
  size_t timed_znodes() const { return timed_list_.size(); }
  // The path of that one if its time is over; see IsOverdue.
  std::optional<std::string> OverduePath(size_t number, int64_t wall_ms,
                                         int64_t max_never_used_ms) const;
  // A container or TTL znode without children whose time is over: a container
  // has had a child, or was not used for max_never_used_ms (0 = may stay so);
  // of a TTL znode, nobody has set data for its TTL.
  bool IsOverdue(std::string_view path, int64_t wall_ms,
                 int64_t max_never_used_ms) const;

  bool has_quotas() const { return !quotas_.empty(); }
  // The longest prefix of `path` with a quota; empty when there is none. A quota
  // of the root has no effect.
  std::string_view FindQuota(std::string_view path) const;
  // What holds for that prefix. Nothing when one of its znodes is missing.
  std::optional<std::pair<QuotaLimits, QuotaUse>> ReadQuota(
      std::string_view prefix) const;

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
  // have no children, counters, ACL references and digest are what the nodes
  // say. For tests and for a start-up check; O(tree).
  absl::Status CheckInvariants() const;
  // Of these only that every ephemeral's owner is a live session, and that
  // owners and ephemerals agree: O(ephemerals), for after each failover.
  absl::Status CheckEphemerals() const;
  // For tests of the tests.
  void Plant(const TreeFaults& faults) { faults_ = faults; }
  // Different ACLs in use.
  size_t acls() const { return acls_.size(); }

 private:
  struct LoadState;

  // A container (TTL 0) or TTL znode, and its place in timed_list_.
  struct Timed {
    int64_t ttl_ms = 0;
    uint32_t index = 0;
  };
  struct ChangedAcl {
    AclTable::Id acl = AclTable::kOpen;
    int32_t aversion = 0;
  };

  absl::Status ApplyWrite(Zxid zxid, int64_t time_ms, const v1::WriteTxn& write,
                          ApplyResult* result);
  absl::Status ApplyOp(Zxid zxid, int64_t time_ms, const v1::TxnOp& op,
                       ApplyResult* result, v1::WriteResult* answer);
  absl::Status CheckCreate(Zxid zxid, const v1::CreateTxnOp& op,
                           NodeId parent) const;
  absl::Status ApplyCreate(Zxid zxid, int64_t time_ms,
                           const v1::CreateTxnOp& op, ApplyResult* result,
                           v1::WriteResult* answer);
  absl::Status ApplyDelete(Zxid zxid, std::string_view path,
                           ApplyResult* result);
  absl::Status ApplySetData(Zxid zxid, int64_t time_ms,
                            const v1::SetDataTxnOp& op, ApplyResult* result,
                            v1::WriteResult* answer);
  absl::Status ApplySetAcl(Zxid zxid, const v1::SetAclTxnOp& op,
                           v1::WriteResult* answer);
  absl::Status ApplyReconfig(Zxid zxid, int64_t time_ms,
                             const v1::ReconfigTxn& reconfig,
                             ApplyResult* result);
  absl::Status ApplyCreateSession(const v1::CreateSessionTxn& create,
                                  ApplyResult* result);
  absl::Status ApplyCloseSession(Zxid zxid, const v1::CloseSessionTxn& close,
                                 ApplyResult* result);
  void AddBuiltIns();
  NodeId Lookup(std::string_view path) const;
  std::string PathOf(NodeId id) const;
  NodeFields FieldsOf(NodeId id) const;
  void FillStat(NodeId id, v1::Stat* stat) const;
  // What readers see.
  std::string_view DataOf(NodeId id) const;
  v1::CoordCode ReadMulti(const v1::MultiReadOp& multi,
                          const Requester& requester,
                          v1::CoordResponse* response) const;
  v1::CoordCode ReadAcl(NodeId id, const Requester& requester,
                        v1::CoordResponse* response) const;
  v1::CoordCode ReadEphemerals(const std::string& prefix, SessionId session,
                               v1::CoordResponse* response) const;
  void ReadChildren(NodeId id, v1::CoordResponse* response) const;
  int64_t CountBelow(NodeId id, int64_t* data_bytes) const;
  void AddEphemeral(NodeId id, uint64_t owner);
  void RemoveEphemeral(NodeId id);
  void AddTimed(NodeId id, int64_t ttl_ms);
  void RemoveTimed(NodeId id);
  bool IsOverdue(NodeId id, int64_t wall_ms, int64_t max_never_used_ms) const;
  AclTable::Id AclIdOf(NodeId id) const;
  int32_t AversionOf(NodeId id) const;
  // Takes over a reference to `acl`; what was there before is given back.
  void PutAcl(NodeId id, AclTable::Id acl, int32_t aversion);
  // What a change of `path` means for quotas.
  void QuotaNodeAdded(std::string_view path);
  void QuotaNodeRemoved(std::string_view path);
  void CountUse(std::string_view path, const QuotaUse& more);
  void WriteUse(NodeId stats, const QuotaUse& use);
  void FindQuotas();
  void ProtectConfig();
  TreeRow EnsembleRow() const;
  void MarkDirty(NodeId id);
  // The node's part of digest_ is taken out before a change, added after it.
  void DigestOut(NodeId id, std::string_view path);
  void DigestIn(NodeId id, std::string_view path);
  absl::Status LoadNode(std::string_view key, std::string_view value);
  absl::Status LoadSession(std::string_view key, std::string_view value);
  absl::Status LoadEnsemble(std::string_view value);
  absl::Status CheckLoaded(Zxid applied) const;

  NodeTable nodes_;
  SessionTable sessions_;
  AclTable acls_;
  // Of nodes whose acl field says kAclElsewhere.
  std::unordered_map<NodeId, ChangedAcl> changed_acls_;
  std::unordered_map<NodeId, Timed> timed_;
  std::vector<NodeId> timed_list_;
  // Paths that have limits below /zookeeper/quota.
  std::set<std::string, std::less<>> quotas_;
  Ensemble ensemble_;
  // The znode whose data readers see as file_text_: that of the configuration,
  // before the first reconfiguration. Else kNoNode.
  NodeId file_node_ = kNoNode;
  std::string file_text_;
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
  bool ensemble_dirty_ = false;
  bool meta_dirty_ = false;
  std::unique_ptr<LoadState> load_;
  TreeFaults faults_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_ZNODE_TREE_H_
