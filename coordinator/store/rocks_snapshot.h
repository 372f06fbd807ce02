// Images of the tree out of RocksDB and into it. Internal to coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_ROCKS_SNAPSHOT_H_
#define SILLOK_COORDINATOR_STORE_ROCKS_SNAPSHOT_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/ids.h"
#include "coordinator/store/store.h"
#include "rocksdb/db.h"

namespace sillok {

// A column family, which may be replaced while it is read.
using RocksFamily = std::shared_ptr<rocksdb::ColumnFamilyHandle>;

inline rocksdb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}
absl::Status FromRocks(const rocksdb::Status& status, const std::string& what);

// Reads `family` as of `snapshot`, which it releases.
std::unique_ptr<SnapshotReader> NewRocksSnapshotReader(
    rocksdb::DB* db, RocksFamily family, const rocksdb::Snapshot* snapshot,
    Zxid zxid, size_t chunk_bytes);

// Fills `family`, which is empty, past the write-ahead log; Stage makes it
// durable and calls `staged`.
std::unique_ptr<SnapshotWriter> NewRocksSnapshotWriter(
    rocksdb::DB* db, RocksFamily family, std::function<void(Zxid)> staged);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_ROCKS_SNAPSHOT_H_
