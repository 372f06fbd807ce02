#include "broker/log/buffer_pool.h"

#include <utility>

namespace sillok {

std::shared_ptr<char[]> BufferPool::Take(size_t size) {
  size_t bytes = kSmallest;
  size_t shelf_class = 0;
  while (bytes < size && shelf_class < kClasses) {
    bytes <<= 1;
    ++shelf_class;
  }
  if (shelf_class == kClasses) return std::shared_ptr<char[]>(new char[size]);
  std::unique_ptr<char[]> buffer;
  {
    const std::lock_guard lock(shelf_->mutex);
    auto& idle = shelf_->idle[shelf_class];
    if (!idle.empty()) {
      buffer = std::move(idle.back());
      idle.pop_back();
      shelf_->idle_bytes -= bytes;
    }
  }
  if (buffer == nullptr) buffer.reset(new char[bytes]);
  return {buffer.release(), [shelf = shelf_, shelf_class, bytes](char* data) {
            std::unique_ptr<char[]> back(data);
            const std::lock_guard lock(shelf->mutex);
            if (shelf->idle_bytes + bytes > shelf->keep_bytes) return;
            shelf->idle_bytes += bytes;
            shelf->idle[shelf_class].push_back(std::move(back));
          }};
}

BufferPool& BufferPool::Shared() {
  static auto* const kShared = new BufferPool(size_t{64} << 20);
  return *kShared;
}

}  // namespace sillok
