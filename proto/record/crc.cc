#include "proto/record/crc.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>

namespace sillok::record {
namespace {

// Polynomials over GF(2) modulo the Castagnoli polynomial, bit-reflected: the
// top bit is x^0.
constexpr uint32_t kPolynomial = 0x82f63b78;
constexpr uint32_t kOne = 0x80000000;

constexpr uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = (b & 1) ? (b >> 1) ^ kPolynomial : b >> 1;
  }
  return product;
}

// kPowers[k] is x^(2^k).
constexpr std::array<uint32_t, 67> MakePowers() {
  std::array<uint32_t, 67> powers{};
  powers[0] = kOne >> 1;
  for (size_t k = 1; k < powers.size(); ++k) {
    powers[k] = Multiply(powers[k - 1], powers[k - 1]);
  }
  return powers;
}
constexpr std::array<uint32_t, 67> kPowers = MakePowers();

}  // namespace

uint32_t Crc32cExtend(uint32_t crc, std::string_view data) {
  // ISA-L takes an int length and its buffer as non-const, and leaves both
  // inversions to the caller.
  constexpr size_t kMaxStep = size_t{1} << 30;
  uint32_t state = ~crc;
  while (!data.empty()) {
    const size_t step = std::min(data.size(), kMaxStep);
    state = crc32_iscsi(
        reinterpret_cast<unsigned char*>(const_cast<char*>(data.data())),
        static_cast<int>(step), state);
    data.remove_prefix(step);
  }
  return ~state;
}

uint32_t Crc32c(const Bytes& bytes, size_t position) {
  uint32_t crc = 0;
  for (const BytesPiece& piece : bytes.pieces()) {
    if (position >= piece.size) {
      position -= piece.size;
      continue;
    }
    crc = Crc32cExtend(crc, piece.view().substr(position));
    position = 0;
  }
  return crc;
}

uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b) {
  uint32_t shift = kOne;
  for (size_t k = 3; size_b != 0; ++k, size_b >>= 1) {
    if (size_b & 1) shift = Multiply(kPowers[k], shift);
  }
  return Multiply(shift, crc_a) ^ crc_b;
}

}  // namespace sillok::record
