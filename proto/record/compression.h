// Compressing and decompressing the records part of a v2 batch.
//
// Decompression is streamed in chunks and bounded: input from outside can ask
// for gigabytes with kilobytes. What each codec looks like on the wire is in
// docs/format/record-batch.md (snappy has two forms, both are read).
#ifndef SILLOK_PROTO_RECORD_COMPRESSION_H_
#define SILLOK_PROTO_RECORD_COMPRESSION_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "proto/record/codec.h"

namespace sillok::record {

// How much may come out of one compressed batch: at most `max_bytes`, and
// beyond `free_bytes` at most `max_ratio` times what went in.
struct DecompressLimits {
  size_t max_bytes = size_t{64} << 20;
  size_t free_bytes = size_t{8} << 20;
  size_t max_ratio = 1000;
};

// The codec's own default level.
inline constexpr int kDefaultLevel = -1000;

// `input` compressed as Kafka's clients expect it: gzip RFC 1952, snappy in
// xerial framing, lz4 and zstd as standard frames. CHECKs nothing about input;
// fails only for an unknown codec or a level the codec does not have.
absl::StatusOr<std::string> Compress(Codec codec, std::string_view input,
                                     int level = kDefaultLevel);

// One pass over one compressed blob. Not thread-safe. Keeps `input` alive.
class Decompressor {
 public:
  virtual ~Decompressor() = default;

  // Codec none gives the pieces of the input themselves, without a copy.
  // UNSUPPORTED_COMPRESSION_TYPE for a codec number that is none.
  static absl::StatusOr<std::unique_ptr<Decompressor>> Create(
      Codec codec, Bytes input, const DecompressLimits& limits = {});

  // The next chunk, valid until the next call; empty at the end of a complete
  // and correct input. An error is final: CORRUPT_MESSAGE when the input is
  // damaged, cut short or followed by something else, MESSAGE_TOO_LARGE when
  // a limit was passed.
  virtual absl::StatusOr<std::string_view> Next() = 0;
};

// All chunks in one string.
absl::StatusOr<std::string> Decompress(Codec codec, const Bytes& input,
                                       const DecompressLimits& limits = {});

}  // namespace sillok::record

#endif  // SILLOK_PROTO_RECORD_COMPRESSION_H_
