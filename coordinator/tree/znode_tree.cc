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

void AddChange(v1::WatchEventType type, std::string_view path,
               ApplyResult* result) {
  result->changes.push_back({type, std::string(path)});
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
    case v1::TxnOp::kCheck:
      return absl::OkStatus();
    case v1::TxnOp::OP_NOT_SET:
      break;
  }
  return Diverged(zxid, "", "has an operation of no known kind");
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
  const std::string_view name = BaseName(path);
  const NodeId parent = Lookup(parent_path);
  if (parent == kNoNode) return Diverged(zxid, path, "has no parent");
  if (nodes_[parent].ephemeral) {
    return Diverged(zxid, path, "has an ephemeral parent");
  }
  if (nodes_.FindChild(parent, name) != kNoNode) {
    return Diverged(zxid, path, "is there already");
  }
  if (op.ephemeral_owner() != 0 &&
      !sessions_.Contains(SessionId(op.ephemeral_owner()))) {
    return Diverged(zxid, path, "is of a session that does not exist");
  }

  DigestOut(parent, parent_path);
  const NodeId id = nodes_.Add(parent, name, op.data());
  Node& node = nodes_[id];
  node.czxid = node.mzxid = node.pzxid = zxid.value();
  node.ctime_ms = node.mtime_ms = time_ms;
  if (op.ephemeral_owner() != 0) AddEphemeral(id, op.ephemeral_owner());
  nodes_[parent].pzxid = zxid.value();
  nodes_[parent].creates = op.parent_creates();
  DigestIn(parent, parent_path);
  DigestIn(id, path);
  MarkDirty(parent);
  MarkDirty(id);
  data_bytes_ += static_cast<int64_t>(name.size() + op.data().size());

  answer->set_path(path);
  FillStat(node, answer->mutable_stat());
  AddChange(v1::NODE_CREATED, path, result);
  AddChange(v1::NODE_CHILDREN_CHANGED, parent_path, result);
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
  DigestOut(parent, parent_path);
  DigestOut(id, path);
  data_bytes_ -= node.name_size + int64_t{node.data_size};
  if (node.ephemeral) RemoveEphemeral(id);
  nodes_.Remove(id);
  nodes_[parent].pzxid = zxid.value();
  DigestIn(parent, parent_path);
  MarkDirty(parent);
  deleted_paths_.emplace_back(path);

  AddChange(v1::NODE_DELETED, path, result);
  AddChange(v1::NODE_CHILDREN_CHANGED, parent_path, result);
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
  data_bytes_ += static_cast<int64_t>(op.data().size()) - node.data_size;
  nodes_.SetData(id, op.data());
  node.mzxid = zxid.value();
  node.mtime_ms = time_ms;
  node.version = op.version();
  DigestIn(id, op.path());
  MarkDirty(id);
  FillStat(node, answer->mutable_stat());
  AddChange(v1::NODE_DATA_CHANGED, op.path(), result);
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

void ZnodeTree::MarkDirty(NodeId id) {
  if (nodes_[id].dirty) return;
  nodes_[id].dirty = 1;
  dirty_.push_back(id);
}

void ZnodeTree::DigestOut(NodeId id, std::string_view path) {
  digest_ -= NodeDigest(path, FieldsOf(nodes_[id]));
}

void ZnodeTree::DigestIn(NodeId id, std::string_view path) {
  digest_ += NodeDigest(path, FieldsOf(nodes_[id]));
}

// --- Reading ---

void ZnodeTree::FillStat(const Node& node, v1::Stat* stat) const {
  stat->set_czxid(node.czxid);
  stat->set_mzxid(node.mzxid);
  stat->set_pzxid(node.pzxid);
  stat->set_ctime_ms(node.ctime_ms);
  stat->set_mtime_ms(node.mtime_ms);
  stat->set_version(node.version);
  const int64_t creates = node.ephemeral ? 0 : node.creates;
  // Creates and deletes: each delete takes one from num_children.
  stat->set_cversion(2 * creates - node.num_children);
  stat->set_ephemeral_owner(node.ephemeral ? node.owner : 0);
  stat->set_data_length(static_cast<int32_t>(node.data_size));
  stat->set_num_children(static_cast<int32_t>(node.num_children));
}

