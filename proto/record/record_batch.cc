#include "proto/record/record_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "proto/record/crc.h"
#include "proto/record/varint.h"

namespace sillok::record {
namespace {

// Where the fields of the header are (docs/format/record-batch.md).
constexpr size_t kBaseOffsetAt = 0;
constexpr size_t kLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kAttributesAt = 21;
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kBaseTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kProducerIdAt = 43;
constexpr size_t kProducerEpochAt = 51;
constexpr size_t kBaseSequenceAt = 53;
constexpr size_t kRecordsCountAt = 57;
static_assert(kRecordsCountAt + 4 == kBatchHeaderBytes);
static_assert(kAttributesAt == kBatchCrcStart);

template <typename T>
T Load(const char* at) {
  static_assert(std::endian::native == std::endian::little);
  if constexpr (sizeof(T) == 1) {
    return static_cast<T>(*at);
  } else if constexpr (sizeof(T) == 2) {
    uint16_t raw;
    std::memcpy(&raw, at, 2);
    return static_cast<T>(__builtin_bswap16(raw));
  } else if constexpr (sizeof(T) == 4) {
    uint32_t raw;
    std::memcpy(&raw, at, 4);
    return static_cast<T>(__builtin_bswap32(raw));
  } else {
    uint64_t raw;
    std::memcpy(&raw, at, 8);
    return static_cast<T>(__builtin_bswap64(raw));
  }
}

template <typename T>
void Store(char* at, T value) {
  if constexpr (sizeof(T) == 1) {
    *at = static_cast<char>(value);
  } else if constexpr (sizeof(T) == 2) {
    const uint16_t raw = __builtin_bswap16(static_cast<uint16_t>(value));
    std::memcpy(at, &raw, 2);
  } else if constexpr (sizeof(T) == 4) {
    const uint32_t raw = __builtin_bswap32(static_cast<uint32_t>(value));
    std::memcpy(at, &raw, 4);
  } else {
    const uint64_t raw = __builtin_bswap64(static_cast<uint64_t>(value));
    std::memcpy(at, &raw, 8);
  }
}

// Timestamps come from outside: sums may wrap, which is defined unsigned.
int64_t WrappingAdd(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) +
                              static_cast<uint64_t>(b));
}
int64_t WrappingSub(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) -
                              static_cast<uint64_t>(b));
}

absl::Status Corrupt(std::string what) {
  return ErrorStatus(ErrorCode::CORRUPT_MESSAGE, what);
}

// Reads a length and what it counts; -1 is null. Null result: damaged.
const char* ReadNullable(const char* p, const char* end,
                         std::optional<std::string_view>* out) {
  int32_t size = 0;
  p = ReadVarint32(p, end, &size);
  if (p == nullptr || size < -1 || size > end - p) return nullptr;
  if (size < 0) {
    *out = std::nullopt;
    return p;
  }
  *out = std::string_view(p, static_cast<size_t>(size));
  return p + size;
}

void PutNullable(std::string* out, std::optional<std::string_view> data) {
  if (!data.has_value()) {
    PutVarint(out, -1);
    return;
  }
  PutVarint(out, static_cast<int64_t>(data->size()));
  out->append(*data);
}

}  // namespace

int32_t BatchHeader::last_sequence() const {
  if (base_sequence < 0) return -1;
  return static_cast<int32_t>(
      (int64_t{base_sequence} + last_offset_delta) & 0x7fffffff);
}

BatchHeader ParseBatchHeader(const char* bytes) {
  BatchHeader header;
  header.base_offset = Load<int64_t>(bytes + kBaseOffsetAt);
  header.batch_length = Load<int32_t>(bytes + kLengthAt);
  header.partition_leader_epoch = Load<int32_t>(bytes + kLeaderEpochAt);
  header.magic = Load<int8_t>(bytes + kMagicAt);
  header.crc = Load<uint32_t>(bytes + kCrcAt);
  header.attributes = Load<int16_t>(bytes + kAttributesAt);
  header.last_offset_delta = Load<int32_t>(bytes + kLastOffsetDeltaAt);
  header.base_timestamp = Load<int64_t>(bytes + kBaseTimestampAt);
  header.max_timestamp = Load<int64_t>(bytes + kMaxTimestampAt);
  header.producer_id = Load<int64_t>(bytes + kProducerIdAt);
  header.producer_epoch = Load<int16_t>(bytes + kProducerEpochAt);
  header.base_sequence = Load<int32_t>(bytes + kBaseSequenceAt);
  header.records_count = Load<int32_t>(bytes + kRecordsCountAt);
  return header;
}

