#include "coordinator/store/rocks_store.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/store/epochs_file.h"
#include "coordinator/store/housekeeper.h"
#include "coordinator/store/log_tail.h"
#include "coordinator/store/segment_log.h"
#include "coordinator/store/store_format.h"
#include "coordinator/store/tree_database.h"
#include "glog/logging.h"

namespace sillok {
namespace {

// One thing given to the store: a persist, rows, or a mere flush.
struct Op {
  zab::Persist persist;
  uint64_t generation = 0;  // of the tail, after persist
  CoordinatorStore::Done done;
  std::optional<TreeRows> rows;
  // Not OK: it cannot be carried out, and nothing after it either.
  absl::Status invalid;
  size_t bytes = 0;
};

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

uint64_t RandomId() {
  uint64_t id = 0;
  CHECK_EQ(::getrandom(&id, sizeof(id), 0), static_cast<ssize_t>(sizeof(id)));
  return id;
}

// --- Opening ---

absl::Status RocksStore::Open() {
  if (::mkdir(options_.directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::InternalError("mkdir " + options_.directory + ": " +
                               std::strerror(errno));
  }
  ASSIGN_OR_RETURN(const std::optional<EpochsFile> epochs,
                   ReadEpochsFile(epochs_path_));
  if (epochs) epochs_ = *epochs;
  epochs_.member = options_.member;
  RETURN_IF_ERROR(OpenDatabase(epochs));
  ASSIGN_OR_RETURN(const std::optional<StoreState> state,
                   database_->ReadState());
  for (const std::optional<MemberId>& owner :
       {state ? std::optional(state->member) : std::nullopt,
        epochs ? std::optional(epochs->member) : std::nullopt}) {
    if (!owner || *owner == options_.member) continue;
    return absl::FailedPreconditionError(
        options_.directory + " belongs to member " +
        std::to_string(owner->value()) + ", not to member " +
        std::to_string(options_.member.value()));
  }
  RETURN_IF_ERROR(OpenLog(state, epochs));
  if (epochs) RETURN_IF_ERROR(CheckEpochs(*epochs));
  RETURN_IF_ERROR(database_->Use(log_->active_rows()));
  given_applied_ = recovered_.applied = database_->applied();
  recovered_.hard_state = log_->hard_state();
  recovered_.last_logged = tail_.last();
  RETURN_IF_ERROR(CheckRecovered());
  RETURN_IF_ERROR(NoteEpochs(
      {options_.member, log_->hard_state(), log_->sequence()}));
  StartThreads();
  return absl::OkStatus();
}

absl::Status RocksStore::OpenDatabase(
    const std::optional<EpochsFile>& epochs) {
  ASSIGN_OR_RETURN(const bool exists, TreeDatabase::Exists(db_path_));
  if (epochs && !exists) {
    return absl::DataLossError(
        epochs_path_ + " says that this member has promised epoch " +
        std::to_string(epochs->hard_state.accepted_epoch) + ", but " +
        db_path_ + " holds no database");
  }
  TreeDatabaseOptions options;
  options.path = db_path_;
  options.write_buffer_bytes = options_.write_buffer_bytes;
  options.block_cache_bytes = options_.block_cache_bytes;
  ASSIGN_OR_RETURN(database_, TreeDatabase::Open(options));
  return absl::OkStatus();
}

absl::Status RocksStore::OpenLog(const std::optional<StoreState>& state,
                                 const std::optional<EpochsFile>& epochs) {
  if (!state) {
    recovered_.fresh = true;
    return CreateLog(epochs.has_value());
  }
  struct stat info{};
  if (::stat(log_path_.c_str(), &info) != 0) {
    return absl::DataLossError(log_path_ +
                               ": no segment of the log is there");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<LogFolder> folder,
                   OpenLogFolder(log_path_));
  ASSIGN_OR_RETURN(log_, SegmentLog::Open(std::move(folder), LogOptions(),
                                          state->log_id, &tail_));
  return absl::OkStatus();
}

// The state record comes last: a database with it has a log beside it.
absl::Status RocksStore::CreateLog(bool epochs_known) {
  ASSIGN_OR_RETURN(const bool has_rows, database_->HasRows());
  if (has_rows) {
    return absl::DataLossError(db_path_ + " has data but no state record");
  }
  if (epochs_known) {
    return absl::DataLossError(epochs_path_ +
                               " says that there was a database, but " +
                               db_path_ + " is empty");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<LogFolder> folder,
                   OpenLogFolder(log_path_));
  ASSIGN_OR_RETURN(const std::vector<std::string> segments,
                   SegmentLog::ListSegments(folder.get()));
  // One segment may be left by a start that was interrupted right here.
  if (segments.size() > 1 ||
      (segments.size() == 1 && segments[0] != SegmentName(1))) {
    return absl::DataLossError(log_path_ + " has segments of a log, but " +
                               db_path_ + " is empty");
  }
  const uint64_t log_id = RandomId();
  ASSIGN_OR_RETURN(log_, SegmentLog::Create(std::move(folder), LogOptions(),
                                            log_id));
  tail_.Reset(Zxid());
  return database_->WriteState({options_.member, log_id});
}

SegmentLogOptions RocksStore::LogOptions() {
  SegmentLogOptions options;
  options.segment_bytes = options_.segment_bytes;
  options.first_segment_bytes =
      std::min(options.first_segment_bytes, options_.segment_bytes);
  options.sync = options_.sync;
  options.on_new_segment = [this](uint64_t sequence) {
    // The first one is noted when all else is there.
    if (sequence == 1) return absl::OkStatus();
    return NoteEpochs({options_.member, epochs_.hard_state, sequence});
  };
  options.faults = options_.log_faults;
  return options;
}

absl::Status RocksStore::CheckEpochs(const EpochsFile& epochs) const {
  const zab::HardState& hard = log_->hard_state();
  if (epochs.hard_state.accepted_epoch > hard.accepted_epoch ||
      epochs.hard_state.current_epoch > hard.current_epoch) {
    return absl::DataLossError(
        log_path_ + " is older than " + epochs_path_ + ": epoch " +
        std::to_string(hard.accepted_epoch) + " against " +
        std::to_string(epochs.hard_state.accepted_epoch));
  }
  if (epochs.segment > log_->sequence()) {
    return absl::DataLossError(log_path_ + "/" +
                               SegmentName(epochs.segment) +
                               " is missing: " + epochs_path_ +
                               " says that it was there");
  }
  return absl::OkStatus();
}

absl::Status RocksStore::CheckRecovered() const {
  const zab::HardState& hard = recovered_.hard_state;
  if (recovered_.applied < tail_.trimmed() ||
      recovered_.applied > tail_.last()) {
    return absl::DataLossError(
        db_path_ + ": the tree belongs to " + ToString(recovered_.applied) +
        ", but the log in " + log_path_ + " reaches from " +
        ToString(tail_.trimmed()) + " to " + ToString(tail_.last()));
  }
  if (hard.current_epoch > hard.accepted_epoch ||
      tail_.last().epoch() > hard.accepted_epoch) {
    return absl::DataLossError(
        log_path_ + ": epochs out of order: accepted " +
        std::to_string(hard.accepted_epoch) + ", current " +
        std::to_string(hard.current_epoch) + ", last entry " +
        ToString(tail_.last()));
  }
  return absl::OkStatus();
}

absl::Status RocksStore::NoteEpochs(EpochsFile epochs) {
  if (epochs == epochs_) return absl::OkStatus();
  RETURN_IF_ERROR(WriteEpochsFile(epochs_path_, epochs));
  epochs_ = epochs;
  return absl::OkStatus();
}

void RocksStore::StartThreads() {
  Housekeeper::Hooks hooks;
  hooks.on_failure = [this](absl::Status status) { Fail(status); };
  hooks.on_trim = [this](Zxid zxid) {
    std::lock_guard<std::mutex> lock(mutex_);
    tail_.TrimTo(zxid);
  };
  housekeeper_ = std::make_unique<Housekeeper>(
      database_.get(), log_.get(), std::move(hooks),
      options_.sync, options_.log_faults);
  committer_ = std::thread([this] { Run(); });
}

RocksStore::~RocksStore() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (committer_.joinable()) committer_.join();
  housekeeper_.reset();
}

// --- What is given ---

absl::Status RocksStore::Check(const zab::Persist& persist) const {
  Zxid last = tail_.last();
  if (persist.install_snapshot) {
    if (staged_ != persist.install_snapshot) {
      return absl::FailedPreconditionError(
          "no snapshot at " + ToString(*persist.install_snapshot) +
          " is staged");
    }
    last = *persist.install_snapshot;
  }
  if (persist.truncate_after) {
    const Zxid floor =
        persist.install_snapshot ? *persist.install_snapshot : given_applied_;
    if (*persist.truncate_after < floor) {
      return absl::FailedPreconditionError(
          "truncating after " + ToString(*persist.truncate_after) +
          " would undo what is applied, up to " + ToString(floor));
    }
    last = std::min(last, *persist.truncate_after);
  }
  for (const zab::Entry& entry : persist.entries) {
    if (!zab::IsSuccessor(last, entry.zxid)) {
      return absl::FailedPreconditionError("entry " + ToString(entry.zxid) +
                                           " does not follow " +
                                           ToString(last));
    }
    last = entry.zxid;
  }
  return absl::OkStatus();
}

void RocksStore::Persist(zab::Persist persist, Done done) {
  Op op;
  op.persist = std::move(persist);
  op.done = std::move(done);
  for (const zab::Entry& entry : op.persist.entries) {
    op.bytes += entry.size_bytes() + 64;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    op.invalid = Check(op.persist);
    if (op.invalid.ok()) {
      if (op.persist.install_snapshot) {
        tail_.Reset(*op.persist.install_snapshot);
        given_applied_ = *op.persist.install_snapshot;
        staged_.reset();
      }
      if (op.persist.truncate_after) {
        tail_.TruncateAfter(*op.persist.truncate_after);
      }
      for (const zab::Entry& entry : op.persist.entries) tail_.Append(entry);
      op.generation = tail_.generation();
    }
  }
  Enqueue(std::move(op));
}

void RocksStore::Apply(TreeRows rows) {
  Op op;
  op.bytes = rows.bytes;
  bool at_once = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (rows.applied > tail_.last() || rows.applied < given_applied_) {
      op.invalid = absl::FailedPreconditionError(
          "rows of " + ToString(rows.applied) + " after those of " +
          ToString(given_applied_) + " with a log up to " +
          ToString(tail_.last()));
    } else {
      given_applied_ = rows.applied;
      at_once = idle_ && queue_.empty() && health_.ok();
    }
  }
  // The entries they come from are durable: the committer need not wake for it.
  if (at_once) return housekeeper_->AddRows(std::move(rows));
  op.rows = std::move(rows);
  Enqueue(std::move(op));
}

void RocksStore::TrimLog(Zxid upto, size_t keep_entries) {
  std::optional<Zxid> limit;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    limit = tail_.TrimPoint(std::min(upto, given_applied_), keep_entries);
  }
  if (limit) housekeeper_->TrimLog(*limit);
}

