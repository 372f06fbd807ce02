#include "coordinator/store/rocks_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/store/epochs_file.h"
#include "coordinator/store/log_tail.h"
#include "coordinator/store/snapshot_stream.h"
#include "coordinator/store/store_format.h"
#include "coordinator/tree/row_format.h"
#include "glog/logging.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace sillok {
namespace {

using rocksdb::ColumnFamilyHandle;

constexpr char kStateKey[] = "state";
constexpr char kLogFamily[] = "log";
constexpr const char* kRowsFamily[] = {"rows0", "rows1"};
// How long rows wait for a Persist to be written with, and how many of them.
constexpr auto kRowsDelay = std::chrono::milliseconds(50);
constexpr size_t kRowsUrgentBytes = 1024 * 1024;

rocksdb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

absl::Status FromRocks(const rocksdb::Status& status,
                       const std::string& what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = what + ": " + status.ToString();
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

// One thing given to the store. A persist, rows, a trim, or a mere flush.
struct Op {
  zab::Persist persist;
  Zxid previous;            // the log's last entry before persist.entries
  uint64_t generation = 0;  // of the tail, after persist
  CoordinatorStore::Done done;
  std::optional<TreeRows> rows;
  std::optional<Zxid> trim_to;
  size_t trim_keep = 0;
  // Not OK: it cannot be carried out, and nothing after it either.
  absl::Status invalid;
  size_t bytes = 0;
};

// Column families by name, which change when an image is installed.
using Family = std::shared_ptr<ColumnFamilyHandle>;

class RocksStore;

class RocksSnapshotReader final : public SnapshotReader {
 public:
  RocksSnapshotReader(rocksdb::DB* db, Family family,
                      const rocksdb::Snapshot* snapshot,
                      std::unique_ptr<rocksdb::Iterator> rows, Zxid zxid,
                      size_t chunk_bytes)
      : db_(db),
        family_(std::move(family)),
        snapshot_(snapshot),
        rows_(std::move(rows)),
        zxid_(zxid),
        chunk_bytes_(chunk_bytes),
        encoder_(zxid) {
    rows_->SeekToFirst();
  }
  ~RocksSnapshotReader() override {
    rows_.reset();
    db_->ReleaseSnapshot(snapshot_);
  }

  Zxid zxid() const override { return zxid_; }

  absl::StatusOr<std::optional<std::string>> Next() override {
    if (done_) return std::optional<std::string>();
    for (; rows_->Valid(); rows_->Next()) {
      if (encoder_.pending_bytes() >= chunk_bytes_) {
        return std::optional<std::string>(encoder_.TakeChunk(false));
      }
      const std::string_view key = ToView(rows_->key());
      const std::string_view value = ToView(rows_->value());
      RETURN_IF_ERROR(VerifyRow(key, value));
      encoder_.AddRow(key, value);
    }
    RETURN_IF_ERROR(FromRocks(rows_->status(), "reading a snapshot"));
    done_ = true;
    return std::optional<std::string>(encoder_.TakeChunk(true));
  }

 private:
  rocksdb::DB* const db_;
  const Family family_;
  const rocksdb::Snapshot* const snapshot_;
  std::unique_ptr<rocksdb::Iterator> rows_;
  const Zxid zxid_;
  const size_t chunk_bytes_;
  SnapshotEncoder encoder_;
  bool done_ = false;
};

// Fills the column family that is not in use, past the write-ahead log; Stage
// makes it durable by flushing its memtable.
class RocksSnapshotWriter final : public SnapshotWriter {
 public:
  RocksSnapshotWriter(rocksdb::DB* db, Family family,
                      std::function<void(Zxid)> staged)
      : db_(db), family_(std::move(family)), staged_(std::move(staged)) {}

  absl::Status Add(std::string_view chunk) override {
    RETURN_IF_ERROR(failed_);
    failed_ = AddChunk(chunk);
    return failed_;
  }
  bool complete() const override {
    return failed_.ok() && decoder_.complete();
  }
  Zxid zxid() const override { return decoder_.zxid(); }

  absl::Status Stage() override {
    if (!complete()) {
      return absl::FailedPreconditionError("the snapshot is not complete");
    }
    RETURN_IF_ERROR(FromRocks(
        db_->Flush(rocksdb::FlushOptions(), family_.get()),
        "writing a received snapshot"));
    staged_(decoder_.zxid());
    return absl::OkStatus();
  }

 private:
  absl::Status AddChunk(std::string_view chunk) {
    ASSIGN_OR_RETURN(const std::vector<SnapshotDecoder::Row> rows,
                     decoder_.Decode(chunk));
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : rows) {
      RETURN_IF_ERROR(VerifyRow(key, value));
      batch.Put(family_.get(), ToSlice(key), ToSlice(value));
    }
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    return FromRocks(db_->Write(options, &batch),
                     "writing a received snapshot");
  }

  rocksdb::DB* const db_;
  const Family family_;
  const std::function<void(Zxid)> staged_;
  SnapshotDecoder decoder_;
  absl::Status failed_;
};

class RocksStore final : public CoordinatorStore {
 public:
  explicit RocksStore(const RocksStoreOptions& options)
      : options_(options),
        db_path_(options.directory + "/db"),
        epochs_path_(options.directory + "/epochs"),
        tail_(options.cache_bytes) {}
  ~RocksStore() override;