void EncodeBatchHeader(const BatchHeader& header, char* out) {
  Store(out + kBaseOffsetAt, header.base_offset);
  Store(out + kLengthAt, header.batch_length);
  Store(out + kLeaderEpochAt, header.partition_leader_epoch);
  Store(out + kMagicAt, header.magic);
  Store(out + kCrcAt, header.crc);
  Store(out + kAttributesAt, header.attributes);
  Store(out + kLastOffsetDeltaAt, header.last_offset_delta);
  Store(out + kBaseTimestampAt, header.base_timestamp);
  Store(out + kMaxTimestampAt, header.max_timestamp);
  Store(out + kProducerIdAt, header.producer_id);
  Store(out + kProducerEpochAt, header.producer_epoch);
  Store(out + kBaseSequenceAt, header.base_sequence);
  Store(out + kRecordsCountAt, header.records_count);
}

absl::Status CheckBatchHeader(const BatchHeader& header) {
  constexpr int32_t kLeastLength = kBatchHeaderBytes - kBatchOverheadBytes;
  if (header.magic == 0 || header.magic == 1) {
    return ErrorStatus(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
                       fmt::format("record format (magic) {}: only 2 is kept",
                                   header.magic));
  }
  if (header.magic != kMagicV2) {
    return Corrupt(fmt::format("invalid magic {} in a batch", header.magic));
  }
  if (header.batch_length < kLeastLength) {
    return Corrupt(fmt::format("batch length {} is less than a header's {}",
                               header.batch_length, kLeastLength));
  }
  if (header.last_offset_delta < 0 || header.records_count < 0) {
    return Corrupt(fmt::format("batch with last offset delta {} and {} records",
                               header.last_offset_delta,
                               header.records_count));
  }
  return absl::OkStatus();
}

uint32_t BatchCrc(std::string_view batch) {
  return Crc32c(batch.substr(kBatchCrcStart));
}
uint32_t BatchCrc(const Bytes& batch) { return Crc32c(batch, kBatchCrcStart); }

bool BatchWalker::Next() {
  if (!status_.ok() || bytes_.size() - next_ < kBatchHeaderBytes) return false;
  char head[kBatchHeaderBytes];
  bytes_.CopyTo(next_, kBatchHeaderBytes, head);
  const BatchHeader header = ParseBatchHeader(head);
  status_ = CheckBatchHeader(header);
  if (!status_.ok()) return false;
  if (static_cast<uint64_t>(header.size_bytes()) > bytes_.size() - next_) {
    return false;
  }
  header_ = header;
  position_ = next_;
  next_ += static_cast<size_t>(header.size_bytes());
  return true;
}

Bytes BatchWalker::batch() const {
  return bytes_.Sub(position_, next_ - position_);
}

std::vector<RecordHeader> RecordView::headers() const {
  std::vector<RecordHeader> headers;
  headers.reserve(static_cast<size_t>(header_count));
  const char* p = header_bytes.data();
  const char* const end = p + header_bytes.size();
  for (int32_t i = 0; i < header_count; ++i) {
    RecordHeader header;
    std::optional<std::string_view> key;
    p = ReadNullable(p, end, &key);
    if (p == nullptr || !key.has_value()) break;  // cannot be: checked before
    header.key = *key;
    p = ReadNullable(p, end, &header.value);
    if (p == nullptr) break;
    headers.push_back(header);
  }
  return headers;
}

const char* ParseRecord(const char* p, const char* end,
                        const BatchHeader& header, RecordView* record) {
  int32_t length = 0;
  p = ReadVarint32(p, end, &length);
  if (p == nullptr || length < 1 || length > end - p) return nullptr;
  end = p + length;
  ++p;  // attributes: all unused
  int64_t timestamp_delta = 0;
  int32_t offset_delta = 0;
  p = ReadVarint64(p, end, &timestamp_delta);
  if (p == nullptr) return nullptr;
  p = ReadVarint32(p, end, &offset_delta);
  if (p == nullptr) return nullptr;
  record->offset = Offset(WrappingAdd(header.base_offset, offset_delta));
  record->timestamp_ms =
      header.timestamp_type() == TimestampType::kLogAppendTime
          ? header.max_timestamp
          : WrappingAdd(header.base_timestamp, timestamp_delta);
  p = ReadNullable(p, end, &record->key);
  if (p == nullptr) return nullptr;
  p = ReadNullable(p, end, &record->value);
  if (p == nullptr) return nullptr;
  p = ReadVarint32(p, end, &record->header_count);
  if (p == nullptr || record->header_count < 0) return nullptr;
  record->header_bytes =
      std::string_view(p, static_cast<size_t>(end - p));
  for (int32_t i = 0; i < record->header_count; ++i) {
    std::optional<std::string_view> part;
    p = ReadNullable(p, end, &part);
    if (p == nullptr || !part.has_value()) return nullptr;
    p = ReadNullable(p, end, &part);
    if (p == nullptr) return nullptr;
  }
  return p == end ? p : nullptr;
}

