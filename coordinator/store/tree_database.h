// The tree's rows in RocksDB, without a write-ahead log: what was written and
// not flushed when the process ends is written again from the log. Internal to
// coordinator/store; with rocks_snapshot the only one to include RocksDB.
#ifndef SILLOK_COORDINATOR_STORE_TREE_DATABASE_H_
#define SILLOK_COORDINATOR_STORE_TREE_DATABASE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/store/rocks_snapshot.h"
#include "coordinator/store/store.h"
#include "coordinator/store/store_format.h"
#include "rocksdb/db.h"

namespace sillok {

struct TreeDatabaseOptions {
  std::string path;
  size_t write_buffer_bytes = 4 * 1024 * 1024;
  size_t block_cache_bytes = 2 * 1024 * 1024;
};

// Two images of the tree have room: the one in use, and one that another member
// sends. Which one is in use, the log says.
//
// Thread-safe.
class TreeDatabase {
 public:
  static absl::StatusOr<std::unique_ptr<TreeDatabase>> Open(
      const TreeDatabaseOptions& options);
  // Whether a database is there. DATA_LOSS if there is a part of one.
  static absl::StatusOr<bool> Exists(const std::string& path);
  // After a failed write the database stays open until the process ends, which
  // is what RocksDB's own assertions leave one.
  ~TreeDatabase();

  absl::StatusOr<std::optional<StoreState>> ReadState() const;
  // Durable when it returns.
  absl::Status WriteState(const StoreState& state);
  absl::StatusOr<bool> HasRows() const;

  // Takes up the image in `rows` (0 or 1); the other is made an empty one.
  absl::Status Use(uint32_t rows);
  // As Use of the other one, which holds an image of `zxid`.
  absl::Status Install(Zxid zxid);
  // Of what Write has written.
  Zxid applied() const;
  // All groups at once; each has the meta row. A crash leaves the image as it was
  // after some Write.
  absl::Status Write(const std::vector<TreeRows>& groups);
  // What was written is on disk; the zxid it belongs to.
  absl::StatusOr<Zxid> Flush();

  absl::Status ReadRows(
      const std::function<absl::Status(std::string_view key,
                                       std::string_view value)>& row);
  absl::StatusOr<std::unique_ptr<SnapshotReader>> OpenSnapshot(
      size_t chunk_bytes);
  // Into the image that is not in use, which is made empty. `staged` hears of
  // its Stage.
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> BeginInstall(
      std::function<void(Zxid)> staged);

 private:
  explicit TreeDatabase(const TreeDatabaseOptions& options)
      : options_(options) {}

  absl::Status OpenDatabase();
  RocksFamily Own(rocksdb::ColumnFamilyHandle* handle);
  absl::Status UseLocked(uint32_t rows);  // write_mutex_ is held
  absl::StatusOr<bool> IsEmpty(const RocksFamily& family) const;
  absl::Status EmptyFamily(uint32_t which);  // image_mutex_ is held
  absl::StatusOr<Zxid> ReadApplied(const rocksdb::ReadOptions& read,
                                   const RocksFamily& family) const;

  const TreeDatabaseOptions options_;
  std::unique_ptr<rocksdb::DB> db_;
  RocksFamily meta_;

  // Held by what writes to the image in use or changes which one it is. Taken
  // before image_mutex_.
  std::mutex write_mutex_;
  bool write_failed_ = false;  // under write_mutex_

  // Held while the image in use changes and while one is opened, so that a
  // reader sees either.
  mutable std::mutex image_mutex_;
  std::array<RocksFamily, 2> rows_;
  uint32_t active_ = 0;
  Zxid applied_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_TREE_DATABASE_H_
