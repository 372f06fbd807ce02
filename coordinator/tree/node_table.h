// The memory of the znode tree: fixed-size nodes with 32-bit numbers, and an
// index (parent, name) -> node. Internal to coordinator/tree.
#ifndef SILLOK_COORDINATOR_TREE_NODE_TABLE_H_
#define SILLOK_COORDINATOR_TREE_NODE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "coordinator/tree/block_pool.h"

namespace sillok {

// A node's place in the table; reused after the node is gone.
using NodeId = uint32_t;
inline constexpr NodeId kNoNode = 0xffffffff;

// 88 bytes. Name and data share one block of exactly their size. What only a parent
// needs and what only an ephemeral needs lie over each other: an ephemeral
// never has children. What few znodes have (a lifetime, a changed ACL) is kept
// by the tree under the node's number; flags here say so.
struct Node {
  // An `acl` that the tree keeps elsewhere.
  static constexpr uint32_t kAclElsewhere = (1 << 10) - 1;

  uint64_t czxid = 0;
  uint64_t mzxid = 0;
  uint64_t pzxid = 0;
  int64_t ctime_ms = 0;
  int64_t mtime_ms = 0;
  union {
    int64_t creates = 0;  // persistent: children ever created
    uint64_t owner;       // ephemeral: the session
  };
  char* block = nullptr;  // name, then data
  NodeId parent = kNoNode;
  // Children are a list without order; `next` also links free nodes.
  NodeId next = kNoNode;
  NodeId previous = kNoNode;
  union {
    NodeId first_child = kNoNode;  // persistent
    uint32_t owner_index;          // ephemeral: its place in its owner's list
  };
  uint32_t num_children = 0;
  int32_t version = 0;
  uint32_t data_size = 0;
  uint32_t name_size : 16 = 0;
  uint32_t acl : 10 = 0;  // a number of AclTable, or kAclElsewhere
  uint32_t ephemeral : 1 = 0;
  uint32_t dirty : 1 = 0;
  uint32_t container : 1 = 0;
  uint32_t has_ttl : 1 = 0;
  uint32_t null_data : 1 = 0;  // no data, which is not the same as empty data

  std::string_view name() const { return {block, name_size}; }
  std::string_view data() const { return {block + name_size, data_size}; }
};
static_assert(sizeof(Node) == 88);

// Owns the nodes. Node 0 is the root, which is always there. References to nodes
// stay valid until the node is removed. One thread.
class NodeTable {
 public:
  static constexpr NodeId kRoot = 0;
  static constexpr size_t kMaxNameBytes = (1 << 16) - 1;

  NodeTable();
  ~NodeTable();
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;

  Node& operator[](NodeId id) {
    return chunks_[id / kChunk]->nodes[id % kChunk];
  }
  const Node& operator[](NodeId id) const {
    return chunks_[id / kChunk]->nodes[id % kChunk];
  }

  // The child with that name; kNoNode when there is none.
  NodeId FindChild(NodeId parent, std::string_view name) const;
  // Adds a child that is not there yet, and counts it in its parent. The name
  // has at most kMaxNameBytes.
  NodeId Add(NodeId parent, std::string_view name, std::string_view data);
  // Removes a node without children (not the root).
  void Remove(NodeId id);
  void SetData(NodeId id, std::string_view data);
  // Removes all but the root, which becomes as new.
  void Clear();
  // The root included.
  size_t size() const { return size_; }

 private:
  static constexpr NodeId kChunk = 512;
  struct Chunk {
    Node nodes[kChunk];
  };
  struct Slot {
    uint32_t hash = 0;
    NodeId id = kNoNode;
  };

  static uint32_t Hash(NodeId parent, std::string_view name);
  void IndexRemove(uint32_t hash, NodeId id);
  void Put(Slot slot);
  void Grow();
  // Where the search for a hash begins.
  size_t Home(uint32_t hash) const {
    return static_cast<size_t>((uint64_t{hash} * slots_.size()) >> 32);
  }
  size_t After(size_t i) const { return ++i == slots_.size() ? 0 : i; }
  size_t Distance(size_t from, size_t to) const {
    return to >= from ? to - from : to + slots_.size() - from;
  }
  NodeId Allocate();
  void SetBlock(Node& node, std::string_view name, std::string_view data);
  void FreeBlock(Node& node);

  BlockPool blocks_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  NodeId allocated_ = 0;        // ids handed out so far, free ones included
  NodeId free_ = kNoNode;       // list of free nodes through `next`
  size_t size_ = 0;
  // Linear probing from where the hash, as a share of all hashes, has its place.
  // With the hash kept, neither a miss nor growth touches nodes, and growth goes
  // through both tables in order: it may come often, and the table be full.
  std::vector<Slot> slots_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_NODE_TABLE_H_