absl::Status RocksStore::Flush() {
  std::promise<absl::Status> promise;
  Op op;
  op.done = [&promise](absl::Status status) { promise.set_value(status); };
  Enqueue(std::move(op));
  const absl::Status status = promise.get_future().get();
  housekeeper_->WaitIdle();
  return status.ok() ? health() : status;
}

void RocksStore::Enqueue(Op op) {
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(op));
    wake = std::exchange(idle_, false);
  }
  if (wake) wake_.notify_one();
}

absl::Status RocksStore::health() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return health_;
}

void RocksStore::Fail(const absl::Status& status) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!health_.ok()) return;
  health_ = status;
  LOG(ERROR) << "coordinator store " << options_.directory
             << " takes no more writes: " << status;
}

// --- The committer ---

void RocksStore::Run() {
  while (true) {
    std::vector<Op> ops = TakeOps();
    if (ops.empty()) return;
    Carry(std::move(ops));
    housekeeper_->AwaitRoom();
  }
}

// Waits for something to do; nothing means stop. An install comes alone.
std::vector<Op> RocksStore::TakeOps() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_ = queue_.empty();
  wake_.wait(lock, [this] { return !queue_.empty() || stopping_; });
  idle_ = false;
  std::vector<Op> ops;
  size_t bytes = 0;
  while (!queue_.empty() && (ops.empty() || bytes < options_.max_batch_bytes)) {
    const bool install =
        queue_.front().persist.install_snapshot.has_value();
    if (install && !ops.empty()) break;
    bytes += queue_.front().bytes;
    ops.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (install) break;
  }
  return ops;
}

