// The store's class; rocks_store_open.cc opens it, rocks_store.cc is the rest.
// Internal to coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_ROCKS_STORE_IMPL_H_
#define SILLOK_COORDINATOR_STORE_ROCKS_STORE_IMPL_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/store/epochs_file.h"
#include "coordinator/store/housekeeper.h"
#include "coordinator/store/log_tail.h"
#include "coordinator/store/rocks_store.h"
#include "coordinator/store/segment_log.h"
#include "coordinator/store/store_format.h"
#include "coordinator/store/tree_database.h"

namespace sillok {

// A committer thread makes the log's writes, a Housekeeper all else. What the
// committer owns needs no lock; what callers give and ask goes through mutex_,
// which is never held over a call that waits.
class RocksStore final : public CoordinatorStore {
 public:
  explicit RocksStore(const RocksStoreOptions& options)
      : options_(options),
        db_path_(options.directory + "/db"),
        log_path_(options.directory + "/log"),
        epochs_path_(options.directory + "/epochs"),
        tail_(options.cache_bytes) {}
  ~RocksStore() override;

  absl::Status Open();

  const StoredState& recovered() const override { return recovered_; }
  absl::Status ReadRows(
      const std::function<absl::Status(std::string_view, std::string_view)>&
          row) override {
    return database_->ReadRows(row);
  }
  Zxid durable_applied() const override { return database_->applied(); }
  void Persist(zab::Persist persist, Done done) override;
  void Apply(TreeRows rows) override;
  absl::Status Flush() override;
  void TrimLog(Zxid upto, size_t keep_entries) override;
  absl::StatusOr<std::unique_ptr<SnapshotReader>> OpenSnapshot(
      size_t chunk_bytes) override {
    return database_->OpenSnapshot(chunk_bytes);
  }
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> BeginInstall() override;
  void DiscardStaged() override;
  absl::Status health() const override;

  Zxid TrimmedTo() const override;
  Zxid LastZxid() const override;
  std::optional<Zxid> LastAtOrBefore(Zxid zxid) const override;
  std::vector<zab::Entry> Read(Zxid after, size_t max_bytes) const override;

 private:
  // One thing given to the store: a persist, rows, or a mere flush.
  struct Op {
    zab::Persist persist;
    uint64_t generation = 0;  // of the tail, after persist
    Done done;
    std::optional<TreeRows> rows;
    // Not OK: it cannot be carried out, and nothing after it either.
    absl::Status invalid;
    size_t bytes = 0;
  };

  absl::Status OpenDatabase(const std::optional<EpochsFile>& epochs);
  absl::Status OpenLog(const std::optional<StoreState>& state,
                       const std::optional<EpochsFile>& epochs);
  absl::Status CreateLog(bool epochs_known);
  SegmentLogOptions LogOptions();
  absl::Status CheckEpochs(const EpochsFile& epochs) const;
  absl::Status CheckRecovered() const;
  absl::Status NoteEpochs(EpochsFile epochs);
  void StartThreads();

  absl::Status Check(const zab::Persist& persist) const;
  void Enqueue(Op op);
  void Run();
  std::vector<Op> TakeOps();
  void Carry(std::vector<Op> ops);
  absl::Status Write(std::vector<Op>* ops, size_t count);
  void Fail(const absl::Status& status);

  const RocksStoreOptions options_;
  const std::string db_path_;
  const std::string log_path_;
  const std::string epochs_path_;
  StoredState recovered_;
  std::unique_ptr<TreeDatabase> database_;
  std::unique_ptr<SegmentLog> log_;
  EpochsFile epochs_;  // as on disk; the committer's

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Op> queue_;
  bool idle_ = false;  // the committer waits: all that was given is durable
  bool stopping_ = false;
  LogTail tail_;
  Zxid given_applied_;
  std::optional<Zxid> staged_;
  absl::Status health_;

  std::unique_ptr<Housekeeper> housekeeper_;
  std::thread committer_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_ROCKS_STORE_IMPL_H_
