#include "coordinator/tree/node_table.h"

#include <cstdlib>
#include <cstring>
#include <new>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sillok {
namespace {

constexpr size_t kFirstSlots = 64;

}  // namespace

NodeTable::NodeTable() { Clear(); }

NodeTable::~NodeTable() {
  for (NodeId id = 0; id < allocated_; ++id) std::free((*this)[id].block);
}

void NodeTable::Clear() {
  for (NodeId id = 0; id < allocated_; ++id) std::free((*this)[id].block);
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
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask; slots_[i].id != kNoNode; i = (i + 1) & mask) {
    if (slots_[i].hash != hash) continue;
    const Node& node = (*this)[slots_[i].id];
    if (node.parent == parent && node.name() == name) return slots_[i].id;
  }
  return kNoNode;
}

void NodeTable::IndexInsert(uint32_t hash, NodeId id) {
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].id != kNoNode) i = (i + 1) & mask;
  slots_[i] = {hash, id};
}

// Closes the gap by moving later entries of the run up, so that no tombstones
// are needed.
void NodeTable::IndexRemove(uint32_t hash, NodeId id) {
  const size_t mask = slots_.size() - 1;
  size_t gap = hash & mask;
  while (slots_[gap].id != id) gap = (gap + 1) & mask;
  for (size_t i = (gap + 1) & mask; slots_[i].id != kNoNode;
       i = (i + 1) & mask) {
    const size_t home = slots_[i].hash & mask;
    // The entry may move up when its home is not between the gap and itself.
    if (((i - home) & mask) >= ((i - gap) & mask)) {
      slots_[gap] = slots_[i];
      gap = i;
    }
  }
  slots_[gap] = Slot{};
}

void NodeTable::Rehash(size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id != kNoNode) IndexInsert(slot.hash, slot.id);
  }
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

void NodeTable::SetBlock(Node& node, std::string_view name,
                         std::string_view data) {
  char* block = nullptr;
  if (name.size() + data.size() > 0) {
    block = static_cast<char*>(std::malloc(name.size() + data.size()));
    if (block == nullptr) throw std::bad_alloc();
    if (!name.empty()) std::memcpy(block, name.data(), name.size());
    if (!data.empty()) {
      std::memcpy(block + name.size(), data.data(), data.size());
    }
  }
  // Only now: `name` may lie in the old block.
  std::free(node.block);
  node.block = block;
  node.name_size = static_cast<uint32_t>(name.size()) & 0xffff;
  node.data_size = static_cast<uint32_t>(data.size());
}

NodeId NodeTable::Add(NodeId parent_id, std::string_view name,
                      std::string_view data) {
  // At 7/8 full the table doubles.
  if ((size_ + 1) * 8 > slots_.size() * 7) Rehash(slots_.size() * 2);
  const NodeId id = Allocate();
  Node& node = (*this)[id];
  SetBlock(node, name, data);
  Node& parent = (*this)[parent_id];
  node.parent = parent_id;
  node.next = parent.first_child;
  if (node.next != kNoNode) (*this)[node.next].previous = id;
  parent.first_child = id;
  ++parent.num_children;
  IndexInsert(Hash(parent_id, name), id);
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
  std::free(node.block);
  node = Node{};
  node.next = free_;
  free_ = id;
  --size_;
}

void NodeTable::SetData(NodeId id, std::string_view data) {
  Node& node = (*this)[id];
  SetBlock(node, node.name(), data);
}

}  // namespace sillok