  absl::Status Open();

  const StoredState& recovered() const override { return recovered_; }
  absl::Status ReadRows(
      const std::function<absl::Status(std::string_view, std::string_view)>&
          row) override;
  Zxid durable_applied() const override;
  void Persist(zab::Persist persist, Done done) override;
  void Apply(TreeRows rows) override;
  absl::Status Flush() override;
  void TrimLog(Zxid upto, size_t keep_entries) override;
  absl::StatusOr<std::unique_ptr<SnapshotReader>> OpenSnapshot(
      size_t chunk_bytes) override;
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> BeginInstall() override;
  void DiscardStaged() override;
  absl::Status health() const override;

  Zxid TrimmedTo() const override;
  Zxid LastZxid() const override;
  std::optional<Zxid> LastAtOrBefore(Zxid zxid) const override;
  std::vector<zab::Entry> Read(Zxid after, size_t max_bytes) const override;

 private:
  absl::Status OpenDatabase();
  absl::Status RecoverState();
  absl::Status RecoverLog();
  absl::Status IsEmpty(ColumnFamilyHandle* family, bool* empty) const;
  absl::Status EmptyFamily(int which);
  Family Own(ColumnFamilyHandle* handle);

  absl::Status Check(const zab::Persist& persist) const;
  void Enqueue(Op op, bool urgent);
  void Run();
  std::vector<Op> TakeOps();
  void Carry(std::vector<Op> ops);
  absl::Status Write(const std::vector<Op>& ops, size_t count);
  void AddToBatch(const Op& op, StoreState* state, rocksdb::WriteBatch* batch);
  bool ReadDatabase(Zxid* at, Zxid upto, size_t max_bytes, size_t* bytes,
                    std::vector<zab::Entry>* out) const;

  const RocksStoreOptions options_;
  const std::string db_path_;
  const std::string epochs_path_;
  StoredState recovered_;
  std::unique_ptr<rocksdb::DB> db_;
  Family meta_, log_;

  // What is on disk. Only the committer writes it, holding mutex_; it may read
  // it without. active_rows changes only under image_mutex_.
  StoreState state_;

  // Held while an image is installed and while one is opened, so that a reader
  // sees either. Taken before mutex_.
  mutable std::mutex image_mutex_;
  std::array<Family, 2> rows_;  // guarded by image_mutex_

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Op> queue_;
  size_t urgent_ = 0;  // of the queue: they do not wait for others
  size_t queued_rows_bytes_ = 0;
  bool stopping_ = false;
  LogTail tail_;
  Zxid given_applied_;
  std::optional<Zxid> staged_;
  absl::Status health_;

