#include "coordinator/store/tree_database.h"

#include <sys/stat.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/store/row_pump.h"
#include "coordinator/tree/row_format.h"
#include "rocksdb/cache.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace sillok {
namespace {

using rocksdb::ColumnFamilyHandle;

constexpr char kStateKey[] = "state";
constexpr const char* kRowsFamily[] = {"rows0", "rows1"};
// Where an earlier layout kept the log.
constexpr char kOldLogFamily[] = "log";
// Of rows on disk, before some are merged.
constexpr int kSortedRuns = 48;
// Of each file.
constexpr size_t kReadAhead = 128 * 1024;

rocksdb::Options DatabaseOptions(const TreeDatabaseOptions& options) {
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
  db.db_write_buffer_size = 2 * options.write_buffer_bytes;
  // The state record alone is in the write-ahead log.
  db.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(
    const TreeDatabaseOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes, 0);
  table.block_size = 16 * 1024;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size = options.write_buffer_bytes;
  family.arena_block_size = 64 * 1024;
  family.max_write_buffer_number = 2;
  family.target_file_size_base = 8 * 1024 * 1024;
  // Rows are read as a whole only, at start: many files do not slow that down,
  // and merging files of a size, once there are many, writes each row least
  // often again.
  family.compaction_style = rocksdb::kCompactionStyleUniversal;
  family.level0_file_num_compaction_trigger = kSortedRuns;
  family.level0_slowdown_writes_trigger = 3 * kSortedRuns;
  family.level0_stop_writes_trigger = 4 * kSortedRuns;
  family.compression = rocksdb::kNoCompression;
  return family;
}

// What is left of each row when all groups are written at once.
void AddToBatch(const std::vector<TreeRows>& groups,
                rocksdb::ColumnFamilyHandle* family,
                rocksdb::WriteBatch* batch) {
  size_t rows = 0;
  for (const TreeRows& group : groups) rows += group.rows.size();
  std::unordered_set<std::string_view> later;
  later.reserve(rows);
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    for (auto row = group->rows.rbegin(); row != group->rows.rend(); ++row) {
      if (!later.insert(row->key).second) continue;
      if (row->value) {
        batch->Put(family, row->key, *row->value);
      } else {
        batch->Delete(family, row->key);
      }
    }
  }
}

}  // namespace

absl::StatusOr<bool> TreeDatabase::Exists(const std::string& path) {
  struct stat info{};
  if (::stat((path + "/CURRENT").c_str(), &info) == 0) return true;
  if (::stat(path.c_str(), &info) != 0) return false;
  std::vector<std::string> files;
  rocksdb::Env::Default()->GetChildren(path, &files);
  const bool tables = std::any_of(
      files.begin(), files.end(), [](const std::string& name) {
        return name.size() > 4 && name.substr(name.size() - 4) == ".sst";
      });
  if (!tables) return false;
  return absl::DataLossError(path + " has table files but no CURRENT file");
}

absl::StatusOr<std::unique_ptr<TreeDatabase>> TreeDatabase::Open(
    const TreeDatabaseOptions& options) {
  std::vector<std::string> families;
  if (rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), options.path,
                                      &families)
          .ok() &&
      std::count(families.begin(), families.end(), kOldLogFamily) > 0) {
    return absl::FailedPreconditionError(
        options.path +
        " was written by an earlier version, which kept the log in it. With "
        "that version, save the tree (sillok coord snapshot FILE); then "
        "restore it to an empty folder for each member (sillok coord restore "
        "FILE --data DIR)");
  }
  std::unique_ptr<TreeDatabase> database(new TreeDatabase(options));
  RETURN_IF_ERROR(database->OpenDatabase());
  return database;
}

