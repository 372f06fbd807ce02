// A vector that one thread appends to while any number read, without a lock.
#ifndef SILLOK_BROKER_LOG_APPEND_ONLY_VECTOR_H_
#define SILLOK_BROKER_LOG_APPEND_ONLY_VECTOR_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <utility>

namespace sillok {

// Elements never move and never change: block k holds kFirst << k of them.
// A reader sees all elements below the size() it has read.
template <typename T>
class AppendOnlyVector {
 public:
  AppendOnlyVector() = default;
  ~AppendOnlyVector() {
    for (auto& block : blocks_) delete[] block.load(std::memory_order_relaxed);
  }
  AppendOnlyVector(const AppendOnlyVector&) = delete;
  AppendOnlyVector& operator=(const AppendOnlyVector&) = delete;

  // One thread at a time.
  void push_back(const T& value) {
    const size_t i = size_.load(std::memory_order_relaxed);
    const auto [block, at] = Place(i);
    T* elements = blocks_[block].load(std::memory_order_relaxed);
    if (elements == nullptr) {
      elements = new T[kFirst << block];
      blocks_[block].store(elements, std::memory_order_release);
    }
    elements[at] = value;
    size_.store(i + 1, std::memory_order_release);
  }

  size_t size() const { return size_.load(std::memory_order_acquire); }
  bool empty() const { return size() == 0; }
  // `i` below a size() this thread has seen.
  const T& operator[](size_t i) const {
    const auto [block, at] = Place(i);
    return blocks_[block].load(std::memory_order_acquire)[at];
  }
  const T& back() const { return (*this)[size() - 1]; }

  // The first i in [0, count) for which `before` is false; it is true for all
  // smaller ones.
  template <typename Before>
  size_t PartitionPoint(size_t count, const Before& before) const {
    size_t low = 0;
    size_t high = count;
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (before((*this)[middle])) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

 private:
  static constexpr size_t kFirst = 16;
  static constexpr size_t kBlocks = 32;

  static std::pair<size_t, size_t> Place(size_t i) {
    const size_t block =
        static_cast<size_t>(std::bit_width(i / kFirst + 1)) - 1;
    return {block, i - kFirst * ((size_t{1} << block) - 1)};
  }

  std::array<std::atomic<T*>, kBlocks> blocks_{};
  std::atomic<size_t> size_{0};
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_APPEND_ONLY_VECTOR_H_
