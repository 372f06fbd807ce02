// Variable-length integers as Kafka's records use them: zig-zag, base 128.
#ifndef SILLOK_PROTO_RECORD_VARINT_H_
#define SILLOK_PROTO_RECORD_VARINT_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace sillok::record {

inline constexpr size_t kMaxVarint32Bytes = 5;
inline constexpr size_t kMaxVarint64Bytes = 10;

constexpr uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^
         static_cast<uint64_t>(value >> 63);
}
constexpr int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

// Bytes that `value` takes.
constexpr size_t VarintSize(int64_t value) {
  uint64_t rest = ZigZag(value);
  size_t size = 1;
  while (rest >= 0x80) {
    rest >>= 7;
    ++size;
  }
  return size;
}

inline void PutVarint(std::string* out, int64_t value) {
  char buffer[kMaxVarint64Bytes];
  size_t size = 0;
  uint64_t rest = ZigZag(value);
  while (rest >= 0x80) {
    buffer[size++] = static_cast<char>(rest | 0x80);
    rest >>= 7;
  }
  buffer[size++] = static_cast<char>(rest);
  out->append(buffer, size);
}

// Reads a 64-bit varint of [p, end). Returns the first byte after it; null
// when it is cut short or longer than a 64-bit one can be.
inline const char* ReadVarint64(const char* p, const char* end,
                                int64_t* value) {
  if (p != end && static_cast<uint8_t>(*p) < 0x80) {
    *value = UnZigZag(static_cast<uint8_t>(*p));
    return p + 1;
  }
  uint64_t raw = 0;
  for (int shift = 0; shift < 70 && p != end; shift += 7) {
    const uint64_t byte = static_cast<uint8_t>(*p++);
    raw |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (shift == 63 && byte > 1) return nullptr;
      *value = UnZigZag(raw);
      return p;
    }
  }
  return nullptr;
}

// The same for a 32-bit one (at most five bytes, and the value fits).
inline const char* ReadVarint32(const char* p, const char* end,
                                int32_t* value) {
  int64_t wide = 0;
  const char* const limit =
      end - p > static_cast<ptrdiff_t>(kMaxVarint32Bytes)
          ? p + kMaxVarint32Bytes
          : end;
  const char* const next = ReadVarint64(p, limit, &wide);
  if (next == nullptr || wide != static_cast<int32_t>(wide)) return nullptr;
  *value = static_cast<int32_t>(wide);
  return next;
}

}  // namespace sillok::record

#endif  // SILLOK_PROTO_RECORD_VARINT_H_