absl::Status TreeDatabase::OpenDatabase() {
  const rocksdb::ColumnFamilyOptions family = FamilyOptions(options_);
  rocksdb::ColumnFamilyOptions rows = family;
  rows.compression = rocksdb::kLZ4Compression;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, family},
      {kRowsFamily[0], rows},
      {kRowsFamily[1], rows},
  };
  std::vector<ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  RETURN_IF_ERROR(
      FromRocks(rocksdb::DB::Open(DatabaseOptions(options_), options_.path,
                                  families, &handles, &db),
                options_.path));
  db_.reset(db);
  meta_ = Own(handles[0]);
  rows_ = {Own(handles[1]), Own(handles[2])};
  return absl::OkStatus();
}

TreeDatabase::~TreeDatabase() {
  if (!write_failed_) return;
  new std::array<RocksFamily, 3>{meta_, rows_[0], rows_[1]};
  db_.release();
}

RocksFamily TreeDatabase::Own(ColumnFamilyHandle* handle) {
  return RocksFamily(handle, [db = db_.get()](ColumnFamilyHandle* h) {
    db->DestroyColumnFamilyHandle(h);
  });
}

// --- What it says of itself ---

absl::StatusOr<std::optional<StoreState>> TreeDatabase::ReadState() const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), kStateKey, &value);
  if (status.IsNotFound()) return std::nullopt;
  RETURN_IF_ERROR(FromRocks(status, options_.path));
  const absl::StatusOr<StoreState> state = DecodeState(value);
  if (!state.ok()) {
    return absl::Status(
        state.status().code(),
        options_.path + ": " + std::string(state.status().message()));
  }
  return *state;
}

absl::Status TreeDatabase::WriteState(const StoreState& state) {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return FromRocks(db_->Put(synced, kStateKey, EncodeState(state)),
                   options_.path);
}

absl::StatusOr<bool> TreeDatabase::IsEmpty(const RocksFamily& family) const {
  std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(rocksdb::ReadOptions(), family.get()));
  it->SeekToFirst();
  RETURN_IF_ERROR(FromRocks(it->status(), options_.path));
  return !it->Valid();
}

absl::StatusOr<bool> TreeDatabase::HasRows() const {
  for (const RocksFamily& family : rows_) {
    ASSIGN_OR_RETURN(const bool empty, IsEmpty(family));
    if (!empty) return true;
  }
  return false;
}

// --- The image in use ---

absl::StatusOr<Zxid> TreeDatabase::ReadApplied(
    const rocksdb::ReadOptions& read, const RocksFamily& family) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(read, family.get(), MetaKey(), &value);
  if (status.IsNotFound()) {
    ASSIGN_OR_RETURN(const bool empty, IsEmpty(family));
    if (empty) return Zxid();
    return absl::DataLossError(options_.path +
                               " has rows of the tree but not their meta row");
  }
  RETURN_IF_ERROR(FromRocks(status, options_.path));
  const absl::StatusOr<MetaFields> meta = DecodeMeta(value);
  if (!meta.ok()) {
    return absl::DataLossError(options_.path + ": " +
                               std::string(meta.status().message()));
  }
  return Zxid(meta->applied);
}

absl::Status TreeDatabase::Use(uint32_t rows) {
  std::lock_guard<std::mutex> writing(write_mutex_);
  return UseLocked(rows);
}

absl::Status TreeDatabase::UseLocked(uint32_t rows) {
  std::lock_guard<std::mutex> lock(image_mutex_);
  ASSIGN_OR_RETURN(applied_,
                   ReadApplied(rocksdb::ReadOptions(), rows_[rows]));
  active_ = rows;
  return EmptyFamily(1 - rows);
}

absl::Status TreeDatabase::Install(Zxid zxid) {
  std::lock_guard<std::mutex> writing(write_mutex_);
  RETURN_IF_ERROR(UseLocked(1 - active_));
  if (applied_ == zxid) return absl::OkStatus();
  return absl::InternalError("the installed image belongs to " +
                             ToString(applied_) + ", not to " +
                             ToString(zxid));
}

