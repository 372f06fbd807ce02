#include "base/net/buffer_cache.h"

#include <algorithm>
#include <new>

namespace sillok::net {
namespace {

// Smaller ones are malloc's business, and larger ones cost more in what they do
// not let others use.
constexpr size_t kSmallest = 1 << 10;
constexpr size_t kLargest = 512 << 10;
constexpr size_t kMostKept = 8;

bool IsKept(size_t capacity) {
  return capacity >= kSmallest && capacity <= kLargest;
}

// What may be kept is rounded up by a quarter at most, so that like ones meet.
size_t CapacityFor(size_t bytes) {
  if (!IsKept(bytes)) return bytes;
  size_t step = kSmallest / 4;
  while (step * 8 < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

}  // namespace

BufferCache::~BufferCache() {
  for (const auto& [capacity, memory] : kept_) ::operator delete(memory);
}

char* BufferCache::Allocate(size_t bytes) {
  const size_t capacity = CapacityFor(bytes);
  if (IsKept(capacity)) {
    std::lock_guard lock(mutex_);
    // The last one given back is the one that the processor still has.
    auto found = std::find_if(
        kept_.rbegin(), kept_.rend(),
        [capacity](const auto& kept) { return kept.first == capacity; });
    if (found != kept_.rend()) {
      char* memory = found->second;
      kept_.erase(std::next(found).base());
      return memory;
    }
  }
  return static_cast<char*>(::operator new(capacity));
}

void BufferCache::Free(char* memory, size_t bytes) {
  const size_t capacity = CapacityFor(bytes);
  if (IsKept(capacity)) {
    std::lock_guard lock(mutex_);
    kept_.emplace_back(capacity, memory);
    if (kept_.size() <= kMostKept) return;
    memory = kept_.front().second;
    kept_.erase(kept_.begin());
  }
  ::operator delete(memory);
}

std::shared_ptr<char> TakeBuffer(const std::shared_ptr<BufferCache>& cache,
                                 size_t bytes) {
  return std::shared_ptr<char>(cache->Allocate(bytes),
                               [cache, bytes](char* memory) {
                                 cache->Free(memory, bytes);
                               });
}

}  // namespace sillok::net
