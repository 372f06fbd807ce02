// The reading side of ZnodeTree.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/tree/path.h"
#include "coordinator/tree/tree_internal.h"
#include "coordinator/tree/znode_tree.h"

namespace sillok {
namespace {

// A small request may name a large znode many times.
constexpr size_t kMaxMultiReadBytes = 32 << 20;

}  // namespace

void ZnodeTree::FillStat(NodeId id, v1::Stat* stat) const {
  const Node& node = nodes_[id];
  stat->set_czxid(node.czxid);
  stat->set_mzxid(node.mzxid);
  stat->set_pzxid(node.pzxid);
  stat->set_ctime_ms(node.ctime_ms);
  stat->set_mtime_ms(node.mtime_ms);
  stat->set_version(node.version);
  const int64_t creates = node.ephemeral ? 0 : node.creates;
  // Creates and deletes: each delete takes one from num_children.
  stat->set_cversion(2 * creates - node.num_children);
  stat->set_aversion(AversionOf(id));
  stat->set_ephemeral_owner(node.ephemeral ? node.owner : 0);
  stat->set_data_length(static_cast<int32_t>(DataOf(id).size()));
  stat->set_num_children(static_cast<int32_t>(node.num_children));
  if (id == file_node_ && !file_text_.empty()) stat->set_version(-1);
}

std::string_view ZnodeTree::DataOf(NodeId id) const {
  if (id == file_node_) return file_text_;
  return nodes_[id].data();
}

v1::CoordResponse ZnodeTree::Read(const v1::CoordRequest& request) const {
  Requester anybody;
  anybody.unrestricted = true;
  v1::CoordResponse response;
  Read(request, anybody, &response);
  return response;
}

void ZnodeTree::Read(const v1::CoordRequest& request,
                     const Requester& requester,
                     v1::CoordResponse* response) const {
  // What is asked of a znode, and the permission that takes.
  const auto find = [&](std::string_view path, uint32_t permissions,
                        NodeId* id) {
    *id = Lookup(path);
    if (*id == kNoNode) return v1::NO_NODE;
    return permissions == 0 ||
                   IsAllowed(acls_.acl(AclIdOf(*id)), permissions, requester)
               ? v1::OK
               : v1::NO_AUTH;
  };
  NodeId id;
  v1::CoordCode code = v1::UNIMPLEMENTED;
  switch (request.op_case()) {
    case v1::CoordRequest::kExists:
      code = find(request.exists().path(), 0, &id);
      if (code == v1::OK) FillStat(id, response->mutable_stat());
      break;
    case v1::CoordRequest::kGetData:
      code = find(request.get_data().path(), kReadPermission, &id);
      if (code != v1::OK) break;
      response->mutable_data()->assign(DataOf(id));
      response->set_null_data(nodes_[id].null_data);
      FillStat(id, response->mutable_stat());
      break;
    case v1::CoordRequest::kGetChildren:
      code = find(request.get_children().path(), kReadPermission, &id);
      if (code != v1::OK) break;
      ReadChildren(id, response);
      FillStat(id, response->mutable_stat());
      break;
    case v1::CoordRequest::kGetAcl:
      code = find(request.get_acl().path(), kReadPermission | kAdminPermission,
                  &id);
      if (code == v1::OK) code = ReadAcl(id, requester, response);
      break;
    case v1::CoordRequest::kCountDescendants:
      code = find(request.count_descendants().path(), kReadPermission, &id);
      if (code == v1::OK) response->set_count(CountBelow(id, nullptr));
      break;
    case v1::CoordRequest::kGetEphemerals:
      code = ReadEphemerals(request.get_ephemerals().prefix(),
                            requester.session, response);
      break;
    case v1::CoordRequest::kMultiRead:
      code = ReadMulti(request.multi_read(), requester, response);
      break;
    default:
      break;
  }
  response->set_code(code);
}

v1::CoordCode ZnodeTree::ReadMulti(const v1::MultiReadOp& multi,
                                   const Requester& requester,
                                   v1::CoordResponse* response) const {
  for (const v1::CoordRequest& read : multi.reads()) {
    if (!read.has_get_data() && !read.has_get_children()) {
      return v1::BAD_ARGUMENTS;
    }
  }
  size_t bytes = 0;
  for (const v1::CoordRequest& read : multi.reads()) {
    v1::CoordResponse* part = response->add_reads();
    Read(read, requester, part);
    bytes += part->data().size();
    for (const std::string& name : part->children()) bytes += name.size();
    if (bytes > kMaxMultiReadBytes) {
      response->clear_reads();
      return v1::QUOTA_EXCEEDED;
    }
  }
  return v1::OK;
}

v1::CoordCode ZnodeTree::ReadAcl(NodeId id, const Requester& requester,
                                 v1::CoordResponse* response) const {
  const AclRef& acl = acls_.acl(AclIdOf(id));
  FillStat(id, response->mutable_stat());
  if (acl == nullptr) {
    v1::Acl* open = response->add_acl();
    open->set_permissions(kAllPermissions);
    open->set_scheme("world");
    open->set_id("anyone");
  } else if (IsAllowed(acl, kAdminPermission, requester)) {
    *response->mutable_acl() = *acl;
  } else {
    *response->mutable_acl() = MaskDigests(*acl);
  }
  return v1::OK;
}

v1::CoordCode ZnodeTree::ReadEphemerals(const std::string& prefix,
                                        SessionId session,
                                        v1::CoordResponse* response) const {
  std::vector<std::string> paths = EphemeralsOf(session);
  std::sort(paths.begin(), paths.end());
  for (std::string& path : paths) {
    if (path.compare(0, prefix.size(), prefix) == 0) {
      response->add_children(std::move(path));
    }
  }
  return v1::OK;
}

void ZnodeTree::ReadChildren(NodeId id, v1::CoordResponse* response) const {
  const Node& node = nodes_[id];
  if (node.ephemeral || node.num_children == 0) return;
  std::vector<std::string_view> names;
  names.reserve(node.num_children);
  for (NodeId child = node.first_child; child != kNoNode;
       child = nodes_[child].next) {
    names.push_back(nodes_[child].name());
  }
  std::sort(names.begin(), names.end());
  response->mutable_children()->Reserve(static_cast<int>(names.size()));
  for (const std::string_view name : names) {
    response->add_children()->assign(name);
  }
}

int64_t ZnodeTree::CountBelow(NodeId id, int64_t* data_bytes) const {
  int64_t count = 0;
  std::vector<NodeId> todo{id};
  while (!todo.empty()) {
    const Node& node = nodes_[todo.back()];
    todo.pop_back();
    if (node.ephemeral) continue;
    for (NodeId child = node.first_child; child != kNoNode;
         child = nodes_[child].next) {
      ++count;
      if (data_bytes != nullptr) *data_bytes += nodes_[child].data_size;
      todo.push_back(child);
    }
  }
  return count;
}

AclRef ZnodeTree::AclOf(std::string_view path) const {
  const NodeId id = Lookup(path);
  return id == kNoNode ? nullptr : acls_.acl(AclIdOf(id));
}

v1::CoordCode ZnodeTree::Exists(std::string_view path, v1::Stat* stat) const {
  const NodeId id = Lookup(path);
  if (id == kNoNode) return v1::NO_NODE;
  if (stat != nullptr) FillStat(id, stat);
  return v1::OK;
}

v1::CoordCode ZnodeTree::GetData(std::string_view path, std::string* data,
                                 v1::Stat* stat) const {
  const NodeId id = Lookup(path);
  if (id == kNoNode) return v1::NO_NODE;
  if (data != nullptr) *data = std::string(DataOf(id));
  if (stat != nullptr) FillStat(id, stat);
  return v1::OK;
}

v1::CoordCode ZnodeTree::GetChildren(std::string_view path,
                                     std::vector<std::string>* children,
                                     v1::Stat* stat) const {
  const NodeId id = Lookup(path);
  if (id == kNoNode) return v1::NO_NODE;
  const Node& node = nodes_[id];
  if (stat != nullptr) FillStat(id, stat);
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
  const Node& node = nodes_[id];
  ZnodeFacts facts;
  facts.version = node.version;
  facts.creates = node.ephemeral ? 0 : node.creates;
  facts.num_children = node.num_children;
  facts.ephemeral_owner = node.ephemeral ? node.owner : 0;
  facts.aversion = AversionOf(id);
  facts.data_bytes = node.data_size;
  facts.acl = acls_.acl(AclIdOf(id));
  return facts;
}

std::optional<std::string> ZnodeTree::OverduePath(
    size_t number, int64_t wall_ms, int64_t max_never_used_ms) const {
  const NodeId id = timed_list_[number];
  if (!IsOverdue(id, wall_ms, max_never_used_ms)) return std::nullopt;
  return PathOf(id);
}

bool ZnodeTree::IsOverdue(std::string_view path, int64_t wall_ms,
                          int64_t max_never_used_ms) const {
  const NodeId id = Lookup(path);
  return id != kNoNode && IsOverdue(id, wall_ms, max_never_used_ms);
}

bool ZnodeTree::IsOverdue(NodeId id, int64_t wall_ms,
                          int64_t max_never_used_ms) const {
  const auto timed = timed_.find(id);
  const Node& node = nodes_[id];
  if (timed == timed_.end() || node.num_children != 0) return false;
  const int64_t age_ms =
      wall_ms - (faults_.ttl_from_creation ? node.ctime_ms : node.mtime_ms);
  if (node.has_ttl) return age_ms > timed->second.ttl_ms;
  if (node.creates > 0) return true;
  return max_never_used_ms != 0 && age_ms > max_never_used_ms;
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
