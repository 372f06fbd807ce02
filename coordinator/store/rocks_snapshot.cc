#include "coordinator/store/rocks_snapshot.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "coordinator/store/snapshot_stream.h"
#include "coordinator/tree/row_format.h"
#include "rocksdb/write_batch.h"

namespace sillok {
namespace {

class RocksSnapshotReader final : public SnapshotReader {
 public:
  RocksSnapshotReader(rocksdb::DB* db, RocksFamily family,
                      const rocksdb::Snapshot* snapshot, Zxid zxid,
                      size_t chunk_bytes)
      : db_(db),
        family_(std::move(family)),
        snapshot_(snapshot),
        zxid_(zxid),
        chunk_bytes_(chunk_bytes),
        encoder_(zxid) {
    rocksdb::ReadOptions read;
    read.snapshot = snapshot;
    read.fill_cache = false;
    read.readahead_size = 256 * 1024;
    rows_.reset(db_->NewIterator(read, family_.get()));
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
  const RocksFamily family_;
  const rocksdb::Snapshot* const snapshot_;
  std::unique_ptr<rocksdb::Iterator> rows_;
  const Zxid zxid_;
  const size_t chunk_bytes_;
  SnapshotEncoder encoder_;
  bool done_ = false;
};

class RocksSnapshotWriter final : public SnapshotWriter {
 public:
  RocksSnapshotWriter(rocksdb::DB* db, RocksFamily family,
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
  std::string_view ensemble_row() const override { return ensemble_row_; }

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
      if (key == EnsembleKey()) ensemble_row_ = value;
      batch.Put(family_.get(), ToSlice(key), ToSlice(value));
    }
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    return FromRocks(db_->Write(options, &batch),
                     "writing a received snapshot");
  }

  rocksdb::DB* const db_;
  const RocksFamily family_;
  const std::function<void(Zxid)> staged_;
  SnapshotDecoder decoder_;
  std::string ensemble_row_;
  absl::Status failed_;
};

}  // namespace

absl::Status FromRocks(const rocksdb::Status& status,
                       const std::string& what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = what + ": " + status.ToString();
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

std::unique_ptr<SnapshotReader> NewRocksSnapshotReader(
    rocksdb::DB* db, RocksFamily family, const rocksdb::Snapshot* snapshot,
    Zxid zxid, size_t chunk_bytes) {
  return std::make_unique<RocksSnapshotReader>(db, std::move(family),
                                               snapshot, zxid, chunk_bytes);
}

std::unique_ptr<SnapshotWriter> NewRocksSnapshotWriter(
    rocksdb::DB* db, RocksFamily family, std::function<void(Zxid)> staged) {
  return std::make_unique<RocksSnapshotWriter>(db, std::move(family),
                                               std::move(staged));
}

}  // namespace sillok
