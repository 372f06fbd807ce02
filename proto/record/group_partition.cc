#include "proto/record/group_partition.h"

#include <cstddef>
#include <limits>

namespace sillok::record {
namespace {

constexpr uint32_t kReplacement = 0xfffd;

// What the lead byte of a UTF-8 sequence says: how many bytes follow, and which
// values the first of them may have (no overlong forms, nothing above U+10FFFF).
struct Sequence {
  int following = 0;
  uint32_t second_low = 0x80;
  uint32_t second_high = 0xbf;
};

Sequence SequenceOf(uint32_t lead) {
  if (lead >= 0xc2 && lead <= 0xdf) return {1};
  if (lead == 0xe0) return {2, 0xa0};
  if (lead >= 0xe1 && lead <= 0xef) return {2};
  if (lead == 0xf0) return {3, 0x90};
  if (lead >= 0xf1 && lead <= 0xf3) return {3};
  if (lead == 0xf4) return {3, 0x80, 0x8f};
  return {};
}

// Decodes the code point at `*i` and moves past it. As Java's decoder does, the
// longest beginning of a sequence that goes wrong gives one U+FFFD, and so
// does an encoded surrogate.
uint32_t NextCodePoint(std::string_view text, size_t* i) {
  const auto byte = [&](size_t at) {
    return static_cast<uint32_t>(static_cast<uint8_t>(text[at]));
  };
  const uint32_t lead = byte((*i)++);
  if (lead < 0x80) return lead;
  const Sequence sequence = SequenceOf(lead);
  if (sequence.following == 0) return kReplacement;
  uint32_t code = lead & (0x3fu >> sequence.following);
  for (int k = 1; k <= sequence.following; ++k, ++*i) {
    const uint32_t low = k == 1 ? sequence.second_low : 0x80;
    const uint32_t high = k == 1 ? sequence.second_high : 0xbf;
    if (*i == text.size() || byte(*i) < low || byte(*i) > high) {
      return kReplacement;
    }
    code = code << 6 | (byte(*i) & 0x3f);
  }
  return code >= 0xd800 && code <= 0xdfff ? kReplacement : code;
}

}  // namespace

int32_t JavaStringHash(std::string_view text) {
  uint32_t hash = 0;
  for (size_t i = 0; i < text.size();) {
    const uint32_t code = NextCodePoint(text, &i);
    if (code < 0x10000) {
      hash = hash * 31 + code;
    } else {  // two UTF-16 units
      hash = hash * 31 + (0xd800 + ((code - 0x10000) >> 10));
      hash = hash * 31 + (0xdc00 + ((code - 0x10000) & 0x3ff));
    }
  }
  return static_cast<int32_t>(hash);
}

int32_t PartitionForGroup(std::string_view group_id, int32_t partitions) {
  const int32_t hash = JavaStringHash(group_id);
  if (hash == std::numeric_limits<int32_t>::min()) return 0;
  return (hash < 0 ? -hash : hash) % partitions;
}

}  // namespace sillok::record
