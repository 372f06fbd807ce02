// CRC-32C (Castagnoli), the checksum of a v2 batch.
#ifndef SILLOK_PROTO_RECORD_CRC_H_
#define SILLOK_PROTO_RECORD_CRC_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace sillok::record {

// The checksum of (what `crc` covers) followed by `data`; start with 0.
uint32_t Crc32cExtend(uint32_t crc, std::string_view data);

inline uint32_t Crc32c(std::string_view data) { return Crc32cExtend(0, data); }

// The checksum of the bytes [position, size) of `bytes`, piece by piece.
uint32_t Crc32c(const Bytes& bytes, size_t position = 0);

// The checksum of A followed by B, from the two and B's length; O(log length)
// and without reading either. So a changed header needs no second pass over
// the payload.
uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b);

}  // namespace sillok::record

#endif  // SILLOK_PROTO_RECORD_CRC_H_
