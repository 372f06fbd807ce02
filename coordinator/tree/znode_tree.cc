#include "coordinator/tree/znode_tree.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/tree/path.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/tree_internal.h"
#include "fmt/core.h"

namespace sillok {
namespace {

// The leader validated every txn against the same state, so this is a bug or
// a damaged replica, never a client's mistake.
absl::Status Diverged(Zxid zxid, std::string_view path, const char* what) {
  return absl::InternalError(fmt::format("txn {}.{} does not fit the tree: {} {}",
                                         zxid.epoch(), zxid.counter(), path,
                                         what));
}

void AddChange(v1::WatchEventType type, std::string_view path, AclRef acl,
               ApplyResult* result) {
  result->changes.push_back({type, std::string(path), std::move(acl)});
}

}  // namespace

ZnodeTree::ZnodeTree() { AddBuiltIns(); }

ZnodeTree::~ZnodeTree() = default;

void ZnodeTree::AddBuiltIns() {
  const NodeId system = nodes_.Add(NodeTable::kRoot, "zookeeper", "");
  nodes_.Add(system, "quota", "");
  nodes_.Add(system, "config", "");
  for (const std::string_view path :
       {kRootPath, kSystemPath, kSystemQuotaPath, kSystemConfigPath}) {
    const NodeId id = Lookup(path);
    data_bytes_ += nodes_[id].name_size;
    DigestIn(id, path);
    MarkDirty(id);
  }
  ProtectConfig();
  meta_dirty_ = true;
}

// The ensemble's own znode: everybody may read it. ZooKeeper's aversion of it is
// -1. An image from before there were ACLs is put right the same way when it is
// loaded, so that all members have it alike.
void ZnodeTree::ProtectConfig() {
  const NodeId config = Lookup(kSystemConfigPath);
  if (AclIdOf(config) != AclTable::kOpen || AversionOf(config) != 0) return;
  AclList readable;
  v1::Acl* rule = readable.Add();
  rule->set_permissions(kReadPermission);
  rule->set_scheme("world");
  rule->set_id("anyone");
  DigestOut(config, kSystemConfigPath);
  PutAcl(config, acls_.Acquire(EncodeAcl(readable)).value(), -1);
  DigestIn(config, kSystemConfigPath);
  MarkDirty(config);
  meta_dirty_ = true;
}

NodeId ZnodeTree::Lookup(std::string_view path) const {
  if (path.empty() || path[0] != '/') return kNoNode;
  NodeId id = NodeTable::kRoot;
  if (path.size() == 1) return id;
  path.remove_prefix(1);
  while (true) {
    const size_t slash = path.find('/');
    id = nodes_.FindChild(id, path.substr(0, slash));
    if (id == kNoNode || slash == std::string_view::npos) return id;
    path.remove_prefix(slash + 1);
  }
}

std::string ZnodeTree::PathOf(NodeId id) const {
  if (id == NodeTable::kRoot) return std::string(kRootPath);
  size_t size = 0;
  for (NodeId i = id; i != NodeTable::kRoot; i = nodes_[i].parent) {
    size += 1 + nodes_[i].name_size;
  }
  std::string path(size, '/');
  size_t end = size;
  for (NodeId i = id; i != NodeTable::kRoot; i = nodes_[i].parent) {
    const std::string_view name = nodes_[i].name();
    end -= name.size();
    std::copy(name.begin(), name.end(), path.begin() + end);
    --end;  // the slash
  }
  return path;
}

// --- Applying ---

absl::StatusOr<ApplyResult> ZnodeTree::Apply(Zxid zxid, const v1::Txn& txn) {
  if (zxid <= applied_) {
    return Diverged(zxid, "", "is not after what is applied");
  }
  ApplyResult result;
  switch (txn.kind_case()) {
    case v1::Txn::kWrite:
      RETURN_IF_ERROR(ApplyWrite(zxid, txn.time_ms(), txn.write(), &result));
      break;
    case v1::Txn::kCreateSession:
      RETURN_IF_ERROR(ApplyCreateSession(txn.create_session(), &result));
      break;
    case v1::Txn::kCloseSession:
      RETURN_IF_ERROR(ApplyCloseSession(zxid, txn.close_session(), &result));
      break;
    case v1::Txn::kReconfig:
      RETURN_IF_ERROR(
          ApplyReconfig(zxid, txn.time_ms(), txn.reconfig(), &result));
      break;
    case v1::Txn::KIND_NOT_SET:
      return Diverged(zxid, "", "is of no known kind (a later version's?)");
  }
  SkipTo(zxid);
  return result;
}

void ZnodeTree::SkipTo(Zxid zxid) {
  if (zxid <= applied_) return;
  applied_ = zxid;
  meta_dirty_ = true;
}

absl::Status ZnodeTree::ApplyWrite(Zxid zxid, int64_t time_ms,
                                   const v1::WriteTxn& write,
                                   ApplyResult* result) {
  if (!write.multi()) {
    if (write.ops_size() != 1) {
      return Diverged(zxid, "", "is a write without exactly one operation");
    }
    return ApplyOp(zxid, time_ms, write.ops(0), result,
                   result->response.mutable_write());
  }
  for (const v1::TxnOp& op : write.ops()) {
    RETURN_IF_ERROR(
        ApplyOp(zxid, time_ms, op, result, result->response.add_multi()));
  }
  return absl::OkStatus();
}

absl::Status ZnodeTree::ApplyOp(Zxid zxid, int64_t time_ms,
                                const v1::TxnOp& op, ApplyResult* result,
                                v1::WriteResult* answer) {
  switch (op.op_case()) {
    case v1::TxnOp::kCreate:
      return ApplyCreate(zxid, time_ms, op.create(), result, answer);
    case v1::TxnOp::kDelete:
      return ApplyDelete(zxid, op.delete_().path(), result);
    case v1::TxnOp::kSetData:
      return ApplySetData(zxid, time_ms, op.set_data(), result, answer);
    case v1::TxnOp::kSetAcl:
      return ApplySetAcl(zxid, op.set_acl(), answer);
    case v1::TxnOp::kCheck:
      return absl::OkStatus();
    case v1::TxnOp::OP_NOT_SET:
      break;
  }
  return Diverged(zxid, "", "has an operation of no known kind");
}

absl::Status ZnodeTree::CheckCreate(Zxid zxid, const v1::CreateTxnOp& op,
                                    NodeId parent) const {
  const std::string& path = op.path();
  if (parent == kNoNode) return Diverged(zxid, path, "has no parent");
  if (nodes_[parent].ephemeral) {
    return Diverged(zxid, path, "has an ephemeral parent");
  }
  const std::string_view name = BaseName(path);
  if (name.size() > NodeTable::kMaxNameBytes) {
    return Diverged(zxid, path, "has too long a name");
  }
  if (nodes_.FindChild(parent, name) != kNoNode) {
    return Diverged(zxid, path, "is there already");
  }
  if (op.ephemeral_owner() != 0) {
    if (op.container() || op.ttl_ms() != 0) {
      return Diverged(zxid, path, "is an ephemeral with a lifetime");
    }
    if (!sessions_.Contains(SessionId(op.ephemeral_owner()))) {
      return Diverged(zxid, path, "is of a session that does not exist");
    }
  }
  return absl::OkStatus();
}

absl::Status ZnodeTree::ApplyCreate(Zxid zxid, int64_t time_ms,
                                    const v1::CreateTxnOp& op,
                                    ApplyResult* result,
                                    v1::WriteResult* answer) {
  const std::string& path = op.path();
  if (!IsValidPath(path) || path == kRootPath) {
    return Diverged(zxid, path, "is no path to create");
  }
  const std::string_view parent_path = ParentPath(path);
  const NodeId parent = Lookup(parent_path);
  RETURN_IF_ERROR(CheckCreate(zxid, op, parent));

  DigestOut(parent, parent_path);
  const std::string_view name = BaseName(path);
  const NodeId id = nodes_.Add(parent, name, op.data());
  Node& node = nodes_[id];
  node.czxid = node.mzxid = node.pzxid = zxid.value();
  node.ctime_ms = node.mtime_ms = time_ms;
  node.null_data = op.null_data();
  if (op.ephemeral_owner() != 0) AddEphemeral(id, op.ephemeral_owner());
  if (op.container() || op.ttl_ms() != 0) AddTimed(id, op.ttl_ms());
  if (!op.acl().empty()) {
    PutAcl(id, acls_.Acquire(EncodeAcl(op.acl())).value(), 0);
  }
  nodes_[parent].pzxid = zxid.value();
  nodes_[parent].creates = op.parent_creates();
  DigestIn(parent, parent_path);
  DigestIn(id, path);
  MarkDirty(parent);
  MarkDirty(id);
  data_bytes_ += static_cast<int64_t>(name.size() + op.data().size());

  answer->set_path(path);
  FillStat(id, answer->mutable_stat());
  AddChange(v1::NODE_CREATED, path, acls_.acl(AclIdOf(id)), result);
  AddChange(v1::NODE_CHILDREN_CHANGED, parent_path,
            acls_.acl(AclIdOf(parent)), result);
  QuotaNodeAdded(path);
  CountUse(path, {1, static_cast<int64_t>(op.data().size())});
  return absl::OkStatus();
}

absl::Status ZnodeTree::ApplyDelete(Zxid zxid, std::string_view path,
                                    ApplyResult* result) {
  const NodeId id = Lookup(path);
  if (id == kNoNode) return Diverged(zxid, path, "is not there");
  if (IsReservedPath(path)) return Diverged(zxid, path, "is reserved");
  Node& node = nodes_[id];
  if (node.num_children != 0) return Diverged(zxid, path, "has children");

  const NodeId parent = node.parent;
  const std::string_view parent_path = ParentPath(path);
  const int64_t node_bytes = node.data_size;
  DigestOut(parent, parent_path);
  DigestOut(id, path);
  data_bytes_ -= node.name_size + node_bytes;
  AddChange(v1::NODE_DELETED, path, acls_.acl(AclIdOf(id)), result);
  if (node.ephemeral) RemoveEphemeral(id);
  if (node.container || node.has_ttl) RemoveTimed(id);
  if (!faults_.leak_acl_references) PutAcl(id, AclTable::kOpen, 0);
  nodes_.Remove(id);
  nodes_[parent].pzxid = zxid.value();
  DigestIn(parent, parent_path);
  MarkDirty(parent);
  deleted_paths_.emplace_back(path);

  AddChange(v1::NODE_CHILDREN_CHANGED, parent_path,
            acls_.acl(AclIdOf(parent)), result);
  QuotaNodeRemoved(path);
  CountUse(path, {-1, -node_bytes});
  return absl::OkStatus();
}

absl::Status ZnodeTree::ApplySetData(Zxid zxid, int64_t time_ms,
                                     const v1::SetDataTxnOp& op,
                                     ApplyResult* result,
                                     v1::WriteResult* answer) {
  const NodeId id = Lookup(op.path());
  if (id == kNoNode) return Diverged(zxid, op.path(), "is not there");
  DigestOut(id, op.path());
  Node& node = nodes_[id];
  const int64_t more = static_cast<int64_t>(op.data().size()) - node.data_size;
  data_bytes_ += more;
  nodes_.SetData(id, op.data());
  node.null_data = op.null_data();
  node.mzxid = zxid.value();
  node.mtime_ms = time_ms;
  node.version = op.version();
  DigestIn(id, op.path());
  MarkDirty(id);
  FillStat(id, answer->mutable_stat());
  AddChange(v1::NODE_DATA_CHANGED, op.path(), acls_.acl(AclIdOf(id)), result);
  CountUse(op.path(), {0, more});
  return absl::OkStatus();
}

// Fires no watch and moves no zxid.
absl::Status ZnodeTree::ApplySetAcl(Zxid zxid, const v1::SetAclTxnOp& op,
                                    v1::WriteResult* answer) {
  const NodeId id = Lookup(op.path());
  if (id == kNoNode) return Diverged(zxid, op.path(), "is not there");
  DigestOut(id, op.path());
  PutAcl(id, acls_.Acquire(EncodeAcl(op.acl())).value(), op.version());
  DigestIn(id, op.path());
  MarkDirty(id);
  FillStat(id, answer->mutable_stat());
  return absl::OkStatus();
}

absl::Status ZnodeTree::ApplyCreateSession(const v1::CreateSessionTxn& create,
                                           ApplyResult* result) {
  const SessionId id(create.session_id());
  if (id.value() == 0 || sessions_.Contains(id)) {
    return absl::InternalError(
        fmt::format("session {:#x} is there already", id.value()));
  }
  digest_ += SessionDigest(id, {create.password(), create.timeout_ms()});
  sessions_.Put(id, {create.password(), create.timeout_ms()});
  dirty_sessions_.push_back(id);
  result->session_created = id;
  return absl::OkStatus();
}

absl::Status ZnodeTree::ApplyCloseSession(Zxid zxid,
                                          const v1::CloseSessionTxn& close,
                                          ApplyResult* result) {
  const SessionId id(close.session_id());
  const SessionInfo* session = sessions_.Find(id);
  if (session == nullptr) {
    return absl::InternalError(
        fmt::format("closed session {:#x} does not exist", id.value()));
  }
  for (const std::string& path : close.ephemerals()) {
    const NodeId node = Lookup(path);
    if (node == kNoNode || !nodes_[node].ephemeral ||
        nodes_[node].owner != id.value()) {
      return Diverged(zxid, path, "is not the closed session's");
    }
    RETURN_IF_ERROR(ApplyDelete(zxid, path, result));
  }
  if (ephemerals_.count(id.value()) != 0) {
    return absl::InternalError(fmt::format(
        "closed session {:#x} owns znodes its txn does not list", id.value()));
  }
  digest_ -= SessionDigest(id, {session->password, session->timeout_ms});
  sessions_.Remove(id);
  dirty_sessions_.push_back(id);
  result->session_closed = id;
  return absl::OkStatus();
}

void ZnodeTree::AddEphemeral(NodeId id, uint64_t owner) {
  std::vector<NodeId>& list = ephemerals_[owner];
  Node& node = nodes_[id];
  node.ephemeral = 1;
  node.owner = owner;
  node.owner_index = static_cast<uint32_t>(list.size());
  list.push_back(id);
  ++ephemeral_count_;
}

void ZnodeTree::RemoveEphemeral(NodeId id) {
  const auto it = ephemerals_.find(nodes_[id].owner);
  std::vector<NodeId>& list = it->second;
  const uint32_t index = nodes_[id].owner_index;
  list[index] = list.back();
  nodes_[list[index]].owner_index = index;
  list.pop_back();
  if (list.empty()) ephemerals_.erase(it);
  --ephemeral_count_;
}

void ZnodeTree::AddTimed(NodeId id, int64_t ttl_ms) {
  if (ttl_ms != 0) {
    nodes_[id].has_ttl = 1;
  } else {
    nodes_[id].container = 1;
  }
  timed_[id] = {ttl_ms, static_cast<uint32_t>(timed_list_.size())};
  timed_list_.push_back(id);
}

void ZnodeTree::RemoveTimed(NodeId id) {
  const auto it = timed_.find(id);
  const uint32_t index = it->second.index;
  timed_list_[index] = timed_list_.back();
  timed_[timed_list_[index]].index = index;
  timed_list_.pop_back();
  timed_.erase(it);
}

AclTable::Id ZnodeTree::AclIdOf(NodeId id) const {
  const uint32_t acl = nodes_[id].acl;
  return acl == Node::kAclElsewhere ? changed_acls_.at(id).acl : acl;
}

int32_t ZnodeTree::AversionOf(NodeId id) const {
  if (nodes_[id].acl != Node::kAclElsewhere) return 0;
  return changed_acls_.at(id).aversion;
}

void ZnodeTree::PutAcl(NodeId id, AclTable::Id acl, int32_t aversion) {
  Node& node = nodes_[id];
  acls_.Release(AclIdOf(id));
  const bool fits = acl < Node::kAclElsewhere && aversion == 0;
  if (fits && node.acl == Node::kAclElsewhere) changed_acls_.erase(id);
  if (!fits) changed_acls_[id] = {acl, aversion};
  node.acl = (fits ? acl : Node::kAclElsewhere) & Node::kAclElsewhere;
}

void ZnodeTree::MarkDirty(NodeId id) {
  if (nodes_[id].dirty) return;
  nodes_[id].dirty = 1;
  dirty_.push_back(id);
}

void ZnodeTree::DigestOut(NodeId id, std::string_view path) {
  digest_ -= NodeDigest(path, FieldsOf(id));
}

void ZnodeTree::DigestIn(NodeId id, std::string_view path) {
  digest_ += NodeDigest(path, FieldsOf(id));
}

}  // namespace sillok
