// The leader's door to the log: turns a request into a Txn, or into the answer
// "no". Pure.
#ifndef SILLOK_COORDINATOR_TREE_PREPARE_H_
#define SILLOK_COORDINATOR_TREE_PREPARE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "coordinator/tree/acl.h"
#include "coordinator/tree/path.h"
#include "coordinator/tree/quota.h"
#include "coordinator/tree/tree_faults.h"
#include "coordinator/tree/znode_tree.h"
#include "proto/coordinator.pb.h"
#include "proto/txn.pb.h"

namespace sillok {

struct PrepareOptions {
  // jute.maxbuffer: of one znode's data, of its ACL, and of the data of a whole
  // multi. A larger write is answered QUOTA_EXCEEDED.
  int64_t max_data_bytes = 1024 * 1024;
  // A path longer than this is answered BAD_ARGUMENTS.
  int64_t max_path_bytes = 64 * 1024;
  // No ACL holds anybody (skipACL).
  bool skip_acl = false;
  // Quotas' hard limits refuse writes (enforceQuota); else they are only counted.
  bool enforce_quota = false;
  // TTL znodes may be created (extendedTypesEnabled).
  bool ttl_enabled = true;
  // The members may be changed (reconfigEnabled).
  bool reconfig_enabled = true;
  TreeFaults faults;
};

// A request that changes nothing and is not logged.
struct Rejected {
  // A failed multi has the first error as its code, and for each operation 0
  // before the culprit, its code, and RUNTIME_INCONSISTENCY after it.
  v1::CoordResponse response;
  // The last proposed txn the decision rests upon: the member must answer only
  // after this zxid is applied there (and give no answer if it never is), or the
  // client would see the effect of a write that may still be lost. 0 = none.
  // For an answer that is also current across a change of leader, the leader
  // confirms its term (ReadBarrier) after preparing.
  Zxid after;
};

using Prepared = std::variant<v1::Txn, Rejected>;

// Validates against the tree with the changes of txns that are proposed and not
// yet applied laid over it. One thread, leader only, one term at a time.
//
// The schedule: Prepare...; when it gave a Txn, exactly one of Proposed (with the
// zxid it was given) or Withdraw (it was not proposed) before the next Prepare;
// Applied after the tree has applied a txn.
class Preparer {
 public:
  // `tree` must outlive this.
  explicit Preparer(const ZnodeTree& tree, PrepareOptions options = {})
      : tree_(tree), options_(options) {}

  // A new term, or the end of one: no txn is pending any more. At the beginning
  // of a term the tree must have applied the whole log.
  void Reset();

  // A WriteOp or MultiOp of a session, on behalf of `identities` (null: none).
  // Others are answered UNIMPLEMENTED.
  Prepared PrepareWrite(const v1::TxnOrigin& origin,
                        const v1::CoordRequest& request, int64_t now_ms,
                        const IdentityList* identities = nullptr);
  // `id` must be new; `password` and `timeout_ms` are as they will be kept.
  // Answers RUNTIME_INCONSISTENCY when the id is in use.
  Prepared PrepareCreateSession(const v1::TxnOrigin& origin, SessionId id,
                                std::string password, int64_t timeout_ms,
                                int64_t now_ms);
  // SESSION_EXPIRED when there is no such session or its close is pending.
  Prepared PrepareCloseSession(const v1::TxnOrigin& origin, SessionId id,
                               int64_t now_ms);

  // A change of members, which are then `judge`d by who knows who is in sync: OK,
  // or the answer. RECONFIG_DISABLED unless it is enabled, UNIMPLEMENTED for a
  // member by itself that others could not find, RECONFIG_IN_PROGRESS while one
  // is pending, BAD_VERSION, BAD_ARGUMENTS (see ChangeEnsemble), what `judge` says,
  // and NO_AUTH without WRITE on /zookeeper/config: in this order, ZooKeeper's.
  // Last BAD_ARGUMENTS for an id above kMaxMemberId.
  using JudgeEnsemble =
      std::function<v1::CoordCode(const std::vector<v1::EnsembleMember>&)>;
  Prepared PrepareReconfig(const v1::TxnOrigin& origin,
                           const v1::ReconfigOp& change, int64_t now_ms,
                           const IdentityList* identities,
                           const JudgeEnsemble& judge);

  void Proposed(Zxid zxid);
  void Withdraw();
  // Drops what was pending up to `zxid`: the tree says it now.
  void Applied(Zxid zxid);