absl::StatusOr<BatchReader> BatchReader::Open(std::string_view batch,
                                              bool check_crc,
                                              const DecompressLimits& limits) {
  if (batch.size() < kBatchHeaderBytes) {
    return Corrupt(fmt::format("{} bytes are no batch", batch.size()));
  }
  BatchReader reader;
  reader.header_ = ParseBatchHeader(batch.data());
  const BatchHeader& header = reader.header_;
  if (absl::Status status = CheckBatchHeader(header); !status.ok()) {
    return status;
  }
  if (static_cast<uint64_t>(header.size_bytes()) > batch.size()) {
    return Corrupt(fmt::format("batch of {} bytes is cut short to {}",
                               header.size_bytes(), batch.size()));
  }
  batch = batch.substr(0, static_cast<size_t>(header.size_bytes()));
  if (check_crc && BatchCrc(batch) != header.crc) {
    return Corrupt(fmt::format("CRC of the batch at offset {} is wrong",
                               header.base_offset));
  }
  std::string_view records = batch.substr(kBatchHeaderBytes);
  if (header.codec() != Codec::kNone && !records.empty()) {
    Bytes input;
    input.Append({records.data(), records.size(), nullptr});
    absl::StatusOr<std::string> plain =
        Decompress(header.codec(), input, limits);
    if (!plain.ok()) return plain.status();
    reader.decompressed_ =
        std::make_unique<std::string>(*std::move(plain));
    records = *reader.decompressed_;
  }
  reader.next_ = records.data();
  reader.end_ = records.data() + records.size();
  return reader;
}

bool BatchReader::Next(RecordView* record) {
  if (!status_.ok()) return false;
  if (read_ == header_.records_count) {
    if (next_ != end_) status_ = Corrupt("bytes follow the last record");
    return false;
  }
  const char* const next = ParseRecord(next_, end_, header_, record);
  if (next == nullptr) {
    status_ = Corrupt(fmt::format("record {} of {} at offset {} is damaged",
                                  read_, header_.records_count,
                                  header_.base_offset));
    return false;
  }
  next_ = next;
  ++read_;
  return true;
}

BatchBuilder::BatchBuilder(const BatchOptions& options) { Reset(options); }

void BatchBuilder::Reset(const BatchOptions& options) {
  options_ = options;
  buffer_.assign(kBatchHeaderBytes, '\0');
  count_ = 0;
  last_offset_delta_ = -1;
  base_timestamp_ = kNoTimestamp;
  max_timestamp_ = kNoTimestamp;
}

void BatchBuilder::Append(int64_t timestamp_ms,
                          std::optional<std::string_view> key,
                          std::optional<std::string_view> value,
                          const std::vector<RecordHeader>& headers) {
  AppendAt(last_offset_delta_ + 1, timestamp_ms, key, value, headers);
}

void BatchBuilder::AppendAt(int32_t offset_delta, int64_t timestamp_ms,
                            std::optional<std::string_view> key,
                            std::optional<std::string_view> value,
                            const std::vector<RecordHeader>& headers) {
  if (count_ == 0) {
    base_timestamp_ = options_.delete_horizon_ms.value_or(timestamp_ms);
    max_timestamp_ = timestamp_ms;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp_ms);
  record_.clear();
  record_.push_back('\0');  // attributes
  PutVarint(&record_, WrappingSub(timestamp_ms, base_timestamp_));
  PutVarint(&record_, offset_delta);
  PutNullable(&record_, key);
  // The value goes straight to the buffer, so its bytes are copied once.
  std::string head = std::move(record_);
  std::string tail;
  PutVarint(&tail, static_cast<int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    PutNullable(&tail, header.key);
    PutNullable(&tail, header.value);
  }
  const int64_t value_size =
      value.has_value() ? static_cast<int64_t>(value->size()) : 0;
  const int64_t value_length = value.has_value() ? value_size : -1;
  PutVarint(&buffer_, static_cast<int64_t>(head.size() + tail.size()) +
                          value_size +
                          static_cast<int64_t>(VarintSize(value_length)));
  buffer_ += head;
  PutNullable(&buffer_, value);
  buffer_ += tail;
  record_ = std::move(head);
  ++count_;
  last_offset_delta_ = offset_delta;
}

size_t BatchBuilder::RecordSizeBound(std::optional<std::string_view> key,
                                     std::optional<std::string_view> value,
                                     const std::vector<RecordHeader>& headers) {
  // Length, attributes, timestamp, offset, key size, value size, header count.
  size_t size = 5 + 1 + 10 + 5 + 5 + 5 + 5;
  if (key.has_value()) size += key->size();
  if (value.has_value()) size += value->size();
  for (const RecordHeader& header : headers) {
    size += 10 + header.key.size();
    if (header.value.has_value()) size += header.value->size();
  }
  return size;
}

