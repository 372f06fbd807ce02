// The compression codecs of a v2 batch, by the numbers they have on the wire.
#ifndef SILLOK_PROTO_RECORD_CODEC_H_
#define SILLOK_PROTO_RECORD_CODEC_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace sillok::record {

enum class Codec : int8_t {
  kNone = 0,
  kGzip = 1,
  kSnappy = 2,
  kLz4 = 3,
  kZstd = 4,
};

// "none", "gzip", "snappy", "lz4", "zstd"; "unknown" for anything else.
std::string_view CodecName(Codec codec);
// The reverse; also takes Kafka's "uncompressed" for none.
std::optional<Codec> CodecFromName(std::string_view name);
// False for the numbers 5..7, which the three attribute bits can also hold.
bool IsKnownCodec(Codec codec);

}  // namespace sillok::record

#endif  // SILLOK_PROTO_RECORD_CODEC_H_
