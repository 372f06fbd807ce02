// Whether a ZnodeTree is what it should be.
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coordinator/tree/path.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/tree_internal.h"
#include "coordinator/tree/znode_tree.h"

namespace sillok {
namespace {

absl::Status Broken(const std::string& what) {
  return absl::InternalError("tree: " + what);
}

}  // namespace

absl::Status ZnodeTree::CheckInvariants() const {
  struct Visit {
    NodeId id;
    std::string path;
  };
  std::vector<Visit> todo{{NodeTable::kRoot, std::string(kRootPath)}};
  size_t seen = 0, ephemerals = 0, timed = 0;
  std::unordered_map<AclTable::Id, uint64_t> references;
  int64_t bytes = 0;
  uint64_t digest = 0;
  while (!todo.empty()) {
    const Visit visit = std::move(todo.back());
    todo.pop_back();
    const Node& node = nodes_[visit.id];
    ++seen;
    bytes += node.name_size + int64_t{node.data_size};
    digest += NodeDigest(visit.path, FieldsOf(visit.id));
    if (node.container || node.has_ttl) ++timed;
    ++references[AclIdOf(visit.id)];
    if (Lookup(visit.path) != visit.id) {
      return Broken(visit.path + " is not found by its path");
    }
    if (PathOf(visit.id) != visit.path) {
      return Broken(visit.path + " has another path");
    }
    if (node.ephemeral) {
      ++ephemerals;
      if (node.num_children != 0) {
        return Broken("ephemeral " + visit.path + " has children");
      }
      continue;
    }
    uint32_t children = 0;
    const std::string prefix = visit.path == kRootPath ? "/" : visit.path + "/";
    for (NodeId child = node.first_child; child != kNoNode;
         child = nodes_[child].next) {
      ++children;
      todo.push_back({child, prefix + std::string(nodes_[child].name())});
    }
    if (children != node.num_children) {
      return Broken(visit.path + " miscounts its children");
    }
  }
  if (seen != nodes_.size()) return Broken("nodes that hang nowhere");
  if (ephemerals != ephemeral_count_) return Broken("ephemerals miscounted");
  if (bytes != data_bytes_) return Broken("data bytes miscounted");
  if (timed != timed_.size() || timed != timed_list_.size()) {
    return Broken("containers and TTL znodes miscounted");
  }
  references.erase(AclTable::kOpen);
  if (references.size() != acls_.size()) {
    return Broken("ACLs that nobody has");
  }
  for (const auto& [acl, count] : references) {
    if (acls_.references(acl) != count) {
      return Broken("an ACL's references are miscounted");
    }
  }
  for (const auto& [id, session] : sessions_.all()) {
    digest += SessionDigest(id, {session.password, session.timeout_ms});
  }
  if (digest != digest_) return Broken("digest is not that of the nodes");
  return CheckEphemerals();
}

absl::Status ZnodeTree::CheckEphemerals() const {
  size_t listed = 0;
  for (const auto& [owner, list] : ephemerals_) {
    if (list.empty()) return Broken("an owner without ephemerals");
    if (!sessions_.Contains(SessionId(owner))) {
      return Broken(PathOf(list.front()) + " belongs to no live session");
    }
    listed += list.size();
    for (uint32_t i = 0; i < list.size(); ++i) {
      const Node& node = nodes_[list[i]];
      if (!node.ephemeral || node.owner != owner || node.owner_index != i) {
        return Broken("an ephemeral and its owner's list disagree");
      }
    }
  }
  if (listed != ephemeral_count_) return Broken("ephemerals miscounted");
  return absl::OkStatus();
}

}  // namespace sillok
