#include "coordinator/tree/prepare.h"

#include <utility>

#include "coordinator/tree/path.h"
#include "glog/logging.h"

namespace sillok {
namespace {

int64_t DataBytes(const v1::WriteOp& op) {
  return static_cast<int64_t>(op.create().data().size() +
                              op.set_data().data().size());
}

v1::Txn NewTxn(const v1::TxnOrigin& origin, int64_t now_ms) {
  v1::Txn txn;
  *txn.mutable_origin() = origin;
  txn.set_time_ms(now_ms);
  return txn;
}

}  // namespace

// --- The pending layer ---

void Preparer::Reset() {
  nodes_.clear();
  sessions_.clear();
  ephemerals_.clear();
  pending_.clear();
  quota_pending_.clear();
  open_.reset();
  node_undo_.clear();
  session_undo_.reset();
}

std::optional<ZnodeFacts> Preparer::Find(std::string_view path) const {
  if (!nodes_.empty()) {
    const auto it = nodes_.find(path);
    if (it != nodes_.end()) {
      if (!it->second.exists) return std::nullopt;
      return it->second.facts;
    }
  }
  return tree_.Find(path);
}

bool Preparer::SessionAlive(SessionId id) const {
  const auto it = sessions_.find(id);
  if (it != sessions_.end()) return it->second.alive;
  return tree_.sessions().Contains(id);
}

void Preparer::Begin() {
  CHECK(!open_) << "the txn before has been neither proposed nor withdrawn";
  open_ = PendingTxn();
  open_->number = ++last_number_;
}

void Preparer::Change(std::string_view path, bool exists,
                      const ZnodeFacts& facts) {
  const std::string key(path);
  const auto it = nodes_.find(key);
  NodeUndo undo{key, std::nullopt};
  if (it != nodes_.end()) undo.before = it->second;
  node_undo_.push_back(std::move(undo));
  open_->paths.push_back(key);
  SetNode(key, PendingNode{exists, facts, open_->number});
}

void Preparer::ChangeSession(SessionId id, bool alive) {
  SessionUndo undo{id, std::nullopt};
  const auto it = sessions_.find(id);
  if (it != sessions_.end()) undo.before = it->second;
  session_undo_ = undo;
  open_->session = id;
  SetSession(id, PendingSession{alive, open_->number});
}

void Preparer::SetNode(const std::string& path,
                       std::optional<PendingNode> node) {
  const auto it = nodes_.find(path);
  if (it != nodes_.end() && it->second.exists) {
    const auto owned = ephemerals_.find(it->second.facts.ephemeral_owner);
    if (owned != ephemerals_.end()) {
      owned->second.erase(path);
      if (owned->second.empty()) ephemerals_.erase(owned);
    }
  }
  if (!node) {
    if (it != nodes_.end()) nodes_.erase(it);
    return;
  }
  if (node->exists && node->facts.ephemeral_owner != 0) {
    ephemerals_[node->facts.ephemeral_owner].insert(path);
  }
  if (it != nodes_.end()) {
    it->second = *node;
  } else {
    nodes_.emplace(path, *node);
  }
}

void Preparer::SetSession(SessionId id, std::optional<PendingSession> session) {
  if (session) {
    sessions_[id] = *session;
  } else {
    sessions_.erase(id);
  }
}

void Preparer::Rollback() {
  for (auto undo = node_undo_.rbegin(); undo != node_undo_.rend(); ++undo) {
    SetNode(undo->path, undo->before);
  }
  if (session_undo_) SetSession(session_undo_->id, session_undo_->before);
  for (const auto& [prefix, use] : open_->quota) Charge(prefix, -use);
  node_undo_.clear();
  session_undo_.reset();
  open_.reset();
}

void Preparer::Proposed(Zxid zxid) {
  CHECK(open_) << "nothing is prepared";
  CHECK(pending_.empty() || pending_.back().zxid < zxid)
      << zxid << " after " << pending_.back().zxid;
  open_->zxid = zxid;
  pending_.push_back(*std::move(open_));
  open_.reset();
  node_undo_.clear();
  session_undo_.reset();
}

void Preparer::Withdraw() {
  CHECK(open_) << "nothing is prepared";
  Rollback();
}

void Preparer::Applied(Zxid zxid) {
  while (!pending_.empty() && pending_.front().zxid <= zxid) {
    const PendingTxn& txn = pending_.front();
    for (const std::string& path : txn.paths) {
      const auto it = nodes_.find(path);
      if (it != nodes_.end() && it->second.txn == txn.number) {
        SetNode(path, std::nullopt);
      }
    }
    if (txn.session) {
      const auto it = sessions_.find(*txn.session);
      if (it != sessions_.end() && it->second.txn == txn.number) {
        sessions_.erase(it);
      }
    }
    for (const auto& [prefix, use] : txn.quota) Charge(prefix, -use);
    pending_.pop_front();
  }
}

void Preparer::Charge(const std::string& prefix, const QuotaUse& more) {
  const auto it = quota_pending_.try_emplace(prefix).first;
  it->second += more;
  if (it->second == QuotaUse{}) quota_pending_.erase(it);
}

// --- Requests ---

Rejected Preparer::Reject(v1::CoordCode code) const {
  Rejected rejected;
  rejected.response.set_code(code);
  if (!pending_.empty()) rejected.after = pending_.back().zxid;
  return rejected;
}

Prepared Preparer::PrepareWrite(const v1::TxnOrigin& origin,
                                const v1::CoordRequest& request,
                                int64_t now_ms,
                                const IdentityList* identities) {
  requester_ = {SessionId(origin.session_id()), identities,
                options_.skip_acl};
  switch (request.op_case()) {
    case v1::CoordRequest::kWrite:
      return PrepareSingle(NewTxn(origin, now_ms), request.write());
    case v1::CoordRequest::kMulti:
      return PrepareMulti(NewTxn(origin, now_ms), request.multi());
    default:
      return Reject(v1::UNIMPLEMENTED);
  }
}

Prepared Preparer::PrepareSingle(v1::Txn txn, const v1::WriteOp& op) {
  // A check by itself would be a write that writes nothing; in ZooKeeper 3.8 it
  // destroyed the ensemble's log (ZOOKEEPER-2623).
  if (op.op_case() == v1::WriteOp::kCheck ||
      op.op_case() == v1::WriteOp::OP_NOT_SET) {
    return Reject(v1::UNIMPLEMENTED);
  }
  Begin();
  const v1::CoordCode code = DoOp(op, txn.mutable_write()->add_ops());
  if (code == v1::OK) return txn;
  Rollback();
  Rejected rejected = Reject(code);
  rejected.response.mutable_write()->set_code(code);
  return rejected;
}

Prepared Preparer::PrepareMulti(v1::Txn txn, const v1::MultiOp& multi) {
  if (multi.ops().empty() && !SessionAlive(requester_.session)) {
    return Reject(v1::SESSION_EXPIRED);
  }
  Begin();
  v1::WriteTxn* write = txn.mutable_write();
  write->set_multi(true);
  int64_t data_bytes = 0;
  for (int i = 0; i < multi.ops_size(); ++i) {
    v1::CoordCode code = DoOp(multi.ops(i), write->add_ops());
    data_bytes += DataBytes(multi.ops(i));
    if (code == v1::OK && data_bytes > options_.max_data_bytes) {
      code = v1::QUOTA_EXCEEDED;
    }
    if (code == v1::OK) continue;
    Rollback();
    Rejected rejected = Reject(code);
    for (int j = 0; j < multi.ops_size(); ++j) {
      rejected.response.add_multi()->set_code(
          j < i ? v1::OK : (j == i ? code : v1::RUNTIME_INCONSISTENCY));
    }
    return rejected;
  }
  return txn;
}

Prepared Preparer::PrepareReap(const v1::TxnOrigin& origin,
                               const std::string& path,
                               int64_t max_never_used_ms, int64_t now_ms) {
  const bool looks = !options_.faults.reap_without_look || !Find(path);
  const bool in_use = looks && nodes_.count(path) != 0;
  if (in_use ||
      !tree_.IsOverdue(path, now_ms, max_never_used_ms)) {
    return Reject(v1::NO_NODE);
  }
  Begin();
  RemoveNode(path);
  v1::Txn txn = NewTxn(origin, now_ms);
  txn.mutable_write()->add_ops()->mutable_delete_()->set_path(path);
  return txn;
}

Prepared Preparer::PrepareReconfig(const v1::TxnOrigin& origin,
                                   const v1::ReconfigOp& change,
                                   int64_t now_ms,
                                   const IdentityList* identities,
                                   const JudgeEnsemble& judge) {
  requester_ = {SessionId(origin.session_id()), identities,
                options_.skip_acl};
  std::vector<v1::EnsembleMember> next;
  const v1::CoordCode code = DoReconfig(change, judge, &next);
  if (code != v1::OK) return Reject(code);
  Begin();
  open_->reconfig = true;
  v1::Txn txn = NewTxn(origin, now_ms);
  for (v1::EnsembleMember& member : next) {
    *txn.mutable_reconfig()->add_members() = std::move(member);
  }
  ZnodeFacts node = Find(kSystemConfigPath).value();
  node.version = -1;
  Change(kSystemConfigPath, true, node);
  return txn;
}

Prepared Preparer::PrepareCreateSession(const v1::TxnOrigin& origin,
                                        SessionId id, std::string password,
                                        int64_t timeout_ms, int64_t now_ms) {
  if (id.value() == 0 || sessions_.count(id) != 0 ||
      tree_.sessions().Contains(id)) {
    return Reject(v1::RUNTIME_INCONSISTENCY);
  }
  Begin();
  ChangeSession(id, true);
  v1::Txn txn = NewTxn(origin, now_ms);
  v1::CreateSessionTxn* create = txn.mutable_create_session();
  create->set_session_id(id.value());
  create->set_password(std::move(password));
  create->set_timeout_ms(timeout_ms);
  return txn;
}

Prepared Preparer::PrepareCloseSession(const v1::TxnOrigin& origin,
                                       SessionId id, int64_t now_ms) {
  if (!SessionAlive(id)) return Reject(v1::SESSION_EXPIRED);
  std::set<std::string> paths;
  for (std::string& path : tree_.EphemeralsOf(id)) {
    const std::optional<ZnodeFacts> facts = Find(path);
    if (facts && facts->ephemeral_owner == id.value()) {
      paths.insert(std::move(path));
    }
  }
  const auto pending = ephemerals_.find(id.value());
  if (pending != ephemerals_.end()) {
    paths.insert(pending->second.begin(), pending->second.end());
  }
  Begin();
  v1::Txn txn = NewTxn(origin, now_ms);
  v1::CloseSessionTxn* close = txn.mutable_close_session();
  close->set_session_id(id.value());
  for (const std::string& path : paths) {
    RemoveNode(path);
    close->add_ephemerals(path);
  }
  ChangeSession(id, false);
  return txn;
}

}  // namespace sillok