  std::thread committer_;
  bool write_failed_ = false;  // the committer's, until it is joined
};

// --- Opening ---

rocksdb::Options DatabaseOptions(const RocksStoreOptions& options) {
  rocksdb::Options db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.max_open_files = 128;
  db.max_file_opening_threads = 1;
  db.max_background_jobs = 2;
  db.keep_log_file_num = 2;
  db.max_log_file_size = 1024 * 1024;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.max_total_wal_size = 8 * options.write_buffer_bytes;
  db.db_write_buffer_size = 2 * options.write_buffer_bytes;
  // A record cut off at the very end of the write-ahead log is a write that was
  // never reported; damage anywhere else stops the start. The default mode
  // would drop whatever follows the damage, acknowledged or not.
  // No recycle_log_file_num: it allows only modes that pass over damage, and in
  // 7.8 it crashes on the first flush (MarkLogsSynced).
  db.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(const RocksStoreOptions& options) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes;
  family.arena_block_size = 64 * 1024;
  family.max_write_buffer_number = 2;
  family.target_file_size_base = 8 * 1024 * 1024;
  family.compression = rocksdb::kNoCompression;
  return family;
}

absl::Status RocksStore::Open() {
  if (::mkdir(options_.directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::InternalError("mkdir " + options_.directory + ": " +
                               std::strerror(errno));
  }
  ASSIGN_OR_RETURN(const std::optional<EpochsFile> epochs,
                   ReadEpochsFile(epochs_path_));
  struct stat info;
  const bool database_exists =
      ::stat((db_path_ + "/CURRENT").c_str(), &info) == 0;
  if (epochs && !database_exists) {
    return absl::DataLossError(
        epochs_path_ + " says that this member has promised epoch " +
        std::to_string(epochs->hard_state.accepted_epoch) + ", but " +
        db_path_ + " holds no database");
  }
  if (!database_exists && ::stat(db_path_.c_str(), &info) == 0) {
    std::vector<std::string> files;
    rocksdb::Env::Default()->GetChildren(db_path_, &files);
    const bool tables = std::any_of(
        files.begin(), files.end(), [](const std::string& name) {
          return name.size() > 4 && name.substr(name.size() - 4) == ".sst";
        });
    if (tables) {
      return absl::DataLossError(db_path_ +
                                 " has table files but no CURRENT file");
    }
  }
  RETURN_IF_ERROR(OpenDatabase());
  RETURN_IF_ERROR(RecoverState());
  if (epochs && recovered_.fresh) {
    return absl::DataLossError(epochs_path_ +
                               " says that there was a database, but " +
                               db_path_ + " is empty");
  }
  if (epochs && epochs->member != options_.member) {
    return absl::FailedPreconditionError(
        epochs_path_ + " belongs to member " +
        std::to_string(epochs->member.value()) + ", not to member " +
        std::to_string(options_.member.value()));
  }
  if (epochs &&
      (epochs->hard_state.accepted_epoch > state_.hard_state.accepted_epoch ||
       epochs->hard_state.current_epoch > state_.hard_state.current_epoch)) {
    return absl::DataLossError(
        db_path_ + " is older than " + epochs_path_ + ": epoch " +
        std::to_string(state_.hard_state.accepted_epoch) + " against " +
        std::to_string(epochs->hard_state.accepted_epoch));
  }
  RETURN_IF_ERROR(RecoverLog());
  RETURN_IF_ERROR(EmptyFamily(1 - state_.active_rows));
  if (recovered_.fresh) {
    rocksdb::WriteOptions synced;
    synced.sync = true;
    RETURN_IF_ERROR(FromRocks(
        db_->Put(synced, kStateKey, EncodeState(state_)), db_path_));
  }
  if (!epochs || epochs->hard_state != state_.hard_state) {
    RETURN_IF_ERROR(WriteEpochsFile(
        epochs_path_, {options_.member, state_.hard_state}));
  }
  committer_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

Family RocksStore::Own(ColumnFamilyHandle* handle) {
  return Family(handle, [db = db_.get()](ColumnFamilyHandle* h) {
    db->DestroyColumnFamilyHandle(h);
  });
}

absl::Status RocksStore::OpenDatabase() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options_.block_cache_bytes, 0);
  table.block_size = 16 * 1024;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions family = FamilyOptions(options_);
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::ColumnFamilyOptions rows = family;
  rows.compression = rocksdb::kLZ4Compression;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, family},
      {kLogFamily, family},
      {kRowsFamily[0], rows},
      {kRowsFamily[1], rows},
  };
  std::vector<ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  RETURN_IF_ERROR(
      FromRocks(rocksdb::DB::Open(DatabaseOptions(options_), db_path_,
                                  families, &handles, &db),
                db_path_));
  db_.reset(db);
  meta_ = Own(handles[0]);
  log_ = Own(handles[1]);
  rows_ = {Own(handles[2]), Own(handles[3])};
  return absl::OkStatus();
}

