// What the two files of ZnodeTree share. Internal to coordinator/tree.
#ifndef SILLOK_COORDINATOR_TREE_TREE_INTERNAL_H_
#define SILLOK_COORDINATOR_TREE_TREE_INTERNAL_H_

#include <optional>
#include <unordered_map>

#include "coordinator/tree/node_table.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/znode_tree.h"

namespace sillok {

inline NodeFields FieldsOf(const Node& node) {
  NodeFields fields;
  fields.czxid = node.czxid;
  fields.mzxid = node.mzxid;
  fields.pzxid = node.pzxid;
  fields.ctime_ms = node.ctime_ms;
  fields.mtime_ms = node.mtime_ms;
  fields.version = node.version;
  fields.creates = node.ephemeral ? 0 : node.creates;
  fields.num_children = node.num_children;
  fields.ephemeral_owner = node.ephemeral ? node.owner : 0;
  fields.data = node.data();
  return fields;
}

// Between Clear and FinishLoad.
struct ZnodeTree::LoadState {
  std::optional<MetaFields> meta;
  bool root_seen = false;
  // How many children a node's row says it has, where that is not 0.
  std::unordered_map<NodeId, uint64_t> expected_children;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_TREE_INTERNAL_H_
