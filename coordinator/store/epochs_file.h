// `epochs`, the small text file beside the database that says what must be in it.
// Internal to coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_EPOCHS_FILE_H_
#define SILLOK_COORDINATOR_STORE_EPOCHS_FILE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/zab/entry.h"

namespace sillok {

// A member that has promised epochs and comes back without its log or database
// would vote as if it had never promised anything. This file, written after each
// change of hard state and before a segment of the log is written to, is how it
// notices.
struct EpochsFile {
  MemberId member{0};
  zab::HardState hard_state;
  uint64_t segment = 0;  // the newest one

  friend bool operator==(const EpochsFile&, const EpochsFile&) = default;
};

// Nothing if there is no such file; DATA_LOSS if it is damaged.
absl::StatusOr<std::optional<EpochsFile>> ReadEpochsFile(
    const std::string& path);
// Replaces the file atomically and durably.
absl::Status WriteEpochsFile(const std::string& path, const EpochsFile& file);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_EPOCHS_FILE_H_
