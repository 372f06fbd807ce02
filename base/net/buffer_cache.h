// Memory for messages that come and go: what one was in is there for the next.
#ifndef SILLOK_BASE_NET_BUFFER_CACHE_H_
#define SILLOK_BASE_NET_BUFFER_CACHE_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sillok::net {

// malloc has no place of its own for chunks above a kilobyte: each large one that
// comes and goes is cut from, and given back to, the memory between the small
// ones, which then lie scattered. So a few of them are kept. Thread-safe.
class BufferCache {
 public:
  BufferCache() = default;
  ~BufferCache();
  BufferCache(const BufferCache&) = delete;
  BufferCache& operator=(const BufferCache&) = delete;

  // Memory for `bytes`, uninitialised; Free must get it back with the same
  // number.
  char* Allocate(size_t bytes);
  void Free(char* memory, size_t bytes);

 private:
  std::mutex mutex_;
  // Capacity and memory, the last one given back at the end; under mutex_.
  std::vector<std::pair<size_t, char*>> kept_;
};
// The same for memory that has an owner. It and the cache may go in any order.
std::shared_ptr<char> TakeBuffer(const std::shared_ptr<BufferCache>& cache,
                                 size_t bytes);

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_BUFFER_CACHE_H_
