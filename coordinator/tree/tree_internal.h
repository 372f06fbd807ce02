// What the files of ZnodeTree share. Internal to coordinator/tree.
#ifndef SILLOK_COORDINATOR_TREE_TREE_INTERNAL_H_
#define SILLOK_COORDINATOR_TREE_TREE_INTERNAL_H_

#include <optional>
#include <string>
#include <unordered_map>

#include "coordinator/tree/node_table.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/znode_tree.h"

namespace sillok {

// Between Clear and FinishLoad.
struct ZnodeTree::LoadState {
  std::optional<MetaFields> meta;
  std::optional<Ensemble> ensemble;
  bool root_seen = false;
  // How many children a node's row says it has, where that is not 0.
  std::unordered_map<NodeId, uint64_t> expected_children;
  // The last znode's path, and the parent it has: the next one's, mostly. As
  // long as paths ascend none can be there twice.
  std::string last_path;
  NodeId last_parent = kNoNode;
  bool ascending = true;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_TREE_INTERNAL_H_
