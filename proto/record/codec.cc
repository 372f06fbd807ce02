#include "proto/record/codec.h"

#include <array>

namespace sillok::record {
namespace {
constexpr std::array<std::string_view, 5> kNames = {"none", "gzip", "snappy",
                                                    "lz4", "zstd"};
}  // namespace

bool IsKnownCodec(Codec codec) {
  const int number = static_cast<int>(codec);
  return number >= 0 && number < static_cast<int>(kNames.size());
}

std::string_view CodecName(Codec codec) {
  return IsKnownCodec(codec) ? kNames[static_cast<size_t>(codec)] : "unknown";
}

std::optional<Codec> CodecFromName(std::string_view name) {
  if (name == "uncompressed") return Codec::kNone;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Codec>(i);
  }
  return std::nullopt;
}

}  // namespace sillok::record
