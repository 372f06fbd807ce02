// Big-endian numbers in the log's small files.
#ifndef SILLOK_BROKER_LOG_BIG_ENDIAN_H_
#define SILLOK_BROKER_LOG_BIG_ENDIAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace sillok {

template <typename T>
void PutBigEndian(std::string* out, T value) {
  auto raw = static_cast<uint64_t>(static_cast<std::make_unsigned_t<T>>(value));
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0;
       shift -= 8) {
    out->push_back(static_cast<char>(raw >> shift));
  }
}

// `at` has sizeof(T) bytes.
template <typename T>
T GetBigEndian(const char* at) {
  uint64_t raw = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    raw = raw << 8 | static_cast<uint8_t>(at[i]);
  }
  return static_cast<T>(static_cast<std::make_unsigned_t<T>>(raw));
}

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_BIG_ENDIAN_H_
