#include "broker/log/producer_states.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "broker/log/big_endian.h"
#include "proto/record/crc.h"

namespace sillok {
namespace {

constexpr int16_t kSnapshotVersion = 1;
constexpr size_t kSnapshotHeaderBytes = 10;
constexpr size_t kSnapshotEntryBytes = 46;
constexpr size_t kSnapshotCrcStart = 6;
// What follows Kafka's entries: a word to know it by, a count, and for each
// producer its id, a number of batches, and the batches.
constexpr int32_t kWindowsMagic = 0x53574e44;  // "SWND"
constexpr size_t kWindowsHeaderBytes = 8;
constexpr size_t kWindowHeaderBytes = 9;
constexpr size_t kWindowBatchBytes = 24;

bool Follows(int32_t sequence, int32_t last) {
  return last == std::numeric_limits<int32_t>::max() ? sequence == 0
                                                     : sequence == last + 1;
}

ProducerStates::Verdict Refused(ErrorCode error, std::string message) {
  return {error, std::move(message), std::nullopt};
}

ProducerStates::Verdict OldEpoch(const record::BatchHeader& batch,
                                 int16_t current) {
  return Refused(ErrorCode::INVALID_PRODUCER_EPOCH,
                 fmt::format("producer {} has epoch {}, the batch {}",
                             batch.producer_id, current,
                             batch.producer_epoch));
}

}  // namespace

int32_t ProducerBatch::first_sequence() const {
  return static_cast<int32_t>(
      (int64_t{last_sequence} - offset_delta + (int64_t{1} << 31)) &
      0x7fffffff);
}

ProducerStates::Verdict ProducerStates::Check(
    const record::BatchHeader& batch) const {
  if (!batch.has_producer_id()) return {};
  const auto found = producers_.find(batch.producer_id);
  if (found == producers_.end()) return {};  // new, expired or deleted
  const ProducerState& producer = found->second;
  if (batch.producer_epoch < producer.epoch) {
    return OldEpoch(batch, producer.epoch);
  }
  if (batch.producer_epoch > producer.epoch) {
    if (batch.base_sequence == 0 || producer.epoch < 0) return {};
    return Refused(
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        fmt::format("producer {}: epoch {} begins with sequence {}, not 0",
                    batch.producer_id, batch.producer_epoch,
                    batch.base_sequence));
  }
  for (size_t i = 0; i < producer.batch_count; ++i) {
    const ProducerBatch& known = producer.batches[i];
    if (known.last_sequence == batch.last_sequence() &&
        known.first_sequence() == batch.base_sequence) {
      return {ErrorCode::NONE, {}, known};
    }
  }
  const int32_t last =
      producer.batch_count == 0 ? -1 : producer.last()->last_sequence;
  if (producer.epoch >= 0 && !Follows(batch.base_sequence, last)) {
    return Refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
                   fmt::format("producer {}: sequence {} after {}",
                               batch.producer_id, batch.base_sequence, last));
  }
  if (producer.open_transaction.has_value() && !batch.is_transactional()) {
    return Refused(
        ErrorCode::INVALID_TXN_STATE,
        fmt::format("producer {} has an open transaction since offset {} and "
                    "sent a batch outside it",
                    batch.producer_id, producer.open_transaction->value()));
  }
  return {};
}

ProducerStates::Verdict ProducerStates::CheckFromCoordinator(
    const record::BatchHeader& batch) const {
  const auto found = producers_.find(batch.producer_id);
  if (!batch.has_producer_id() || found == producers_.end() ||
      batch.producer_epoch >= found->second.epoch) {
    return {};
  }
  return OldEpoch(batch, found->second.epoch);
}

ProducerStates::Verdict ProducerStates::CheckMarker(
    const record::BatchHeader& batch,
    const record::ControlRecord& marker) const {
  const auto found = producers_.find(batch.producer_id);
  if (found == producers_.end()) return {};
  const ProducerState& producer = found->second;
  if (batch.producer_epoch < producer.epoch) {
    return OldEpoch(batch, producer.epoch);
  }
  if (marker.coordinator_epoch < producer.coordinator_epoch) {
    return Refused(ErrorCode::TRANSACTION_COORDINATOR_FENCED,
                   fmt::format("marker of coordinator epoch {}, known is {}",
                               marker.coordinator_epoch,
                               producer.coordinator_epoch));
  }
  return {};
}

void ProducerStates::SetOpenTransaction(int64_t producer_id,
                                        ProducerState* producer,
                                        std::optional<Offset> first) {
  if (producer->open_transaction.has_value()) {
    open_.erase(*producer->open_transaction);
  }
  producer->open_transaction = first;
  if (first.has_value()) open_[*first] = producer_id;
}