absl::Status RocksStore::IsEmpty(ColumnFamilyHandle* family,
                                 bool* empty) const {
  std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(rocksdb::ReadOptions(), family));
  it->SeekToFirst();
  *empty = !it->Valid();
  return FromRocks(it->status(), db_path_);
}

absl::Status RocksStore::RecoverState() {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), kStateKey, &value);
  if (status.IsNotFound()) {
    for (const Family& family : {log_, rows_[0], rows_[1]}) {
      bool empty = false;
      RETURN_IF_ERROR(IsEmpty(family.get(), &empty));
      if (!empty) {
        return absl::DataLossError(db_path_ + " has data but no state record");
      }
    }
    recovered_.fresh = true;
    state_.member = options_.member;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(FromRocks(status, db_path_));
  absl::StatusOr<StoreState> state = DecodeState(value);
  if (!state.ok()) {
    return absl::Status(state.status().code(),
                        db_path_ + ": " +
                            std::string(state.status().message()));
  }
  state_ = *state;
  if (state_.member != options_.member) {
    return absl::FailedPreconditionError(
        db_path_ + " belongs to member " +
        std::to_string(state_.member.value()) + ", not to member " +
        std::to_string(options_.member.value()));
  }
  return absl::OkStatus();
}

// Reads the whole log: every entry's checksum, and that none is missing.
absl::Status RocksStore::RecoverLog() {
  const auto refuse = [this](const std::string& why) {
    return absl::DataLossError(db_path_ + ": " + why);
  };
  tail_.Reset(state_.trimmed);
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read, log_.get()));
  for (it->Seek(LogKey(state_.trimmed.Next())); it->Valid(); it->Next()) {
    ASSIGN_OR_RETURN(const Zxid zxid, DecodeLogKey(ToView(it->key())));
    const absl::StatusOr<LogRecord> record =
        DecodeLogEntry(zxid, ToView(it->value()));
    if (!record.ok()) return refuse(std::string(record.status().message()));
    if (record->previous != tail_.last() ||
        !zab::IsSuccessor(tail_.last(), zxid)) {
      return refuse("the log has a gap: entry " + ToString(zxid) +
                    " follows " + ToString(record->previous) +
                    ", but the one before it here is " +
                    ToString(tail_.last()));
    }
    tail_.Recovered(zxid);
  }
  RETURN_IF_ERROR(FromRocks(it->status(), db_path_));
  const zab::HardState& hard = state_.hard_state;
  if (state_.applied < tail_.trimmed() || state_.applied > tail_.last()) {
    return refuse("the tree belongs to " + ToString(state_.applied) +
                  ", but the log reaches from " + ToString(tail_.trimmed()) +
                  " to " + ToString(tail_.last()));
  }
  if (hard.current_epoch > hard.accepted_epoch ||
      tail_.last().epoch() > hard.accepted_epoch) {
    return refuse("epochs out of order: accepted " +
                  std::to_string(hard.accepted_epoch) + ", current " +
                  std::to_string(hard.current_epoch) + ", last entry " +
                  ToString(tail_.last()));
  }
  given_applied_ = state_.applied;
  recovered_.hard_state = hard;
  recovered_.last_logged = tail_.last();
  recovered_.applied = state_.applied;
  return absl::OkStatus();
}

