#include "coordinator/tree/node_table.h"

#include <algorithm>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sillok {
namespace {

constexpr size_t kFirstSlots = 64;

}  // namespace

NodeTable::NodeTable() { Clear(); }

NodeTable::~NodeTable() {
  for (NodeId id = 0; id < allocated_; ++id) FreeBlock((*this)[id]);
}

void NodeTable::Clear() {
  for (NodeId id = 0; id < allocated_; ++id) FreeBlock((*this)[id]);
  chunks_.clear();
  allocated_ = 0;
  free_ = kNoNode;
  size_ = 1;
  std::vector<Slot>(kFirstSlots).swap(slots_);
  Allocate();  // the root: number 0, in no index
}

uint32_t NodeTable::Hash(NodeId parent, std::string_view name) {
  return static_cast<uint32_t>(
      XXH3_64bits_withSeed(name.data(), name.size(), parent));
}

NodeId NodeTable::FindChild(NodeId parent, std::string_view name) const {
  const uint32_t hash = Hash(parent, name);
  for (size_t i = Home(hash); slots_[i].id != kNoNode; i = After(i)) {
    if (slots_[i].hash != hash) continue;
    const Node& node = (*this)[slots_[i].id];
    if (node.parent == parent && node.name() == name) return slots_[i].id;
  }
  return kNoNode;
}

void NodeTable::Put(Slot slot) {
  size_t i = Home(slot.hash);
  while (slots_[i].id != kNoNode) i = After(i);
  slots_[i] = slot;
}

void NodeTable::Grow() {
  std::vector<Slot> old(slots_.size() + slots_.size() / 4);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id != kNoNode) Put(slot);
  }
}

// Closes the gap by moving later entries of the run up, so that no tombstones
// are needed.
void NodeTable::IndexRemove(uint32_t hash, NodeId id) {
  size_t gap = Home(hash);
  while (slots_[gap].id != id) gap = After(gap);
  for (size_t i = After(gap); slots_[i].id != kNoNode; i = After(i)) {
    const size_t home = Home(slots_[i].hash);
    // The entry may move up when its home is not between the gap and itself.
    if (Distance(home, i) >= Distance(gap, i)) {
      slots_[gap] = slots_[i];
      gap = i;
    }
  }
  slots_[gap] = Slot{};
}

NodeId NodeTable::Allocate() {
  if (free_ != kNoNode) {
    const NodeId id = free_;
    free_ = (*this)[id].next;
    (*this)[id] = Node{};
    return id;
  }
  if (allocated_ % kChunk == 0) chunks_.push_back(std::make_unique<Chunk>());
  return allocated_++;
}

void NodeTable::FreeBlock(Node& node) {
  blocks_.Free(node.block, size_t{node.name_size} + node.data_size);
}

void NodeTable::SetBlock(Node& node, std::string_view name,
                         std::string_view data) {
  char* block = blocks_.Allocate(name.size() + data.size());
  if (!name.empty()) std::memcpy(block, name.data(), name.size());
  if (!data.empty()) {
    std::memcpy(block + name.size(), data.data(), data.size());
  }
  // Only now: `name` may lie in the old block.
  FreeBlock(node);
  node.block = block;
  node.name_size = static_cast<uint32_t>(name.size()) & 0xffff;
  node.data_size = static_cast<uint32_t>(data.size());
}

NodeId NodeTable::Add(NodeId parent_id, std::string_view name,
                      std::string_view data) {
  // At 7/8 full the table grows by a quarter.
  if ((size_ + 1) * 8 > slots_.size() * 7) Grow();
  const NodeId id = Allocate();
  Node& node = (*this)[id];
  SetBlock(node, name, data);
  Node& parent = (*this)[parent_id];
  node.parent = parent_id;
  node.next = parent.first_child;
  if (node.next != kNoNode) (*this)[node.next].previous = id;
  parent.first_child = id;
  ++parent.num_children;
  Put({Hash(parent_id, name), id});
  ++size_;
  return id;
}

void NodeTable::Remove(NodeId id) {
  Node& node = (*this)[id];
  IndexRemove(Hash(node.parent, node.name()), id);
  Node& parent = (*this)[node.parent];
  if (node.previous != kNoNode) {
    (*this)[node.previous].next = node.next;
  } else {
    parent.first_child = node.next;
  }
  if (node.next != kNoNode) (*this)[node.next].previous = node.previous;
  --parent.num_children;
  FreeBlock(node);
  node = Node{};
  node.next = free_;
  free_ = id;
  --size_;
}

void NodeTable::SetData(NodeId id, std::string_view data) {
  Node& node = (*this)[id];
  const size_t name = node.name_size;
  if (BlockPool::SameRoom(name + node.data_size, name + data.size())) {
    std::memmove(node.block + name, data.data(), data.size());
    node.data_size = static_cast<uint32_t>(data.size());
    return;
  }
  SetBlock(node, node.name(), data);
}

}  // namespace sillok
