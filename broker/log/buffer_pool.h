// Read buffers that are used again: a large allocation costs a page fault per
// 4 KiB, which is as much as the read itself.
#ifndef SILLOK_BROKER_LOG_BUFFER_POOL_H_
#define SILLOK_BROKER_LOG_BUFFER_POOL_H_

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace sillok {

// Thread-safe. Buffers come back when their last owner drops them, and may
// outlive the pool.
class BufferPool {
 public:
  // Keeps at most `keep_bytes` of idle buffers.
  explicit BufferPool(size_t keep_bytes) : shelf_(std::make_shared<Shelf>()) {
    shelf_->keep_bytes = keep_bytes;
  }
  // At least `size` bytes, not initialised.
  std::shared_ptr<char[]> Take(size_t size);

  // The one that log reads share (64 MiB idle at most).
  static BufferPool& Shared();

 private:
  static constexpr size_t kSmallest = 4096;
  static constexpr size_t kClasses = 13;  // 4 KiB .. 16 MiB; above: not kept

  struct Shelf {
    std::mutex mutex;
    size_t keep_bytes = 0;
    size_t idle_bytes = 0;
    std::array<std::vector<std::unique_ptr<char[]>>, kClasses> idle;
  };
  std::shared_ptr<Shelf> shelf_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_BUFFER_POOL_H_