void ProducerStates::Append(const record::BatchHeader& batch,
                            int64_t now_ms) {
  if (!batch.has_producer_id()) return;
  ProducerState& producer = producers_[batch.producer_id];
  if (batch.producer_epoch != producer.epoch) {
    producer.epoch = batch.producer_epoch;
    producer.batch_count = 0;
  }
  if (producer.batch_count == ProducerState::kWindow) {
    std::move(producer.batches.begin() + 1, producer.batches.end(),
              producer.batches.begin());
    --producer.batch_count;
  }
  producer.batches[producer.batch_count++] = {
      batch.last_sequence(), batch.last_offset_delta, batch.last_offset(),
      batch.max_timestamp};
  producer.last_timestamp_ms = batch.max_timestamp;
  producer.seen_ms = now_ms;
  if (batch.is_transactional() && !producer.open_transaction.has_value()) {
    SetOpenTransaction(batch.producer_id, &producer, batch.first_offset());
  }
}

std::optional<EndedTransaction> ProducerStates::AppendMarker(
    const record::BatchHeader& batch, const record::ControlRecord& marker,
    int64_t now_ms) {
  ProducerState& producer = producers_[batch.producer_id];
  if (batch.producer_epoch != producer.epoch) {
    producer.epoch = batch.producer_epoch;
    producer.batch_count = 0;
  }
  producer.coordinator_epoch = marker.coordinator_epoch;
  producer.last_timestamp_ms = batch.max_timestamp;
  producer.seen_ms = now_ms;
  if (!producer.open_transaction.has_value()) return std::nullopt;
  const EndedTransaction ended{ProducerId(batch.producer_id),
                               *producer.open_transaction, batch.last_offset(),
                               marker.type == record::ControlType::kAbort};
  SetOpenTransaction(batch.producer_id, &producer, std::nullopt);
  return ended;
}

std::optional<Offset> ProducerStates::first_open_transaction() const {
  if (open_.empty()) return std::nullopt;
  return open_.begin()->first;
}

void ProducerStates::Expire(int64_t now_ms, int64_t expiration_ms) {
  std::erase_if(producers_, [&](const auto& entry) {
    return !entry.second.open_transaction.has_value() &&
           now_ms - entry.second.seen_ms >= expiration_ms;
  });
}

void ProducerStates::Limit(size_t count) {
  if (producers_.size() <= count) return;
  std::vector<std::pair<int64_t, int64_t>> idle;  // last seen, producer
  for (const auto& [id, producer] : producers_) {
    if (!producer.open_transaction.has_value()) {
      idle.emplace_back(producer.seen_ms, id);
    }
  }
  const size_t excess = producers_.size() - count + count / 10;
  const size_t drop = std::min(excess, idle.size());
  std::nth_element(idle.begin(), idle.begin() + static_cast<ptrdiff_t>(drop),
                   idle.end());
  for (size_t i = 0; i < drop; ++i) producers_.erase(idle[i].second);
}

void ProducerStates::Clear() {
  producers_.clear();
  open_.clear();
}

namespace {

void EncodeWindow(int64_t id, const ProducerState& producer,
                  std::string* out) {
  PutBigEndian(out, id);
  PutBigEndian(out, static_cast<int8_t>(producer.batch_count - 1));
  for (size_t i = 0; i + 1 < producer.batch_count; ++i) {
    const ProducerBatch& batch = producer.batches[i];
    PutBigEndian(out, batch.last_sequence);
    PutBigEndian(out, batch.last_offset.value());
    PutBigEndian(out, batch.offset_delta);
    PutBigEndian(out, batch.timestamp_ms);
  }
}

}  // namespace

