#include "coordinator/store/store_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sillok {
namespace {

constexpr uint64_t kStateFormat = 1;
constexpr size_t kStateBytes = 8 * 8;
constexpr size_t kLogHeaderBytes = 16;

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
  PutFixed64(state.hard_state.accepted_epoch, &value);
  PutFixed64(state.hard_state.current_epoch, &value);
  PutFixed64(state.applied.value(), &value);
  PutFixed64(state.trimmed.value(), &value);
  PutFixed64(state.active_rows, &value);
  PutFixed64(Checksum64(0, value), &value);
  return value;
}

absl::StatusOr<StoreState> DecodeState(std::string_view value) {
  if (value.size() != kStateBytes ||
      GetFixed64(value.data() + 56) != Checksum64(0, value.substr(0, 56))) {
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
  state.hard_state.accepted_epoch =
      static_cast<uint32_t>(GetFixed64(value.data() + 16));
  state.hard_state.current_epoch =
      static_cast<uint32_t>(GetFixed64(value.data() + 24));
  state.applied = Zxid(GetFixed64(value.data() + 32));
  state.trimmed = Zxid(GetFixed64(value.data() + 40));
  state.active_rows = static_cast<uint32_t>(GetFixed64(value.data() + 48));
  if (state.active_rows > 1) {
    return absl::DataLossError("the state record names no column family");
  }
  return state;
}

std::string LogKey(Zxid zxid) {
  std::string key(8, '\0');
  for (int i = 0; i < 8; ++i) {
    key[i] = static_cast<char>(zxid.value() >> (8 * (7 - i)));
  }
  return key;
}

absl::StatusOr<Zxid> DecodeLogKey(std::string_view key) {
  if (key.size() != 8) return absl::DataLossError("log key of a wrong size");
  uint64_t value = 0;
  for (const char c : key) {
    value = (value << 8) | static_cast<unsigned char>(c);
  }
  return Zxid(value);
}

std::string EncodeLogEntry(Zxid previous, Zxid zxid, std::string_view txn) {
  std::string value(8, '\0');
  value.reserve(kLogHeaderBytes + txn.size());
  PutFixed64(previous.value(), &value);
  value.append(txn);
  std::string checksum;
  PutFixed64(Checksum64(zxid.value(), std::string_view(value).substr(8)),
             &checksum);
  value.replace(0, 8, checksum);
  return value;
}

absl::StatusOr<LogRecord> DecodeLogEntry(Zxid zxid, std::string_view value) {
  if (value.size() < kLogHeaderBytes ||
      GetFixed64(value.data()) != Checksum64(zxid.value(), value.substr(8))) {
    return absl::DataLossError("log entry " + ToString(zxid) +
                               ": checksum does not match");
  }
  return LogRecord{Zxid(GetFixed64(value.data() + 8)),
                   value.substr(kLogHeaderBytes)};
}

}  // namespace sillok
