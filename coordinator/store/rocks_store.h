// The coordinator's store: the log in segments of its own, the tree in RocksDB.
#ifndef SILLOK_COORDINATOR_STORE_ROCKS_STORE_H_
#define SILLOK_COORDINATOR_STORE_ROCKS_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/store/log_faults.h"
#include "coordinator/store/store.h"

namespace sillok {

struct RocksStoreOptions {
  // Made if missing. Holds `epochs` (a small text file that says what must be
  // here and which epochs this member has promised), `log/` and `db/`.
  std::string directory;  // dataDir
  // Whose directory it is; written at first and compared ever after.
  MemberId member{0};
  // fdatasync before a write is reported. Off only for measurements: without it
  // what is acknowledged survives a crash of the process but not of the machine.
  bool sync = true;  // forceSync
  // Recent log entries kept in memory for LogView, at least what is not durable.
  size_t cache_bytes = 4 * 1024 * 1024;
  // At most this much is written in one batch.
  size_t max_batch_bytes = 4 * 1024 * 1024;
  // The log grows from small segments to segments of this size, a multiple of
  // 4096.
  uint64_t segment_bytes = uint64_t{16} << 20;  // preAllocSize
  // Of rows in memory; twice this altogether.
  size_t write_buffer_bytes = 4 * 1024 * 1024;
  size_t block_cache_bytes = 2 * 1024 * 1024;
  LogFaults log_faults;
};

// Opens or creates. Refuses (DATA_LOSS or FAILED_PRECONDITION, naming file and
// reason) rather than come up with less than was promised: `epochs` without a
// database or log, a log older than `epochs` or the tree, another member's
// directory, damage in the log (but for a cut-off last write), a gap in it, a
// lost segment, epochs out of order. Rows are verified by ReadRows with
// ZnodeTree.
absl::StatusOr<std::unique_ptr<CoordinatorStore>> OpenRocksStore(
    const RocksStoreOptions& options);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_ROCKS_STORE_H_