// Makes a family of rows that is not in use an empty one.
absl::Status RocksStore::EmptyFamily(int which) {
  std::lock_guard<std::mutex> lock(image_mutex_);
  bool empty = false;
  RETURN_IF_ERROR(IsEmpty(rows_[which].get(), &empty));
  if (empty) return absl::OkStatus();
  const rocksdb::ColumnFamilyOptions options =
      db_->GetOptions(rows_[which].get());
  RETURN_IF_ERROR(
      FromRocks(db_->DropColumnFamily(rows_[which].get()), db_path_));
  ColumnFamilyHandle* handle = nullptr;
  RETURN_IF_ERROR(FromRocks(
      db_->CreateColumnFamily(options, kRowsFamily[which], &handle),
      db_path_));
  rows_[which] = Own(handle);
  return absl::OkStatus();
}

RocksStore::~RocksStore() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (committer_.joinable()) committer_.join();
  if (!write_failed_) return;
  // After a failed write RocksDB's own assertions abort the process when the
  // database is closed. The process is about to end anyway: leave it open.
  new std::array<Family, 4>{meta_, log_, rows_[0], rows_[1]};
  db_.release();
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
      op.previous = tail_.last();
      for (const zab::Entry& entry : op.persist.entries) tail_.Append(entry);
      op.generation = tail_.generation();
    }
  }
  Enqueue(std::move(op), true);
}

void RocksStore::Apply(TreeRows rows) {
  Op op;
  op.bytes = rows.bytes;
  bool urgent = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (rows.applied > tail_.last() || rows.applied < given_applied_) {
      op.invalid = absl::FailedPreconditionError(
          "rows of " + ToString(rows.applied) + " after those of " +
          ToString(given_applied_) + " with a log up to " +
          ToString(tail_.last()));
    } else {
      given_applied_ = rows.applied;
    }
    queued_rows_bytes_ += rows.bytes;
    urgent = queued_rows_bytes_ >= kRowsUrgentBytes;
  }
  op.rows = std::move(rows);
  Enqueue(std::move(op), urgent);
}

void RocksStore::TrimLog(Zxid upto, size_t keep_entries) {
  Op op;
  op.trim_to = upto;
  op.trim_keep = keep_entries;
  Enqueue(std::move(op), false);
}

absl::Status RocksStore::Flush() {
  std::promise<absl::Status> promise;
  Op op;
  op.done = [&promise](absl::Status status) { promise.set_value(status); };
  Enqueue(std::move(op), true);
  return promise.get_future().get();
}

void RocksStore::Enqueue(Op op, bool urgent) {
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    wake = queue_.empty() || (urgent && urgent_ == 0);
    queue_.push_back(std::move(op));
    if (urgent) ++urgent_;
  }
  if (wake) wake_.notify_one();
}

absl::Status RocksStore::health() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return health_;
}

// --- The committer ---

void RocksStore::Run() {
  while (true) {
    std::vector<Op> ops = TakeOps();
    if (ops.empty()) return;
    Carry(std::move(ops));
  }
}

// Waits for something to do; nothing means stop.
std::vector<Op> RocksStore::TakeOps() {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return !queue_.empty() || stopping_; });
  if (urgent_ == 0 && !stopping_) {
    wake_.wait_for(lock, kRowsDelay,
                   [this] { return urgent_ > 0 || stopping_; });
  }
  std::vector<Op> ops;
  size_t bytes = 0;
  while (!queue_.empty() && (ops.empty() || bytes < options_.max_batch_bytes)) {
    bytes += queue_.front().bytes;
    ops.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (ops.back().rows) queued_rows_bytes_ -= ops.back().rows->bytes;
  }
  // What is left, if the batch is full, waits no longer than this write.
  urgent_ = queue_.empty() ? 0 : 1;
  return ops;
}

void RocksStore::Carry(std::vector<Op> ops) {
  absl::Status status = health();
  size_t good = 0;
  while (status.ok() && good < ops.size() && ops[good].invalid.ok()) ++good;
  if (good > 0) {
    status = Write(ops, good);
    if (!status.ok()) good = 0;
  }
  if (status.ok() && good < ops.size()) status = ops[good].invalid;
  if (!status.ok()) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (health_.ok()) {
      health_ = status;
      LOG(ERROR) << "coordinator store " << options_.directory
                 << " takes no more writes: " << status;
    }
  }
  for (size_t i = 0; i < ops.size(); ++i) {
    if (ops[i].done) ops[i].done(i < good ? absl::OkStatus() : status);
  }
}

