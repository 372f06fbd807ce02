// Memory for many small blocks whose sizes their owner knows: a block takes its
// size rounded up to 8, and no more. Internal to coordinator/tree.
#ifndef SILLOK_COORDINATOR_TREE_BLOCK_POOL_H_
#define SILLOK_COORDINATOR_TREE_BLOCK_POOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sillok {

// Small blocks share pages, each with blocks of one size; a page whose blocks
// are all free serves any size again. Memory goes back when the pool does.
// Larger blocks are malloc's: their owner must free them. One thread.
class BlockPool {
 public:
  BlockPool() = default;
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Null for 0 bytes. Aligned to 8 bytes.
  char* Allocate(size_t bytes);
  // `bytes` as it was allocated with.
  void Free(char* block, size_t bytes);
  // Whether a block can hold either size.
  static bool SameRoom(size_t bytes, size_t other) {
    return bytes > 0 && other > 0 && bytes <= kLargest && other <= kLargest &&
           ClassOf(bytes) == ClassOf(other);
  }

  // Of pages, used or not; without larger blocks.
  size_t reserved_bytes() const { return regions_.size() * kRegionBytes; }

 private:
  static constexpr size_t kStep = 8;
  static constexpr size_t kLargest = 512;
  static constexpr size_t kPageBytes = 16 * 1024;
  static constexpr size_t kRegionBytes = 1024 * 1024;

  // At the beginning of its memory, which is aligned to its size.
  struct Page {
    Page* next = nullptr;  // in a list of pages with room, or of free ones
    Page* previous = nullptr;
    uint16_t size_class = 0;
    uint16_t used = 0;   // blocks
    uint16_t fresh = 0;  // where what was never used begins
    uint16_t free = 0;   // the first free block; 0 = none
  };
  static_assert(kPageBytes <= uint64_t{1} << 16);

  static size_t ClassOf(size_t bytes) { return (bytes - 1) / kStep; }
  static size_t BytesOf(const Page& page) {
    return (page.size_class + size_t{1}) * kStep;
  }
  static bool IsFull(const Page& page) {
    return page.free == 0 && page.fresh + BytesOf(page) > kPageBytes;
  }
  Page* NewPage(size_t size_class);
  void Link(Page* page);
  void Unlink(Page* page);

  std::array<Page*, kLargest / kStep> with_room_{};
  Page* free_pages_ = nullptr;
  std::vector<void*> regions_;
  size_t last_region_used_ = kRegionBytes;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_BLOCK_POOL_H_
