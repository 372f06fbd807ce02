#include "test/coordinator/tree/tree_model.h"

#include <algorithm>

namespace sillok {
namespace {

bool IsSequential(int mode) {
  return mode == v1::PERSISTENT_SEQUENTIAL ||
         mode == v1::EPHEMERAL_SEQUENTIAL ||
         mode == v1::PERSISTENT_SEQUENTIAL_WITH_TTL;
}

// The schemes as far as the test uses them: ip only with the range 10.0.0.0/8.
std::optional<ModelAcl> Resolve(
    const google::protobuf::RepeatedPtrField<v1::Acl>& asked,
    const TreeModel::Who& who) {
  if (asked.empty()) return std::nullopt;
  ModelAcl acl;
  for (const v1::Acl& rule : asked) {
    if (rule.scheme() == "auth") {
      bool any = false;
      for (const auto& [scheme, id] : who) {
        if (scheme != "digest") continue;
        acl.push_back({rule.permissions(), scheme, id});
        any = true;
      }
      if (!any) return std::nullopt;
      continue;
    }
    const bool valid =
        (rule.scheme() == "world" && rule.id() == "anyone") ||
        (rule.scheme() == "digest" && rule.id().find(':') != std::string::npos) ||
        (rule.scheme() == "ip" && rule.id() == "10.0.0.0/8");
    if (!valid) return std::nullopt;
    acl.push_back({rule.permissions(), rule.scheme(), rule.id()});
  }
  return acl;
}

}  // namespace

TreeModel::TreeModel() {
  for (const char* path :
       {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}) {
    nodes[path];
  }
  // The system nodes count as children that were never created.
  nodes["/"].deletes = -1;
  nodes["/zookeeper"].deletes = -2;
  nodes["/zookeeper/config"].acl = {{1, "world", "anyone"}};
  nodes["/zookeeper/config"].aversion = -1;
}

std::string TreeModel::Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool TreeModel::HasChildren(const std::string& path) const {
  return std::any_of(nodes.begin(), nodes.end(), [&](const auto& entry) {
    return entry.first != "/" && Parent(entry.first) == path;
  });
}

bool TreeModel::Allows(const std::string& path, uint32_t permission,
                       const Who& who) const {
  for (const auto& [scheme, id] : who) {
    if (scheme == "super") return true;
  }
  for (const ModelRule& rule : nodes.at(path).acl) {
    if ((rule.permissions & permission) == 0) continue;
    if (rule.scheme == "world") return true;
    for (const auto& [scheme, id] : who) {
      if (scheme != rule.scheme) continue;
      if (scheme == "ip" ? id.rfind("10.", 0) == 0 : id == rule.id) return true;
    }
  }
  return false;
}

std::pair<int64_t, int64_t> TreeModel::Use(const std::string& path) const {
  int64_t count = 0, bytes = 0;
  for (const auto& [other, node] : nodes) {
    if (other != path && other.rfind(path + "/", 0) != 0) continue;
    ++count;
    bytes += static_cast<int64_t>(node.data.size());
  }
  return {count, bytes};
}

bool TreeModel::QuotaForbidsCreate(const std::string& path) const {
  for (const auto& [top, limit] : quotas) {
    if (path != top && path.rfind(top + "/", 0) != 0) continue;
    if (Use(top).first + 1 > limit) return true;
  }
  return false;
}

void TreeModel::UpdateStatistics(const std::string& path) {
  for (const auto& [top, limit] : quotas) {
    if (path != top && path.rfind(top + "/", 0) != 0) continue;
    const auto [count, bytes] = Use(top);
    nodes.at("/zookeeper/quota" + top + "/zookeeper_stats").data =
        "count=" + std::to_string(count) + ",bytes=" + std::to_string(bytes);
  }
}

void TreeModel::Remove(const std::string& path, uint64_t zxid) {
  nodes.erase(path);
  ++nodes[Parent(path)].deletes;
  nodes[Parent(path)].pzxid = zxid;
  UpdateStatistics(path);
}

bool TreeModel::Overdue(const std::string& path, int64_t now_ms,
                        int64_t max_never_used_ms) const {
  const auto it = nodes.find(path);
  if (it == nodes.end() || HasChildren(path)) return false;
  const ModelNode& node = it->second;
  const int64_t age_ms = now_ms - node.mtime_ms;
  if (node.ttl_ms != 0) return age_ms > node.ttl_ms;
  if (!node.container) return false;
  return node.creates > 0 || age_ms > max_never_used_ms;
}

int TreeModel::Create(const v1::CreateOp& op, const Step& step,
                      std::string* path) {
  *path = op.path();
  std::optional<ModelAcl> acl = ModelAcl{{31, "world", "anyone"}};
  if (!op.acl().empty() || op.acl_required()) acl = Resolve(op.acl(), step.who);
  if (!acl) return v1::INVALID_ACL;
  const std::string parent = Parent(*path);
  if (nodes.count(parent) == 0) return v1::NO_NODE;
  if (!Allows(parent, 4, step.who)) return v1::NO_AUTH;
  if (IsSequential(op.mode())) {
    const std::string digits = std::to_string(nodes[parent].creates);
    *path += std::string(10 - digits.size(), '0') + digits;
  }
  if (nodes.count(*path) != 0) return v1::NODE_EXISTS;
  if (nodes[parent].owner != 0) return v1::NO_CHILDREN_FOR_EPHEMERALS;
  if (QuotaForbidsCreate(*path)) return v1::QUOTA_EXCEEDED;
  ModelNode node;
  node.data = op.data();
  node.null_data = op.null_data();
  node.czxid = node.mzxid = node.pzxid = step.zxid;
  node.mtime_ms = step.now_ms;
  node.container = op.mode() == v1::CONTAINER;
  node.ttl_ms = op.ttl_ms();
  node.acl = *acl;
  if (op.mode() == v1::EPHEMERAL || op.mode() == v1::EPHEMERAL_SEQUENTIAL) {
    node.owner = step.session;
  }
  nodes[*path] = node;
  ++nodes[parent].creates;
  nodes[parent].pzxid = step.zxid;
  UpdateStatistics(*path);
  return v1::OK;
}

int TreeModel::SetAcl(const v1::SetAclOp& op, const Step& step) {
  const std::optional<ModelAcl> acl = Resolve(op.acl(), step.who);
  if (!acl) return v1::INVALID_ACL;
  if (nodes.count(op.path()) == 0) return v1::NO_NODE;
  if (!Allows(op.path(), 16, step.who)) return v1::NO_AUTH;
  ModelNode& node = nodes[op.path()];
  if (op.version() != -1 && op.version() != node.aversion) {
    return v1::BAD_VERSION;
  }
  node.acl = *acl;
  ++node.aversion;
  return v1::OK;
}

int TreeModel::Do(const v1::WriteOp& op, const Step& step, std::string* path) {
  if (sessions.count(step.session) == 0) return v1::SESSION_EXPIRED;
  if (op.has_create()) return Create(op.create(), step, path);
  if (op.has_set_acl()) return SetAcl(op.set_acl(), step);
  const std::string target = op.has_delete_()    ? op.delete_().path()
                             : op.has_set_data() ? op.set_data().path()
                                                 : op.check().path();
  const int version = op.has_delete_()    ? op.delete_().version()
                      : op.has_set_data() ? op.set_data().version()
                                          : op.check().version();
  if (op.has_delete_()) {
    const std::string parent = Parent(target);
    if (nodes.count(parent) == 0) return v1::NO_NODE;
    if (!Allows(parent, 8, step.who)) return v1::NO_AUTH;
  }
  if (nodes.count(target) == 0) return v1::NO_NODE;
  ModelNode& node = nodes[target];
  if (!op.has_delete_() &&
      !Allows(target, op.has_set_data() ? 2 : 1, step.who)) {
    return v1::NO_AUTH;
  }
  if (version != -1 && version != node.version) return v1::BAD_VERSION;
  if (op.has_delete_()) {
    if (HasChildren(target)) return v1::NOT_EMPTY;
    Remove(target, step.zxid);
  } else if (op.has_set_data()) {
    node.data = op.set_data().data();
    node.null_data = op.set_data().null_data();
    node.mzxid = step.zxid;
    node.mtime_ms = step.now_ms;
    ++node.version;
    UpdateStatistics(target);
  }
  return v1::OK;
}

}  // namespace sillok