void RocksStore::Carry(std::vector<Op> ops) {
  absl::Status status = health();
  size_t good = 0;
  while (status.ok() && good < ops.size() && ops[good].invalid.ok()) ++good;
  if (good > 0) {
    status = Write(&ops, good);
    if (!status.ok()) good = 0;
  }
  if (status.ok() && good < ops.size()) status = ops[good].invalid;
  if (!status.ok()) Fail(status);
  for (size_t i = 0; i < ops.size(); ++i) {
    if (i < good && ops[i].rows) {
      housekeeper_->AddRows(*std::move(ops[i].rows));
    }
    if (ops[i].done) ops[i].done(i < good ? absl::OkStatus() : status);
  }
  if (log_->wants_spare()) housekeeper_->LogHasGrown();
}

absl::Status RocksStore::Write(std::vector<Op>* ops, size_t count) {
  std::vector<const zab::Persist*> persists;
  for (size_t i = 0; i < count; ++i) persists.push_back(&(*ops)[i].persist);
  const std::optional<Zxid> install = persists[0]->install_snapshot;
  // Rows given before are of the image that goes.
  if (install) housekeeper_->WaitIdle();
  RETURN_IF_ERROR(log_->Append(persists));
  if (install) RETURN_IF_ERROR(database_->Install(*install));
  RETURN_IF_ERROR(NoteEpochs(
      {options_.member, log_->hard_state(), log_->sequence()}));
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t i = 0; i < count; ++i) {
    const Op& op = (*ops)[i];
    if (op.persist.entries.empty()) continue;
    tail_.Written(op.persist.entries.back().zxid, op.generation);
  }
  return absl::OkStatus();
}

