#include "coordinator/store/store_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sillok {
namespace {

constexpr uint64_t kStateFormat = 2;
constexpr size_t kStateBytes = 4 * 8;

}  // namespace

void PutFixed64(uint64_t value, std::string* out) {
  for (int i = 0; i < 8; ++i) {
    out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

uint64_t GetFixed64(const char* in) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) {
    value |= uint64_t{static_cast<unsigned char>(in[i])} << (8 * i);
  }
  return value;
}

uint64_t Checksum64(uint64_t seed, std::string_view bytes) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string ToString(Zxid zxid) {
  return std::to_string(zxid.epoch()) + "." + std::to_string(zxid.counter());
}

std::string EncodeState(const StoreState& state) {
  std::string value;
  value.reserve(kStateBytes);
  PutFixed64(kStateFormat, &value);
  PutFixed64(static_cast<uint64_t>(state.member.value()), &value);
  PutFixed64(state.log_id, &value);
  PutFixed64(Checksum64(0, value), &value);
  return value;
}

absl::StatusOr<StoreState> DecodeState(std::string_view value) {
  if (value.size() != kStateBytes ||
      GetFixed64(value.data() + 24) != Checksum64(0, value.substr(0, 24))) {
    return absl::DataLossError("the state record is damaged");
  }
  if (GetFixed64(value.data()) != kStateFormat) {
    return absl::FailedPreconditionError(
        "the state record has format " +
        std::to_string(GetFixed64(value.data())) +
        "; this version knows format " + std::to_string(kStateFormat));
  }
  StoreState state;
  state.member = MemberId(static_cast<int32_t>(GetFixed64(value.data() + 8)));
  state.log_id = GetFixed64(value.data() + 16);
  return state;
}

}  // namespace sillok