// Makes a family of rows that is not in use an empty one.
absl::Status TreeDatabase::EmptyFamily(uint32_t which) {
  ASSIGN_OR_RETURN(const bool empty, IsEmpty(rows_[which]));
  if (empty) return absl::OkStatus();
  const rocksdb::ColumnFamilyOptions options =
      db_->GetOptions(rows_[which].get());
  RETURN_IF_ERROR(
      FromRocks(db_->DropColumnFamily(rows_[which].get()), options_.path));
  ColumnFamilyHandle* handle = nullptr;
  RETURN_IF_ERROR(FromRocks(
      db_->CreateColumnFamily(options, kRowsFamily[which], &handle),
      options_.path));
  rows_[which] = Own(handle);
  return absl::OkStatus();
}

Zxid TreeDatabase::applied() const {
  std::lock_guard<std::mutex> lock(image_mutex_);
  return applied_;
}

absl::Status TreeDatabase::Write(const std::vector<TreeRows>& groups) {
  if (groups.empty()) return absl::OkStatus();
  std::lock_guard<std::mutex> writing(write_mutex_);
  RocksFamily family;
  {
    std::lock_guard<std::mutex> lock(image_mutex_);
    family = rows_[active_];
  }
  size_t bytes = 0;
  for (const TreeRows& group : groups) bytes += group.bytes;
  rocksdb::WriteBatch batch(bytes + bytes / 4 + 1024);
  AddToBatch(groups, family.get(), &batch);
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status status = db_->Write(options, &batch);
  write_failed_ |= !status.ok();
  RETURN_IF_ERROR(FromRocks(status, options_.path));
  std::lock_guard<std::mutex> lock(image_mutex_);
  applied_ = groups.back().applied;
  return absl::OkStatus();
}

absl::StatusOr<Zxid> TreeDatabase::Flush() {
  std::lock_guard<std::mutex> writing(write_mutex_);
  RocksFamily family;
  Zxid applied;
  {
    std::lock_guard<std::mutex> lock(image_mutex_);
    family = rows_[active_];
    applied = applied_;
  }
  const rocksdb::Status status =
      db_->Flush(rocksdb::FlushOptions(), family.get());
  write_failed_ |= !status.ok();
  RETURN_IF_ERROR(FromRocks(status, options_.path));
  return applied;
}

// --- Images ---

absl::Status TreeDatabase::ReadRows(
    const std::function<absl::Status(std::string_view, std::string_view)>&
        row) {
  RocksFamily family;
  std::unique_ptr<rocksdb::Iterator> it;
  {
    std::lock_guard<std::mutex> lock(image_mutex_);
    family = rows_[active_];
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    read.readahead_size = kReadAhead;
    it.reset(db_->NewIterator(read, family.get()));
  }
  return PumpRows(it.get(), options_.path, row);
}

absl::StatusOr<std::unique_ptr<SnapshotReader>> TreeDatabase::OpenSnapshot(
    size_t chunk_bytes) {
  std::lock_guard<std::mutex> lock(image_mutex_);
  const rocksdb::Snapshot* snapshot = db_->GetSnapshot();
  rocksdb::ReadOptions read;
  read.snapshot = snapshot;
  const absl::StatusOr<Zxid> applied = ReadApplied(read, rows_[active_]);
  if (!applied.ok()) {
    db_->ReleaseSnapshot(snapshot);
    return applied.status();
  }
  return NewRocksSnapshotReader(db_.get(), rows_[active_], snapshot, *applied,
                                chunk_bytes);
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> TreeDatabase::BeginInstall(
    std::function<void(Zxid)> staged) {
  std::lock_guard<std::mutex> lock(image_mutex_);
  RETURN_IF_ERROR(EmptyFamily(1 - active_));
  return NewRocksSnapshotWriter(db_.get(), rows_[1 - active_],
                                std::move(staged));
}

}  // namespace sillok
