// The bytes of the store's own records; docs/format/coordinator-store.md is the
// specification. Pure functions. Internal to coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_STORE_FORMAT_H_
#define SILLOK_COORDINATOR_STORE_STORE_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"

namespace sillok {

// The one record that says whose database it is, written when it is made. The
// log of the same directory has the same log id.
struct StoreState {
  MemberId member{0};
  uint64_t log_id = 0;
};

std::string EncodeState(const StoreState& state);
absl::StatusOr<StoreState> DecodeState(std::string_view value);

void PutFixed64(uint64_t value, std::string* out);
uint64_t GetFixed64(const char* in);
uint64_t Checksum64(uint64_t seed, std::string_view bytes);
// "3.17", as zxids are logged.
std::string ToString(Zxid zxid);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_STORE_FORMAT_H_