  // The deletion of a container or TTL znode whose time is over. NO_NODE when
  // there is none such, or when a pending txn touches it: it may have got a child
  // or new data.
  Prepared PrepareReap(const v1::TxnOrigin& origin, const std::string& path,
                       int64_t max_never_used_ms, int64_t now_ms);

  // The session exists and no close of it is pending.
  bool SessionAlive(SessionId id) const;
  // Proposed and not applied.
  size_t pending_txns() const { return pending_.size(); }
  // Writes that went over a soft limit, or over a hard one that is not enforced.
  uint64_t quota_overruns() const { return quota_overruns_; }

 private:
  // A znode as it will be.
  struct PendingNode {
    bool exists = false;
    ZnodeFacts facts;
    uint64_t txn = 0;  // the last one that touched it
  };
  struct PendingTxn {
    uint64_t number = 0;
    Zxid zxid;
    std::vector<std::string> paths;  // it touched
    std::optional<SessionId> session;  // it created or closes
    std::vector<std::pair<std::string, QuotaUse>> quota;  // it uses
    bool reconfig = false;
  };
  struct PendingSession {
    bool alive = false;
    uint64_t txn = 0;
  };
  // What one change of nodes_ or sessions_ replaced.
  struct NodeUndo {
    std::string path;
    std::optional<PendingNode> before;
  };
  struct SessionUndo {
    SessionId id;
    std::optional<PendingSession> before;
  };

  std::optional<ZnodeFacts> Find(std::string_view path) const;
  void Begin();
  void Rollback();
  void Change(std::string_view path, bool exists, const ZnodeFacts& facts);
  void ChangeSession(SessionId id, bool alive);
  void SetNode(const std::string& path, std::optional<PendingNode> node);
  void SetSession(SessionId id, std::optional<PendingSession> session);
  void RemoveNode(std::string_view path);

  Prepared PrepareSingle(v1::Txn txn, const v1::WriteOp& op);
  Prepared PrepareMulti(v1::Txn txn, const v1::MultiOp& multi);
  v1::CoordCode DoOp(const v1::WriteOp& op, v1::TxnOp* out);
  v1::CoordCode CheckMode(const v1::CreateOp& op) const;
  v1::CoordCode ResolveCreateAcl(const v1::CreateOp& op, AclList* acl) const;
  v1::CoordCode DoCreate(const v1::CreateOp& op, v1::CreateTxnOp* out);
  v1::CoordCode DoDelete(const v1::DeleteOp& op, v1::DeleteTxnOp* out);
  v1::CoordCode DoSetData(const v1::SetDataOp& op, v1::SetDataTxnOp* out);
  v1::CoordCode DoSetAcl(const v1::SetAclOp& op, v1::SetAclTxnOp* out);
  v1::CoordCode DoCheck(const v1::CheckVersionOp& op, v1::CheckTxnOp* out);
  v1::CoordCode DoReconfig(const v1::ReconfigOp& change,
                           const JudgeEnsemble& judge,
                           std::vector<v1::EnsembleMember>* next) const;
  bool Allowed(std::string_view path, const ZnodeFacts& node,
               uint32_t permission) const;
  // QUOTA_EXCEEDED when `more` must not be added at `path`; else counts it as
  // used by the open txn.
  v1::CoordCode Use(std::string_view path, const QuotaUse& more);
  void Charge(const std::string& prefix, const QuotaUse& more);
  Rejected Reject(v1::CoordCode code) const;

  const ZnodeTree& tree_;
  const PrepareOptions options_;
  std::unordered_map<std::string, PendingNode, PathHash, std::equal_to<>>
      nodes_;
  std::unordered_map<SessionId, PendingSession> sessions_;
  // By session, the ephemerals that exist in nodes_.
  std::unordered_map<uint64_t, std::set<std::string>> ephemerals_;
  std::deque<PendingTxn> pending_;
  std::optional<PendingTxn> open_;  // prepared; Proposed or Withdraw is due
  std::vector<NodeUndo> node_undo_;  // of the open one
  std::optional<SessionUndo> session_undo_;
  uint64_t last_number_ = 0;
  // Who asks for what is being prepared.
  Requester requester_;
  // By the path of the quota: what pending txns add to the tree's statistics.
  std::unordered_map<std::string, QuotaUse> quota_pending_;
  uint64_t quota_overruns_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_PREPARE_H_
