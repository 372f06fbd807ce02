#include "client/internal/fetch_positions.h"

#include <algorithm>
#include <set>
#include <utility>

namespace sillok::client {

FetchPositions::Partition* FetchPositions::Find(const TopicPartition& id) {
  auto found = partitions_.find(id);
  return found == partitions_.end() ? nullptr : &found->second;
}

const FetchPositions::Partition* FetchPositions::Find(
    const TopicPartition& id) const {
  auto found = partitions_.find(id);
  return found == partitions_.end() ? nullptr : &found->second;
}

void FetchPositions::Assign(const std::vector<TopicPartition>& partitions) {
  std::set<TopicPartition> wanted(partitions.begin(), partitions.end());
  for (auto it = partitions_.begin(); it != partitions_.end();) {
    if (wanted.count(it->first) != 0) {
      ++it;
      continue;
    }
    DropChunks(it->first, &it->second);
    it = partitions_.erase(it);
  }
  for (const TopicPartition& id : wanted) {
    auto [it, fresh] = partitions_.try_emplace(id);
    if (!fresh) continue;
    it->second.version = next_version_++;
    if (!options_.has_group) Reset(id, &it->second, "no position");
  }
}

std::vector<TopicPartition> FetchPositions::Assignment() const {
  std::vector<TopicPartition> ids;
  for (const auto& [id, partition] : partitions_) ids.push_back(id);
  return ids;
}

// To where auto.offset.reset says.
void FetchPositions::Reset(const TopicPartition& id, Partition* partition,
                           const std::string& why) {
  if (options_.reset == OffsetReset::kNone) {
    partition->phase = kStuck;
    partition->stuck = ErrorStatus(
        ErrorCode::OFFSET_OUT_OF_RANGE,
        id.ToString() + " has " + why + ", and auto.offset.reset is none");
    return;
  }
  partition->phase = kNeedLookup;
  partition->lookup_timestamp = options_.reset == OffsetReset::kEarliest
                                    ? kEarliestTimestamp
                                    : kLatestTimestamp;
  partition->position = partition->fetch_position = -1;
}

void FetchPositions::DropChunks(const TopicPartition& id,
                                Partition* partition) {
  std::erase_if(chunks_, [&](const auto& chunk) { return chunk->id == id; });
  buffered_bytes_ -= partition->queued_bytes;
  partition->queued_bytes = 0;
}

// `epoch`: of the record before it; -1 = not known.
void FetchPositions::SetPosition(Partition* partition, int64_t offset,
                                 int32_t epoch) {
  partition->phase = kReady;
  partition->not_before_ms = 0;
  partition->position = partition->fetch_position = offset;
  partition->consumed_epoch = partition->fetched_epoch = epoch;
  partition->checked_epoch = -1;
}

bool FetchPositions::Seek(const TopicPartition& id, int64_t offset) {
  Partition* partition = Find(id);
  if (partition == nullptr) return false;
  DropChunks(id, partition);
  partition->version = next_version_++;
  partition->in_flight = false;
  partition->not_before_ms = 0;
  if (offset >= 0) {
    SetPosition(partition, offset, -1);
  } else {
    partition->phase = kNeedLookup;
    partition->lookup_timestamp = offset;
    partition->position = partition->fetch_position = -1;
  }
  return true;
}

void FetchPositions::SetPaused(const TopicPartition& id, bool paused) {
  if (Partition* partition = Find(id)) partition->paused = paused;
}

std::optional<int64_t> FetchPositions::Position(
    const TopicPartition& id) const {
  const Partition* partition = Find(id);
  if (partition == nullptr || !HasPosition(*partition)) return std::nullopt;
  return partition->position;
}

std::vector<TopicPartition> FetchPositions::Paused() const {
  std::vector<TopicPartition> ids;
  for (const auto& [id, partition] : partitions_) {
    if (partition.paused) ids.push_back(id);
  }
  return ids;
}

std::optional<int64_t> FetchPositions::Lag(const TopicPartition& id) const {
  const Partition* partition = Find(id);
  if (partition == nullptr || !HasPosition(*partition) ||
      partition->end_offset < 0) {
    return std::nullopt;
  }
  return std::max<int64_t>(partition->end_offset - partition->position, 0);
}

std::optional<int64_t> FetchPositions::HighWatermark(
    const TopicPartition& id) const {
  const Partition* partition = Find(id);
  if (partition == nullptr || partition->high_watermark < 0) {
    return std::nullopt;
  }
  return partition->high_watermark;
}

PartitionOffsets FetchPositions::Consumed() const {
  PartitionOffsets offsets;
  for (const auto& [id, partition] : partitions_) {
    if (!HasPosition(partition)) continue;
    offsets[id] = {partition.position, partition.consumed_epoch, ""};
  }
  return offsets;
}

bool FetchPositions::Wanted(const FetchedChunk& chunk) const {
  const Partition* partition = Find(chunk.id);
  return partition != nullptr && partition->version == chunk.version &&
         !partition->paused;
}

bool FetchPositions::HasChunk() const {
  return std::any_of(chunks_.begin(), chunks_.end(), [this](const auto& chunk) {
    return !Find(chunk->id)->paused;
  });
}

std::optional<FetchPositions::Taken> FetchPositions::TakeChunk() {
  for (auto it = chunks_.begin(); it != chunks_.end(); ++it) {
    Partition* partition = Find((*it)->id);
    if (partition->paused) continue;
    Taken taken{std::move(*it), partition->position};
    chunks_.erase(it);
    auto size = static_cast<int64_t>(taken.chunk->batches.size());
    partition->queued_bytes -= size;
    buffered_bytes_ -= size;
    return taken;
  }
  return std::nullopt;
}

void FetchPositions::PutBack(std::shared_ptr<const FetchedChunk> chunk) {
  Partition* partition = Find(chunk->id);
  if (partition == nullptr || partition->version != chunk->version) return;
  auto size = static_cast<int64_t>(chunk->batches.size());
  partition->queued_bytes += size;
  buffered_bytes_ += size;
  chunks_.push_front(std::move(chunk));
}

bool FetchPositions::Consume(const FetchedChunk& chunk, int64_t position,
                             int32_t epoch) {
  Partition* partition = Find(chunk.id);
  if (partition == nullptr || partition->version != chunk.version) return false;
  partition->position = position;
  if (epoch >= 0) partition->consumed_epoch = epoch;
  return true;
}

std::vector<TopicPartition> FetchPositions::NeedCommitted() const {
  std::vector<TopicPartition> ids;
  for (const auto& [id, partition] : partitions_) {
    if (partition.phase == kNeedCommitted) ids.push_back(id);
  }
  return ids;
}

void FetchPositions::OnCommitted(const TopicPartition& id, int64_t offset,
                                 int32_t epoch) {
  Partition* partition = Find(id);
  if (partition == nullptr || partition->phase != kNeedCommitted) return;
  if (offset < 0) {
    Reset(id, partition, "no committed offset");
    return;
  }
  SetPosition(partition, offset, epoch);
}

std::map<TopicPartition, int64_t> FetchPositions::NeedLookup(
    int64_t now_ms) const {
  std::map<TopicPartition, int64_t> lookups;
  for (const auto& [id, partition] : partitions_) {
    if (partition.phase == kNeedLookup && partition.not_before_ms <= now_ms) {
      lookups[id] = partition.lookup_timestamp;
    }
  }
  return lookups;
}

void FetchPositions::OnLookup(const TopicPartition& id, ErrorCode code,
                              int64_t offset, int32_t leader_epoch,
                              int64_t now_ms) {
  Partition* partition = Find(id);
  if (partition == nullptr || partition->phase != kNeedLookup) return;
  if (code != ErrorCode::NONE || offset < 0) {
    partition->not_before_ms = now_ms + options_.retry_backoff_ms;
    return;
  }
  SetPosition(partition, offset, leader_epoch);
}

std::map<int32_t, std::vector<FetchPositions::Fetch>>
FetchPositions::TakeFetches(const ClusterMetadata& metadata, int64_t now_ms,
                            const std::function<bool(int32_t)>& busy,
                            bool* needs_metadata) {
  std::map<int32_t, std::vector<Fetch>> fetches;
  for (auto& [id, partition] : partitions_) {
    if (partition.phase != kReady || partition.paused || partition.in_flight ||
        partition.not_before_ms > now_ms) {
      continue;
    }
    if (partition.queued_bytes > 0 &&
        (partition.queued_bytes >= options_.max_partition_bytes ||
         buffered_bytes_ >= options_.max_bytes)) {
      continue;
    }
    PartitionLeader leader = metadata.Leader(id);
    if (leader.broker_id < 0 ||
        metadata.FindBroker(leader.broker_id) == nullptr) {
      *needs_metadata = true;
      continue;
    }
    if (!FitsLeader(leader, &partition)) continue;
    if (busy(leader.broker_id)) continue;
    partition.in_flight = true;
    fetches[leader.broker_id].push_back(
        {id, partition.fetch_position, leader.epoch, partition.version});
  }
  // The broker fills its answer in the order asked: begin elsewhere each time.
  ++turn_;
  for (auto& [broker, list] : fetches) {
    std::rotate(list.begin(),
                list.begin() + static_cast<long>(turn_ % list.size()),
                list.end());
  }
  return fetches;
}

absl::Status FetchPositions::OnFetched(const Fetch& fetch,
                                       FetchOutcome outcome, int64_t now_ms) {
  Partition* partition = Find(fetch.id);
  if (partition == nullptr || partition->version != fetch.version) {
    return absl::OkStatus();
  }
  partition->in_flight = false;
  if (outcome.code == ErrorCode::NONE) {
    // Not all of a request may have been answered.
    if (outcome.high_watermark >= 0) {
      partition->high_watermark = outcome.high_watermark;
      partition->end_offset = options_.read_committed
                                  ? outcome.last_stable_offset
                                  : outcome.high_watermark;
    }
    if (outcome.chunk != nullptr) {
      partition->fetch_position = outcome.chunk->next_offset;
      partition->fetched_epoch = outcome.chunk->last_epoch;
      auto size = static_cast<int64_t>(outcome.chunk->batches.size());
      partition->queued_bytes += size;
      buffered_bytes_ += size;
      chunks_.push_back(std::move(outcome.chunk));
    }
    return absl::OkStatus();
  }
  partition->not_before_ms = now_ms + options_.retry_backoff_ms;
  if (outcome.code == ErrorCode::OFFSET_OUT_OF_RANGE) {
    // What was fetched before is still good; when it is used up, we come here
    // again.
    if (partition->position != fetch.offset) return absl::OkStatus();
    partition->version = next_version_++;
    partition->not_before_ms = 0;
    Reset(fetch.id, partition, "no offset " + std::to_string(fetch.offset));
    return absl::OkStatus();
  }
  // A damaged batch may be whole on another leader; the retry goes on, and the
  // application hears of it.
  if (IsRetriable(outcome.code) && outcome.code != ErrorCode::CORRUPT_MESSAGE) {
    return absl::OkStatus();
  }
  return ErrorStatus(outcome.code,
                     fetch.id.ToString() + " offset " +
                         std::to_string(fetch.offset) + ": " +
                         (outcome.message.empty()
                              ? std::string(ErrorMessage(outcome.code))
                              : outcome.message));
}

absl::Status FetchPositions::Stuck() const {
  for (const auto& [id, partition] : partitions_) {
    if (partition.phase == kStuck) return partition.stuck;
  }
  return absl::OkStatus();
}

int64_t FetchPositions::NextMs(int64_t now_ms) const {
  int64_t next_ms = INT64_MAX;
  for (const auto& [id, partition] : partitions_) {
    if (partition.phase == kNeedCommitted || partition.in_flight ||
        partition.paused || partition.not_before_ms <= now_ms) {
      continue;
    }
    next_ms = std::min(next_ms, partition.not_before_ms);
  }
  return next_ms;
}

void FetchPositions::ClearBackoff() {
  for (auto& [id, partition] : partitions_) partition.not_before_ms = 0;
}

}  // namespace sillok::client
