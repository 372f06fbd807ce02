// The coordinator's store on RocksDB. rocks_store.cc is the only file that
// includes RocksDB.
#ifndef SILLOK_COORDINATOR_STORE_ROCKS_STORE_H_
#define SILLOK_COORDINATOR_STORE_ROCKS_STORE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/store/store.h"

namespace sillok {

struct RocksStoreOptions {
  // Made if missing. Holds `epochs` (a small text file that says that a database
  // was here and which epochs it has promised) and `db/`.
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
  // Of each kind of record; twice this altogether.
  size_t write_buffer_bytes = 4 * 1024 * 1024;
  size_t block_cache_bytes = 2 * 1024 * 1024;
};

// Opens or creates. Refuses (DATA_LOSS or FAILED_PRECONDITION, naming file and
// reason) rather than come up with less than was promised: `epochs` without a
// database, a database older than `epochs`, another member's directory, a damaged
// entry or row, a gap in the log, epochs out of order. Rows are verified by
// ReadRows with ZnodeTree.
absl::StatusOr<std::unique_ptr<CoordinatorStore>> OpenRocksStore(
    const RocksStoreOptions& options);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_ROCKS_STORE_H_
