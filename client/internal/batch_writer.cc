#include "client/internal/batch_writer.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "glog/logging.h"
#include "proto/record/compression.h"
#include "proto/record/crc.h"
#include "proto/record/record_batch.h"
#include "proto/record/varint.h"

namespace sillok::client {
namespace {

char* PutVarint(char* p, int64_t value) {
  uint64_t rest = record::ZigZag(value);
  while (rest >= 0x80) {
    *p++ = static_cast<char>(rest | 0x80);
    rest >>= 7;
  }
  *p++ = static_cast<char>(rest);
  return p;
}

char* PutBytes(char* p, std::string_view bytes) {
  p = PutVarint(p, static_cast<int64_t>(bytes.size()));
  if (!bytes.empty()) std::memcpy(p, bytes.data(), bytes.size());
  return p + bytes.size();
}

char* PutNullable(char* p, const std::optional<std::string_view>& bytes) {
  return bytes ? PutBytes(p, *bytes) : PutVarint(p, -1);
}

size_t NullableSize(const std::optional<std::string_view>& bytes) {
  if (!bytes) return 1;
  return record::VarintSize(static_cast<int64_t>(bytes->size())) +
         bytes->size();
}

// The part of a record after its length.
size_t BodySize(const ProducerRecord& record, int64_t timestamp_delta,
                int32_t offset_delta) {
  size_t size = 1 + record::VarintSize(timestamp_delta) +
                record::VarintSize(offset_delta) + NullableSize(record.key) +
                NullableSize(record.value) +
                record::VarintSize(static_cast<int64_t>(record.headers.size()));
  for (const RecordHeaderView& header : record.headers) {
    size += NullableSize(header.key) + NullableSize(header.value);
  }
  return size;
}

}  // namespace

BatchWriter::BatchWriter(size_t capacity)
    : BatchWriter(std::unique_ptr<char[]>(new char[capacity]), capacity) {}

BatchWriter::BatchWriter(std::unique_ptr<char[]> memory, size_t capacity)
    : memory_(std::move(memory)),
      capacity_(capacity),
      size_(record::kBatchHeaderBytes) {}

size_t BatchWriter::SizeBound(const ProducerRecord& record) {
  // Length, attributes, both deltas, and the three counts at their longest.
  size_t bound = 5 + 1 + 10 + 5 + 5 + 5 + 5;
  if (record.key) bound += record.key->size();
  if (record.value) bound += record.value->size();
  for (const RecordHeaderView& header : record.headers) {
    bound += 10 + header.key.size() + (header.value ? header.value->size() : 0);
  }
  return bound;
}

void BatchWriter::Append(const ProducerRecord& record, int64_t timestamp_ms,
                         size_t bound) {
  if (size_ + bound > capacity_) Grow(size_ + bound);
  if (count_ == 0) base_timestamp_ = timestamp_ms;
  max_timestamp_ = std::max(max_timestamp_, timestamp_ms);
  int64_t delta = timestamp_ms - base_timestamp_;
  char* p = memory_.get() + size_;
  p = PutVarint(p, static_cast<int64_t>(BodySize(record, delta, count_)));
  *p++ = 0;  // attributes
  p = PutVarint(p, delta);
  p = PutVarint(p, count_);
  p = PutNullable(p, record.key);
  p = PutNullable(p, record.value);
  p = PutVarint(p, static_cast<int64_t>(record.headers.size()));
  for (const RecordHeaderView& header : record.headers) {
    p = PutBytes(p, header.key);
    p = PutNullable(p, header.value);
  }
  size_ = static_cast<size_t>(p - memory_.get());
  ++count_;
}

void BatchWriter::Grow(size_t needed) {
  size_t capacity = std::max(needed, capacity_ * 2);
  std::unique_ptr<char[]> memory(new char[capacity]);
  std::memcpy(memory.get(), memory_.get(), size_);
  memory_ = std::move(memory);
  capacity_ = capacity;
}

std::vector<BatchWriter> BatchWriter::Split(size_t size) const {
  std::vector<BatchWriter> parts;
  record::BatchHeader header;
  header.base_timestamp = base_timestamp_;
  const char* p = memory_.get() + record::kBatchHeaderBytes;
  const char* const end = memory_.get() + size_;
  record::RecordView view;
  while (p != nullptr && p < end) {
    p = record::ParseRecord(p, end, header, &view);
    CHECK(p != nullptr) << "a record that this writer wrote";
    ProducerRecord record;
    record.key = view.key;
    record.value = view.value;
    for (const record::RecordHeader& h : view.headers()) {
      record.headers.push_back({h.key, h.value});
    }
    const size_t bound = SizeBound(record);
    if (parts.empty() || parts.back().size() + bound > size) {
      // A bound is more than what the record takes: room for the last one.
      constexpr size_t kSlack = 128;
      parts.emplace_back(std::max(std::min(size, size_) + kSlack,
                                  bound + record::kBatchHeaderBytes));
    }
    parts.back().Append(record, view.timestamp_ms, bound);
  }
  return parts;
}

absl::Status BatchWriter::Finish(record::Codec codec, int level,
                                 const BatchStamp& stamp) {
  char* out = memory_.get();
  out_size_ = size_;
  if (codec != record::Codec::kNone) {
    ASSIGN_OR_RETURN(
        std::string records,
        record::Compress(
            codec, std::string_view(memory_.get() + record::kBatchHeaderBytes,
                                    size_ - record::kBatchHeaderBytes),
            level));
    compressed_.assign(record::kBatchHeaderBytes, '\0');
    compressed_ += records;
    out = compressed_.data();
    out_size_ = compressed_.size();
  }
  record::BatchHeader header;
  header.batch_length =
      static_cast<int32_t>(out_size_ - record::kBatchOverheadBytes);
  header.attributes = static_cast<int16_t>(codec);
  header.last_offset_delta = count_ - 1;
  header.base_timestamp = base_timestamp_;
  header.max_timestamp = max_timestamp_;
  header.records_count = count_;
  header.producer_id = stamp.producer_id;
  header.producer_epoch = stamp.producer_epoch;
  header.base_sequence = stamp.base_sequence;
  record::EncodeBatchHeader(header, out);
  header.crc = record::BatchCrc(std::string_view(out, out_size_));
  record::EncodeBatchHeader(header, out);
  out_data_ = out;
  return absl::OkStatus();
}

}  // namespace sillok::client
