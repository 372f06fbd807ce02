#include "client/internal/fetched_chunk.h"

#include <algorithm>

#include "base/error.h"

namespace sillok::client {
namespace {

// The size of the whole batch `bytes` starts with; 0 when it is cut short.
size_t WholeBatch(std::string_view bytes, record::BatchHeader* header,
                  absl::Status* status) {
  if (bytes.size() < record::kBatchHeaderBytes) return 0;
  *header = record::ParseBatchHeader(bytes.data());
  *status = record::CheckBatchHeader(*header);
  if (!status->ok()) return 0;
  auto size = static_cast<uint64_t>(header->size_bytes());
  return size > bytes.size() ? 0 : static_cast<size_t>(size);
}

}  // namespace

std::shared_ptr<FetchedChunk> MakeChunk(const TopicPartition& id,
                                        uint64_t version, Bytes bytes,
                                        absl::Status* status) {
  *status = absl::OkStatus();
  auto chunk = std::make_shared<FetchedChunk>();
  chunk->id = id;
  chunk->version = version;
  chunk->owner = std::move(bytes);
  std::string_view all = chunk->owner.Flat(&chunk->flat);
  size_t size = 0;
  record::BatchHeader header;
  while (size_t next = WholeBatch(all.substr(size), &header, status)) {
    size += next;
    chunk->next_offset = header.next_offset().value();
    chunk->last_epoch = header.partition_leader_epoch;
  }
  if (size == 0) return nullptr;
  // Damage behind good batches shows at the next fetch.
  *status = absl::OkStatus();
  chunk->batches = all.substr(0, size);
  return chunk;
}

ChunkReader::ChunkReader(std::shared_ptr<const FetchedChunk> chunk,
                         int64_t from, Options options)
    : chunk_(std::move(chunk)),
      options_(options),
      rest_(chunk_->batches),
      position_(from) {}

bool ChunkReader::IsAborted(const record::BatchHeader& header,
                            std::string_view batch) {
  if (!options_.read_committed || !header.has_producer_id()) return false;
  while (next_aborted_ < chunk_->aborted.size() &&
         chunk_->aborted[next_aborted_].second <=
             header.last_offset().value()) {
    aborted_producers_.insert(chunk_->aborted[next_aborted_++].first);
  }
  if (header.is_control()) {
    auto reader = record::BatchReader::Open(batch, /*check_crc=*/false);
    record::RecordView view;
    if (reader.ok() && reader->Next(&view)) {
      auto marker = record::ParseControlRecord(view);
      if (marker && marker->type == record::ControlType::kAbort) {
        aborted_producers_.erase(header.producer_id);
      }
    }
    return false;
  }
  return header.is_transactional() &&
         aborted_producers_.count(header.producer_id) != 0;
}

bool ChunkReader::OpenBatch(absl::Status* status) {
  record::BatchHeader header;
  absl::Status ignored;
  while (size_t size = WholeBatch(rest_, &header, &ignored)) {
    std::string_view batch = rest_.substr(0, size);
    rest_.remove_prefix(size);
    bool aborted = IsAborted(header, batch);
    if (header.next_offset().value() <= position_) continue;
    leader_epoch_ = header.partition_leader_epoch;
    if (aborted || header.is_control() || header.records_count == 0) {
      position_ = header.next_offset().value();
      continue;
    }
    auto opened = record::BatchReader::Open(batch, options_.check_crcs);
    if (!opened.ok()) {
      *status = ErrorStatus(
          ErrorCodeOf(opened.status()),
          chunk_->id.ToString() + " offset " +
              std::to_string(header.base_offset) + ": " +
              std::string(opened.status().message()));
      return false;
    }
    reader_ = std::make_shared<record::BatchReader>(std::move(*opened));
    return true;
  }
  position_ = std::max(position_, chunk_->next_offset);
  done_ = true;
  return false;
}

absl::Status ChunkReader::Read(size_t limit, ConsumerRecords* out) {
  std::vector<ConsumerRecord>* records = out->mutable_records();
  size_t end = records->size() + limit;
  bool owned = false;
  absl::Status status;
  while (records->size() < end) {
    if (reader_ == nullptr && !OpenBatch(&status)) return status;
    if (!owned) out->Add(chunk_);
    owned = true;
    // A decompressed batch lives in its reader.
    if (reader_->header().codec() != record::Codec::kNone) out->Add(reader_);
    record::RecordView view;
    bool more = true;
    while (records->size() < end && (more = reader_->Next(&view))) {
      int64_t offset = view.offset.value();
      if (offset < position_) continue;
      position_ = offset + 1;
      ConsumerRecord& record = records->emplace_back();
      record.topic = chunk_->id.topic;
      record.partition = chunk_->id.partition;
      record.leader_epoch = leader_epoch_;
      record.offset = offset;
      record.timestamp_ms = view.timestamp_ms;
      record.key = view.key;
      record.value = view.value;
      record.header_count = view.header_count;
      record.raw_headers = view.header_bytes;
    }
    if (more) continue;
    if (!reader_->status().ok()) {
      return ErrorStatus(ErrorCode::CORRUPT_MESSAGE,
                         chunk_->id.ToString() + " offset " +
                             std::to_string(position_) + ": " +
                             std::string(reader_->status().message()));
    }
    // Compaction leaves holes at the end of a batch too.
    position_ = std::max(position_, reader_->header().next_offset().value());
    reader_.reset();
  }
  if (reader_ == nullptr && rest_.empty()) {
    position_ = std::max(position_, chunk_->next_offset);
    done_ = true;
  }
  return absl::OkStatus();
}

}  // namespace sillok::client