void RocksStore::AddToBatch(const Op& op, StoreState* state,
                            rocksdb::WriteBatch* batch) {
  static const std::string kLogEnd(9, '\xff');
  if (op.persist.install_snapshot) {
    batch->DeleteRange(log_.get(), LogKey(Zxid()), kLogEnd);
    state->active_rows = 1 - state->active_rows;
    state->applied = state->trimmed = *op.persist.install_snapshot;
  }
  if (op.persist.truncate_after) {
    batch->DeleteRange(log_.get(), LogKey(op.persist.truncate_after->Next()),
                       kLogEnd);
  }
  Zxid previous = op.previous;
  for (const zab::Entry& entry : op.persist.entries) {
    const std::string_view txn =
        entry.txn == nullptr ? std::string_view() : *entry.txn;
    batch->Put(log_.get(), LogKey(entry.zxid),
               EncodeLogEntry(previous, entry.zxid, txn));
    previous = entry.zxid;
  }
  if (op.persist.hard_state) state->hard_state = *op.persist.hard_state;
  if (op.rows) {
    ColumnFamilyHandle* rows = rows_[state->active_rows].get();
    for (const TreeRow& row : op.rows->rows) {
      if (row.value) {
        batch->Put(rows, row.key, *row.value);
      } else {
        batch->Delete(rows, row.key);
      }
    }
    state->applied = op.rows->applied;
  }
  if (op.trim_to) {
    // Before the write, so that no reader takes the hole for damage.
    std::lock_guard<std::mutex> lock(mutex_);
    const std::optional<Zxid> point = tail_.TrimPoint(
        std::min(*op.trim_to, state->applied), op.trim_keep);
    if (!point || *point <= state->trimmed) return;
    tail_.TrimTo(*point);
    batch->DeleteRange(log_.get(), LogKey(Zxid()), LogKey(point->Next()));
    state->trimmed = *point;
  }
}

absl::Status RocksStore::Write(const std::vector<Op>& ops, size_t count) {
  size_t bytes = 0;
  bool install = false;
  for (size_t i = 0; i < count; ++i) {
    bytes += ops[i].bytes;
    install |= ops[i].persist.install_snapshot.has_value();
  }
  rocksdb::WriteBatch batch(bytes + bytes / 4 + 1024);
  StoreState next = state_;
  for (size_t i = 0; i < count; ++i) AddToBatch(ops[i], &next, &batch);
  batch.Put(meta_.get(), kStateKey, EncodeState(next));

  rocksdb::WriteOptions options;
  // Rows alone are synced too: an unsynced record before a synced one could
  // come back from a power cut as damage in the middle.
  options.sync = options_.sync;
  const bool hard_state_changed = !(next.hard_state == state_.hard_state);
  {
    std::unique_lock<std::mutex> image(image_mutex_, std::defer_lock);
    if (install) image.lock();
    const absl::Status written =
        FromRocks(db_->Write(options, &batch), db_path_);
    if (!written.ok()) {
      write_failed_ = true;
      return written;
    }
    std::lock_guard<std::mutex> lock(mutex_);
    state_ = next;
    for (size_t i = 0; i < count; ++i) {
      if (ops[i].persist.entries.empty()) continue;
      tail_.Written(ops[i].persist.entries.back().zxid, ops[i].generation);
    }
  }
  if (hard_state_changed) {
    RETURN_IF_ERROR(WriteEpochsFile(epochs_path_,
                                    {options_.member, next.hard_state}));
  }
  if (install) return EmptyFamily(1 - next.active_rows);
  return absl::OkStatus();
}

// --- The image ---

Zxid RocksStore::durable_applied() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return state_.applied;
}

absl::Status RocksStore::ReadRows(
    const std::function<absl::Status(std::string_view, std::string_view)>&
        row) {
  Family family;
  std::unique_ptr<rocksdb::Iterator> it;
  {
    std::scoped_lock lock(image_mutex_, mutex_);
    family = rows_[state_.active_rows];
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    read.readahead_size = 1024 * 1024;
    it.reset(db_->NewIterator(read, family.get()));
  }
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    RETURN_IF_ERROR(row(ToView(it->key()), ToView(it->value())));
  }
  return FromRocks(it->status(), db_path_);
}