// --- The image ---

absl::StatusOr<std::unique_ptr<SnapshotWriter>> RocksStore::BeginInstall() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    RETURN_IF_ERROR(health_);
    staged_.reset();
  }
  return database_->BeginInstall([this](Zxid zxid) {
    std::lock_guard<std::mutex> lock(mutex_);
    staged_ = zxid;
  });
}

void RocksStore::DiscardStaged() {
  std::lock_guard<std::mutex> lock(mutex_);
  staged_.reset();
}

// --- The log, read ---

Zxid RocksStore::TrimmedTo() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return tail_.trimmed();
}

Zxid RocksStore::LastZxid() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return tail_.last();
}

std::optional<Zxid> RocksStore::LastAtOrBefore(Zxid zxid) const {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (zxid < tail_.trimmed()) return std::nullopt;
    if (zxid >= tail_.base()) return tail_.LastAtOrBefore(zxid);
  }
  const absl::StatusOr<Zxid> found = log_->LastAtOrBefore(zxid);
  const Zxid trimmed = TrimmedTo();
  if (zxid < trimmed) return std::nullopt;
  if (found.ok()) return std::max(*found, trimmed);
  CHECK(absl::IsNotFound(found.status()))
      << log_path_ << ": " << found.status();
  return trimmed;
}

std::vector<zab::Entry> RocksStore::Read(Zxid after, size_t max_bytes) const {
  std::vector<zab::Entry> entries;
  size_t bytes = 0;
  Zxid at = after;
  while (true) {
    Zxid base;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (at < tail_.trimmed()) return entries;
      base = tail_.base();
      if (at >= base) {
        tail_.Read(at, max_bytes, bytes, &entries);
        return entries;
      }
    }
    const absl::Status status =
        log_->Read(&at, base, max_bytes, &bytes, &entries);
    if (status.ok() && at >= base) continue;
    if (!status.ok() && at >= TrimmedTo()) {
      LOG(FATAL) << log_path_ << ": the log cannot be read after " << at
                 << ": " << status;
    }
    return entries;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<CoordinatorStore>> OpenRocksStore(
    const RocksStoreOptions& options) {
  auto store = std::make_unique<RocksStore>(options);
  RETURN_IF_ERROR(store->Open());
  return std::unique_ptr<CoordinatorStore>(std::move(store));
}

}  // namespace sillok