void BatchBuilder::SetProducer(ProducerId id, ProducerEpoch epoch,
                               int32_t base_sequence, bool transactional) {
  options_.producer_id = id;
  options_.producer_epoch = epoch;
  options_.base_sequence = base_sequence;
  options_.transactional = transactional;
}

absl::StatusOr<std::string> BatchBuilder::Build() {
  if (options_.codec != Codec::kNone && count_ > 0) {
    absl::StatusOr<std::string> compressed = Compress(
        options_.codec, std::string_view(buffer_).substr(kBatchHeaderBytes),
        options_.level);
    if (!compressed.ok()) return compressed.status();
    buffer_.resize(kBatchHeaderBytes);
    buffer_ += *compressed;
  }
  BatchHeader header;
  header.base_offset = options_.base_offset.value();
  header.batch_length =
      static_cast<int32_t>(buffer_.size() - kBatchOverheadBytes);
  header.partition_leader_epoch = options_.leader_epoch.value();
  int attributes = static_cast<int>(options_.codec);
  const bool append_time =
      options_.timestamp_type == TimestampType::kLogAppendTime;
  if (append_time) attributes |= kLogAppendTimeBit;
  if (options_.transactional) attributes |= kTransactionalBit;
  if (options_.control) attributes |= kControlBit;
  if (options_.delete_horizon_ms.has_value()) attributes |= kDeleteHorizonBit;
  header.attributes = static_cast<int16_t>(attributes);
  header.last_offset_delta = std::max(last_offset_delta_, 0);
  header.base_timestamp = base_timestamp_;
  header.max_timestamp =
      append_time ? options_.log_append_time_ms : max_timestamp_;
  header.producer_id = options_.producer_id.value();
  header.producer_epoch = options_.producer_epoch.value();
  header.base_sequence = options_.base_sequence;
  header.records_count = count_;
  EncodeBatchHeader(header, buffer_.data());
  Store(buffer_.data() + kCrcAt, BatchCrc(buffer_));
  std::string batch = std::move(buffer_);
  Reset(options_);
  return batch;
}

void PokeOffsetAndEpoch(char* header_bytes, Offset base_offset,
                        LeaderEpoch leader_epoch) {
  Store(header_bytes + kBaseOffsetAt, base_offset.value());
  Store(header_bytes + kLeaderEpochAt, leader_epoch.value());
}

void SetTimestamps(TimestampType type, int64_t max_timestamp_ms,
                   BatchHeader* header) {
  char before[kBatchHeaderBytes];
  char after[kBatchHeaderBytes];
  EncodeBatchHeader(*header, before);
  const int attributes = header->attributes & ~kLogAppendTimeBit;
  header->attributes = static_cast<int16_t>(
      type == TimestampType::kLogAppendTime ? attributes | kLogAppendTimeBit
                                            : attributes);
  header->max_timestamp = max_timestamp_ms;
  EncodeBatchHeader(*header, after);
  // CRCs are linear: the change in the header's part, moved up by the
  // payload's length, is the change of the whole.
  constexpr size_t kPart = kBatchHeaderBytes - kBatchCrcStart;
  const uint32_t change =
      Crc32c(std::string_view(before + kBatchCrcStart, kPart)) ^
      Crc32c(std::string_view(after + kBatchCrcStart, kPart));
  const auto payload = static_cast<uint64_t>(
      header->size_bytes() - static_cast<int64_t>(kBatchHeaderBytes));
  header->crc = Crc32cCombine(change, header->crc, payload);
}

std::optional<ControlRecord> ParseControlRecord(const RecordView& record) {
  if (!record.key.has_value() || record.key->size() < 4) return std::nullopt;
  const int16_t version = Load<int16_t>(record.key->data());
  const int16_t type = Load<int16_t>(record.key->data() + 2);
  if (version < 0 || type < 0 || type > 1) return std::nullopt;
  if (!record.value.has_value() || record.value->size() < 6) {
    return std::nullopt;
  }
  return ControlRecord{static_cast<ControlType>(type),
                       Load<int32_t>(record.value->data() + 2)};
}

std::string BuildControlBatch(const ControlRecord& marker, ProducerId id,
                              ProducerEpoch epoch, int64_t timestamp_ms) {
  BatchOptions options;
  options.producer_id = id;
  options.producer_epoch = epoch;
  options.transactional = true;
  options.control = true;
  char key[4] = {0, 0, 0, 0};
  Store(key + 2, static_cast<int16_t>(marker.type));
  char value[6] = {0, 0, 0, 0, 0, 0};
  Store(value + 2, marker.coordinator_epoch);
  BatchBuilder builder(options);
  builder.Append(timestamp_ms, std::string_view(key, sizeof key),
                 std::string_view(value, sizeof value));
  return *builder.Build();  // without compression nothing can fail
}

}  // namespace sillok::record