std::string ProducerStates::Encode() const {
  std::vector<int64_t> ids;
  ids.reserve(producers_.size());
  for (const auto& [id, producer] : producers_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  std::string body;
  PutBigEndian(&body, static_cast<int32_t>(ids.size()));
  for (const int64_t id : ids) {
    const ProducerState& producer = producers_.at(id);
    const ProducerBatch last =
        producer.last() == nullptr ? ProducerBatch{} : *producer.last();
    PutBigEndian(&body, id);
    PutBigEndian(&body, producer.epoch);
    PutBigEndian(&body, last.last_sequence);
    PutBigEndian(&body, last.last_offset.value());
    PutBigEndian(&body, last.offset_delta);
    PutBigEndian(&body, producer.last_timestamp_ms);
    PutBigEndian(&body, producer.coordinator_epoch);
    PutBigEndian(&body, producer.open_transaction.value_or(kNoOffset).value());
  }
  std::string windows;
  int32_t window_count = 0;
  for (const int64_t id : ids) {
    const ProducerState& producer = producers_.at(id);
    if (producer.batch_count < 2) continue;
    EncodeWindow(id, producer, &windows);
    ++window_count;
  }
  if (window_count > 0) {
    PutBigEndian(&body, kWindowsMagic);
    PutBigEndian(&body, window_count);
    body += windows;
  }
  std::string bytes;
  PutBigEndian(&bytes, kSnapshotVersion);
  PutBigEndian(&bytes, record::Crc32c(std::string_view(body)));
  return bytes + body;
}

absl::StatusOr<ProducerStates> ProducerStates::Decode(std::string_view bytes,
                                                       int64_t now_ms) {
  if (bytes.size() < kSnapshotHeaderBytes) {
    return absl::DataLossError("producer snapshot is cut short");
  }
  if (GetBigEndian<int16_t>(bytes.data()) != kSnapshotVersion) {
    return absl::DataLossError("producer snapshot of an unknown version");
  }
  if (GetBigEndian<uint32_t>(bytes.data() + 2) !=
      record::Crc32c(bytes.substr(kSnapshotCrcStart))) {
    return absl::DataLossError("producer snapshot: CRC is wrong");
  }
  const auto count = GetBigEndian<int32_t>(bytes.data() + 6);
  const size_t room = bytes.size() - kSnapshotHeaderBytes;
  if (count < 0 || static_cast<size_t>(count) > room / kSnapshotEntryBytes) {
    return absl::DataLossError("producer snapshot: count and size differ");
  }
  ProducerStates states;
  const char* at = bytes.data() + kSnapshotHeaderBytes;
  for (int32_t i = 0; i < count; ++i, at += kSnapshotEntryBytes) {
    const auto id = GetBigEndian<int64_t>(at);
    ProducerState& producer = states.producers_[id];
    producer.epoch = GetBigEndian<int16_t>(at + 8);
    ProducerBatch last;
    last.last_sequence = GetBigEndian<int32_t>(at + 10);
    last.last_offset = Offset(GetBigEndian<int64_t>(at + 14));
    last.offset_delta = GetBigEndian<int32_t>(at + 22);
    last.timestamp_ms = GetBigEndian<int64_t>(at + 26);
    producer.last_timestamp_ms = last.timestamp_ms;
    producer.seen_ms = now_ms;
    if (last.last_offset >= Offset(0)) {
      producer.batches[0] = last;
      producer.batch_count = 1;
    }
    producer.coordinator_epoch = GetBigEndian<int32_t>(at + 34);
    const auto first = GetBigEndian<int64_t>(at + 38);
    if (first >= 0) states.SetOpenTransaction(id, &producer, Offset(first));
  }
  const absl::Status status = states.DecodeWindows(bytes.substr(
      static_cast<size_t>(at - bytes.data())));
  if (!status.ok()) return status;
  return states;
}

absl::Status ProducerStates::DecodeWindows(std::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  const absl::Status bad =
      absl::DataLossError("producer snapshot: the part behind is malformed");
  if (bytes.size() < kWindowsHeaderBytes ||
      GetBigEndian<int32_t>(bytes.data()) != kWindowsMagic) {
    return bad;
  }
  const auto count = GetBigEndian<int32_t>(bytes.data() + 4);
  bytes.remove_prefix(kWindowsHeaderBytes);
  for (int32_t i = 0; i < count; ++i) {
    if (bytes.size() < kWindowHeaderBytes) return bad;
    const auto found = producers_.find(GetBigEndian<int64_t>(bytes.data()));
    const auto older = static_cast<size_t>(
        static_cast<uint8_t>(GetBigEndian<int8_t>(bytes.data() + 8)));
    bytes.remove_prefix(kWindowHeaderBytes);
    if (found == producers_.end() || found->second.batch_count != 1 ||
        older >= ProducerState::kWindow ||
        bytes.size() < older * kWindowBatchBytes) {
      return bad;
    }
    ProducerState& producer = found->second;
    producer.batches[older] = producer.batches[0];
    producer.batch_count = older + 1;
    for (size_t b = 0; b < older; ++b) {
      const char* at = bytes.data() + b * kWindowBatchBytes;
      producer.batches[b] = {GetBigEndian<int32_t>(at),
                             GetBigEndian<int32_t>(at + 12),
                             Offset(GetBigEndian<int64_t>(at + 4)),
                             GetBigEndian<int64_t>(at + 16)};
    }
    bytes.remove_prefix(older * kWindowBatchBytes);
  }
  return bytes.empty() ? absl::OkStatus() : bad;
}

}  // namespace sillok