v1::CoordResponse ZnodeTree::Read(const v1::CoordRequest& request) const {
  v1::CoordResponse response;
  switch (request.op_case()) {
    case v1::CoordRequest::kExists:
      response.set_code(
          Exists(request.exists().path(), response.mutable_stat()));
      break;
    case v1::CoordRequest::kGetData:
      response.set_code(GetData(request.get_data().path(),
                                response.mutable_data(),
                                response.mutable_stat()));
      break;
    case v1::CoordRequest::kGetChildren: {
      std::vector<std::string> children;
      response.set_code(GetChildren(request.get_children().path(), &children,
                                    response.mutable_stat()));
      for (std::string& name : children) {
        response.add_children(std::move(name));
      }
      break;
    }
    default:
      response.set_code(v1::UNIMPLEMENTED);
  }
  if (response.code() != v1::OK) response.clear_stat();
  return response;
}

v1::CoordCode ZnodeTree::Exists(std::string_view path, v1::Stat* stat) const {
  const NodeId id = Lookup(path);
  if (id == kNoNode) return v1::NO_NODE;
  if (stat != nullptr) FillStat(nodes_[id], stat);
  return v1::OK;
}

v1::CoordCode ZnodeTree::GetData(std::string_view path, std::string* data,
                                 v1::Stat* stat) const {
  const NodeId id = Lookup(path);
  if (id == kNoNode) return v1::NO_NODE;
  if (data != nullptr) *data = std::string(nodes_[id].data());
  if (stat != nullptr) FillStat(nodes_[id], stat);
  return v1::OK;
}

v1::CoordCode ZnodeTree::GetChildren(std::string_view path,
                                     std::vector<std::string>* children,
                                     v1::Stat* stat) const {
  const NodeId id = Lookup(path);
  if (id == kNoNode) return v1::NO_NODE;
  const Node& node = nodes_[id];
  if (stat != nullptr) FillStat(node, stat);
  if (children == nullptr) return v1::OK;
  children->clear();
  if (node.ephemeral) return v1::OK;
  children->reserve(node.num_children);
  for (NodeId child = node.first_child; child != kNoNode;
       child = nodes_[child].next) {
    children->emplace_back(nodes_[child].name());
  }
  std::sort(children->begin(), children->end());
  return v1::OK;
}

std::optional<ZnodeFacts> ZnodeTree::Find(std::string_view path) const {
  const NodeId id = Lookup(path);
  if (id == kNoNode) return std::nullopt;
  const NodeFields fields = FieldsOf(nodes_[id]);
  return ZnodeFacts{fields.version, fields.creates,
                    static_cast<int64_t>(fields.num_children),
                    fields.ephemeral_owner};
}

std::vector<std::string> ZnodeTree::EphemeralsOf(SessionId session) const {
  std::vector<std::string> paths;
  const auto it = ephemerals_.find(session.value());
  if (it == ephemerals_.end()) return paths;
  paths.reserve(it->second.size());
  for (const NodeId id : it->second) paths.push_back(PathOf(id));
  return paths;
}

std::map<SessionId, std::set<std::string>> ZnodeTree::AllEphemerals() const {
  std::map<SessionId, std::set<std::string>> all;
  for (const auto& [owner, list] : ephemerals_) {
    std::set<std::string>& paths = all[SessionId(owner)];
    for (const NodeId id : list) paths.insert(PathOf(id));
  }
  return all;
}

size_t ZnodeTree::CountEphemeralsOf(SessionId session) const {
  const auto it = ephemerals_.find(session.value());
  return it == ephemerals_.end() ? 0 : it->second.size();
}

size_t ZnodeTree::znodes() const { return nodes_.size(); }

}  // namespace sillok
