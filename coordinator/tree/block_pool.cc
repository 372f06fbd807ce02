#include "coordinator/tree/block_pool.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace sillok {

BlockPool::~BlockPool() {
  for (void* region : regions_) std::free(region);
}

char* BlockPool::Allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > kLargest) {
    void* block = std::malloc(bytes);
    if (block == nullptr) throw std::bad_alloc();
    return static_cast<char*>(block);
  }
  Page* page = with_room_[ClassOf(bytes)];
  if (page == nullptr) page = NewPage(ClassOf(bytes));
  char* const memory = reinterpret_cast<char*>(page);
  char* block;
  if (page->free != 0) {
    block = memory + page->free;
    std::memcpy(&page->free, block, sizeof(page->free));
  } else {
    block = memory + page->fresh;
    page->fresh = static_cast<uint16_t>(page->fresh + BytesOf(*page));
  }
  ++page->used;
  if (IsFull(*page)) Unlink(page);
  return block;
}

void BlockPool::Free(char* block, size_t bytes) {
  if (bytes == 0) return;
  if (bytes > kLargest) return std::free(block);
  const auto address = reinterpret_cast<uintptr_t>(block);
  Page* page = reinterpret_cast<Page*>(address & ~(kPageBytes - 1));
  const bool was_full = IsFull(*page);
  std::memcpy(block, &page->free, sizeof(page->free));
  page->free = static_cast<uint16_t>(address & (kPageBytes - 1));
  --page->used;
  if (page->used > 0) {
    if (was_full) Link(page);
    return;
  }
  if (!was_full) Unlink(page);
  page->next = free_pages_;
  free_pages_ = page;
}

BlockPool::Page* BlockPool::NewPage(size_t size_class) {
  Page* page = free_pages_;
  if (page != nullptr) {
    free_pages_ = page->next;
  } else {
    if (last_region_used_ == kRegionBytes) {
      void* region = std::aligned_alloc(kPageBytes, kRegionBytes);
      if (region == nullptr) throw std::bad_alloc();
      regions_.push_back(region);
      last_region_used_ = 0;
    }
    page = reinterpret_cast<Page*>(static_cast<char*>(regions_.back()) +
                                   last_region_used_);
    last_region_used_ += kPageBytes;
  }
  *page = Page();
  page->size_class = static_cast<uint16_t>(size_class);
  page->fresh = sizeof(Page);
  Link(page);
  return page;
}

void BlockPool::Link(Page* page) {
  Page*& first = with_room_[page->size_class];
  page->previous = nullptr;
  page->next = first;
  if (first != nullptr) first->previous = page;
  first = page;
}

void BlockPool::Unlink(Page* page) {
  Page*& first = with_room_[page->size_class];
  if (page->previous != nullptr) {
    page->previous->next = page->next;
  } else {
    first = page->next;
  }
  if (page->next != nullptr) page->next->previous = page->previous;
}

}  // namespace sillok
