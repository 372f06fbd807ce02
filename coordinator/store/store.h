// What a coordinator member keeps on disk: hard state, the log, and the image of
// the tree with the zxid it belongs to. The seam; rocks_store.h is the real one.
#ifndef SILLOK_COORDINATOR_STORE_STORE_H_
#define SILLOK_COORDINATOR_STORE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/tree/znode_tree.h"
#include "coordinator/zab/log_view.h"
#include "coordinator/zab/zab.h"

namespace sillok {

// What recovery found.
struct StoredState {
  zab::HardState hard_state;
  Zxid last_logged;  // LastZxid()
  Zxid applied;      // what the rows of the tree belong to
  bool fresh = false;  // there was nothing; a new member
};

// Reads one consistent image of the tree, as it was when opened, in chunks for
// another member. One thread at a time, any thread. Must be gone before the
// store is.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  virtual Zxid zxid() const = 0;
  // The next chunk (about the size given when opened; self-checking); nullopt
  // after the last. An error ends the reading: a row did not match its checksum
  // or could not be read.
  virtual absl::StatusOr<std::optional<std::string>> Next() = 0;
};

// Takes in another member's image beside the live one. Nothing of it counts
// before a Persist with install_snapshot; dropping the writer before Stage, or
// a crash, discards what was added. One thread at a time. Must be gone before
// the store is.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  // The chunks in order, each exactly once. DATA_LOSS when one is damaged or out
  // of order, or a row is; the writer is then of no more use.
  virtual absl::Status Add(std::string_view chunk) = 0;
  // The last chunk was added: all rows are there and verified.
  virtual bool complete() const = 0;
  virtual Zxid zxid() const = 0;  // of the image; known after the first chunk
  // The value of the image's row of the ensemble (tree/row_format.h), "" if it
  // has none; known when complete().
  virtual std::string_view ensemble_row() const = 0;
  // Only when complete(), once: makes the image the store's staged snapshot,
  // durable, for a Persist to install.
  virtual absl::Status Stage() = 0;
};

// Writes are queued, carried out in the order given by one committer thread, which
// makes one synced write of all that is queued. After the first failed write the
// store refuses all later ones with the same error: the member resigns and exits.
//
// The zab::LogView side answers as if queued writes were done already: an entry
// can be read from the moment Persist returns, though it may not be durable.
//
// Thread-safe, but the order of Persist and Apply is the caller's: one
// thread. Callbacks run on the committer thread, in the order of the calls;
// they must not block and must not destroy the store.
class CoordinatorStore : public zab::LogView {
 public:
  using Done = std::function<void(absl::Status)>;

  // Destroying drains the queue.
  ~CoordinatorStore() override = default;

  virtual const StoredState& recovered() const = 0;
  // Every row of the tree, in key order, as of the last write carried out;
  // stops at the first error `row` returns. At start, and after an installed
  // snapshot: feed to ZnodeTree::LoadRow. Any thread.
  virtual absl::Status ReadRows(
      const std::function<absl::Status(std::string_view key,
                                       std::string_view value)>& row) = 0;
  // Of the rows ReadRows gives now.
  virtual Zxid durable_applied() const = 0;

  // Carries out one zab::Persist (install, truncate, append, hard state), all of
  // it or nothing; `done` when it and everything given before is durable.
  // install_snapshot replaces tree rows, log and applied zxid by the staged
  // snapshot, which must have that zxid. Entries must continue the log, and
  // truncating below the applied zxid is refused: both are reported like a
  // failed write.
  virtual void Persist(zab::Persist persist, Done done) = 0;
  // The tree's rows up to `rows.applied`, for which the log entries must have been
  // given before. Not synced, and written with a later Persist or soon: after
  // a crash the log is replayed from what was written. Rows of a failed write
  // show in the next Persist.
  virtual void Apply(TreeRows rows) = 0;
  // Waits until all that was given is durable. For an orderly stop and tests;
  // not on the committer thread.
  virtual absl::Status Flush() = 0;

  // Moves the trim point up to `upto` at most, but leaves the last `keep_entries`
  // of the log and whatever is not in the rows yet. Advice, carried out when
  // the committer gets to it.
  virtual void TrimLog(Zxid upto, size_t keep_entries) = 0;

  // The image as of the last write carried out.
  virtual absl::StatusOr<std::unique_ptr<SnapshotReader>> OpenSnapshot(
      size_t chunk_bytes) = 0;
  // One at a time: a new one discards what an earlier one staged. The earlier
  // writer must be gone, and a Persist that installs must be done.
  virtual absl::StatusOr<std::unique_ptr<SnapshotWriter>> BeginInstall() = 0;
  // Throws the staged snapshot away, if there is one.
  virtual void DiscardStaged() = 0;

  // OK until a write has failed.
  virtual absl::Status health() const = 0;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_STORE_H_