absl::StatusOr<std::unique_ptr<SnapshotReader>> RocksStore::OpenSnapshot(
    size_t chunk_bytes) {
  // No install can come between the snapshot, its state record and the choice
  // of the family.
  std::lock_guard<std::mutex> image(image_mutex_);
  const rocksdb::Snapshot* snapshot = db_->GetSnapshot();
  rocksdb::ReadOptions read;
  read.snapshot = snapshot;
  std::string value;
  const rocksdb::Status got = db_->Get(read, kStateKey, &value);
  absl::StatusOr<StoreState> state =
      got.ok() ? DecodeState(value)
               : absl::StatusOr<StoreState>(FromRocks(got, db_path_));
  if (!state.ok()) {
    db_->ReleaseSnapshot(snapshot);
    return state.status();
  }
  read.fill_cache = false;
  read.readahead_size = 1024 * 1024;
  const Family& family = rows_[state->active_rows];
  std::unique_ptr<rocksdb::Iterator> rows(
      db_->NewIterator(read, family.get()));
  return std::make_unique<RocksSnapshotReader>(
      db_.get(), family, snapshot, std::move(rows), state->applied,
      chunk_bytes);
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> RocksStore::BeginInstall() {
  uint32_t inactive;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    RETURN_IF_ERROR(health_);
    staged_.reset();
    inactive = 1 - state_.active_rows;
  }
  RETURN_IF_ERROR(EmptyFamily(inactive));
  std::lock_guard<std::mutex> image(image_mutex_);
  return std::make_unique<RocksSnapshotWriter>(
      db_.get(), rows_[inactive], [this](Zxid zxid) {
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
  std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(rocksdb::ReadOptions(), log_.get()));
  it->SeekForPrev(LogKey(zxid));
  CHECK(it->status().ok()) << db_path_ << ": " << it->status().ToString();
  const Zxid trimmed = TrimmedTo();
  if (it->Valid()) {
    const absl::StatusOr<Zxid> found = DecodeLogKey(ToView(it->key()));
    CHECK(found.ok()) << db_path_ << ": " << found.status();
    if (*found > trimmed) return *found;
  }
  return zxid < trimmed ? std::nullopt : std::optional<Zxid>(trimmed);
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
    if (!ReadDatabase(&at, base, max_bytes, &bytes, &entries)) return entries;
  }
}

// Reads on from `*at`. False when no more fits or the log was trimmed meanwhile.
bool RocksStore::ReadDatabase(Zxid* at, Zxid upto, size_t max_bytes,
                              size_t* bytes,
                              std::vector<zab::Entry>* out) const {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read, log_.get()));
  for (it->Seek(LogKey(at->Next())); *at < upto; it->Next()) {
    absl::Status damage = FromRocks(it->status(), db_path_);
    if (it->Valid()) {
      const absl::StatusOr<Zxid> zxid = DecodeLogKey(ToView(it->key()));
      CHECK(zxid.ok()) << db_path_ << ": " << zxid.status();
      const absl::StatusOr<LogRecord> record =
          DecodeLogEntry(*zxid, ToView(it->value()));
      damage = record.status();
      if (record.ok() && record->previous == *at) {
        *bytes += record->txn.size();
        if (!out->empty() && *bytes > max_bytes) return false;
        out->push_back(zab::MakeEntry(*zxid, std::string(record->txn)));
        *at = *zxid;
        continue;
      }
    }
    if (*at < TrimmedTo()) return false;
    LOG(FATAL) << db_path_ << ": the log has a gap after " << *at << "; "
               << damage;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CoordinatorStore>> OpenRocksStore(
    const RocksStoreOptions& options) {
  auto store = std::make_unique<RocksStore>(options);
  RETURN_IF_ERROR(store->Open());
  return std::unique_ptr<CoordinatorStore>(std::move(store));
}

}  // namespace sillok
