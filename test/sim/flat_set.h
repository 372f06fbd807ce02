// A set of 64-bit fingerprints that takes little more memory than they do.
#ifndef SILLOK_TEST_SIM_FLAT_SET_H_
#define SILLOK_TEST_SIM_FLAT_SET_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sillok::sim {

// Open addressing with linear probing; at most three quarters full. The values
// are taken for well mixed.
class FlatSet {
 public:
  // False if it was there.
  bool Insert(uint64_t value) {
    if (value == kEmpty) value = 1;
    if ((size_ + 1) * 4 > slots_.size() * 3) Grow();
    uint64_t& slot = SlotOf(value);
    if (slot == value) return false;
    slot = value;
    ++size_;
    return true;
  }
  size_t size() const { return size_; }

 private:
  static constexpr uint64_t kEmpty = 0;

  uint64_t& SlotOf(uint64_t value) {
    size_t i = value & (slots_.size() - 1);
    while (slots_[i] != kEmpty && slots_[i] != value) {
      i = (i + 1) & (slots_.size() - 1);
    }
    return slots_[i];
  }
  void Grow() {
    std::vector<uint64_t> old(slots_.size() * 2, kEmpty);
    old.swap(slots_);
    for (uint64_t value : old) {
      if (value != kEmpty) SlotOf(value) = value;
    }
  }

  std::vector<uint64_t> slots_ = std::vector<uint64_t>(1024, kEmpty);
  size_t size_ = 0;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_FLAT_SET_H_
