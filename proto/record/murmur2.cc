#include "proto/record/murmur2.h"

#include <cstring>

namespace sillok::record {

int32_t Murmur2(std::string_view data) {
  constexpr uint32_t kMix = 0x5bd1e995;
  constexpr int kShift = 24;
  const size_t size = data.size();
  uint32_t hash = 0x9747b28cu ^ static_cast<uint32_t>(size);
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(data[i]));
  };
  size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    uint32_t word = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 |
                    byte(i + 3) << 24;
    word *= kMix;
    word ^= word >> kShift;
    word *= kMix;
    hash = (hash * kMix) ^ word;
  }
  switch (size - i) {
    case 3:
      hash ^= byte(i + 2) << 16;
      [[fallthrough]];
    case 2:
      hash ^= byte(i + 1) << 8;
      [[fallthrough]];
    case 1:
      hash ^= byte(i);
      hash *= kMix;
  }
  hash ^= hash >> 13;
  hash *= kMix;
  hash ^= hash >> 15;
  return static_cast<int32_t>(hash);
}

}  // namespace sillok::record
