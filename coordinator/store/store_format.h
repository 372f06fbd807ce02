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
#include "coordinator/zab/entry.h"

namespace sillok {

// The one record that says what the database holds. Part of every write, so
// it is always as new as the write it came with.
struct StoreState {
  MemberId member{0};
  zab::HardState hard_state;
  Zxid applied;
  Zxid trimmed;
  uint32_t active_rows = 0;  // which of the two column families of rows, 0 or 1
};

std::string EncodeState(const StoreState& state);
absl::StatusOr<StoreState> DecodeState(std::string_view value);

// Keys sort as zxids do.
std::string LogKey(Zxid zxid);
absl::StatusOr<Zxid> DecodeLogKey(std::string_view key);
// An entry names its predecessor: the last entry before it or the trim point of
// the time, so that a lost one is noticed.
std::string EncodeLogEntry(Zxid previous, Zxid zxid, std::string_view txn);
struct LogRecord {
  Zxid previous;
  std::string_view txn;  // points into the decoded value
};
absl::StatusOr<LogRecord> DecodeLogEntry(Zxid zxid, std::string_view value);

void PutFixed64(uint64_t value, std::string* out);
uint64_t GetFixed64(const char* in);
uint64_t Checksum64(uint64_t seed, std::string_view bytes);
// "3.17", as zxids are logged.
std::string ToString(Zxid zxid);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_STORE_FORMAT_H_
