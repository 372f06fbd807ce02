// A snapshot of the tree in a file of its own, for backups: made from the pieces
// a running member gives, checked by itself, and made into a member's data
// directory again while no member runs.
//
// The file is "sillok coordinator snapshot, format 2\n", then each piece,
// compressed by zstd, behind its length so and as it was (4 bytes each) and the
// checksum of what is stored (8 bytes; little-endian all). The pieces check
// themselves, their order, and that none is missing:
// docs/format/coordinator-store.md.
#ifndef SILLOK_COORDINATOR_STORE_SNAPSHOT_FILE_H_
#define SILLOK_COORDINATOR_STORE_SNAPSHOT_FILE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/store/rocks_store.h"

namespace sillok {

struct SnapshotFileInfo {
  Zxid zxid;  // of the state in it
  uint64_t rows = 0;  // znodes, sessions and one more
  uint64_t bytes = 0;  // of the file
};

// Writes one file. The name appears when all of it is on disk; before that, or
// if Finish is not called, there is at most `path`.tmp, which is removed.
class SnapshotFileWriter {
 public:
  // ALREADY_EXISTS if there is a file of that name.
  static absl::StatusOr<std::unique_ptr<SnapshotFileWriter>> Create(
      const std::string& path);
  virtual ~SnapshotFileWriter() = default;
  // The next piece, as SnapshotReader::Next and CoordinatorAdmin.SaveSnapshot
  // give it. DATA_LOSS if it is damaged or not the next one.
  virtual absl::Status Add(std::string_view piece) = 0;
  // DATA_LOSS unless the last piece was added.
  virtual absl::StatusOr<SnapshotFileInfo> Finish() = 0;
};

// Reads all of it. DATA_LOSS, with the place, when something is wrong.
absl::StatusOr<SnapshotFileInfo> CheckSnapshotFile(const std::string& path);

// Makes `options.directory`, which must be empty but for `myid` and `snapshots`
// or not be there, the data directory of a member that holds the snapshot and no
// log. The file is checked before anything is made; after an error nothing is
// left behind.
//
// An ensemble is restored by doing this for every member with the same file: a
// quorum of empty members would start without it. Its members are those of the
// configuration files again, whatever they were when the snapshot was taken: it
// may be another ensemble.
absl::StatusOr<SnapshotFileInfo> RestoreSnapshotFile(
    const std::string& path, const RocksStoreOptions& options);

// Writes the store's present image to `folder`/snapshot.<zxid> (16 hexadecimal
// digits), reads it again, and only then removes all but the newest `keep` of
// such files. Nothing is written if that file is there already. One call at a
// time. CANCELLED, and nothing is left, once `*stop` is true; it may be null.
absl::StatusOr<SnapshotFileInfo> SaveSnapshot(CoordinatorStore* store,
                                              const std::string& folder,
                                              size_t keep,
                                              const std::atomic<bool>* stop);

// The files of that kind in `folder`, the newest first.
std::vector<std::string> ListSnapshots(const std::string& folder);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_SNAPSHOT_FILE_H_
