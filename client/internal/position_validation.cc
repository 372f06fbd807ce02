// FetchPositions: does a position still fit the log? (KIP-320)
#include <algorithm>
#include <utility>

#include "client/internal/fetch_positions.h"

namespace sillok::client {

bool FetchPositions::FitsLeader(const PartitionLeader& leader,
                                Partition* partition) {
  if (leader.epoch <= partition->checked_epoch) return true;
  // A record of the leader's own epoch it has for certain, and of a record whose
  // epoch is not known nothing can be said.
  if (partition->fetched_epoch < 0 ||
      partition->fetched_epoch >= leader.epoch) {
    partition->checked_epoch = leader.epoch;
    return true;
  }
  partition->phase = kValidating;
  partition->new_epoch = leader.epoch;
  return false;
}

std::vector<FetchPositions::Validation> FetchPositions::NeedValidation(
    int64_t now_ms) const {
  std::vector<Validation> wanted;
  for (const auto& [id, partition] : partitions_) {
    if (partition.phase != kValidating || partition.not_before_ms > now_ms) {
      continue;
    }
    wanted.push_back({id, partition.fetched_epoch, partition.version});
  }
  return wanted;
}

absl::Status FetchPositions::OnEpochEnd(const Validation& asked,
                                        const EpochEnd& end, int64_t now_ms) {
  Partition* partition = Find(asked.id);
  if (partition == nullptr || partition->version != asked.version ||
      partition->phase != kValidating) {
    return absl::OkStatus();
  }
  if (end.code == ErrorCode::UNSUPPORTED_VERSION) {
    // A broker that cannot say: read on, as before there was the question.
    partition->phase = kReady;
    partition->checked_epoch = partition->new_epoch;
    return absl::OkStatus();
  }
  if (end.code != ErrorCode::NONE) {
    partition->not_before_ms = now_ms + options_.retry_backoff_ms;
    if (IsRetriable(end.code)) return absl::OkStatus();
    return ErrorStatus(end.code, asked.id.ToString() + ": " +
                                     std::string(ErrorMessage(end.code)));
  }
  if (end.end_offset >= partition->fetch_position) {
    partition->phase = kReady;
    partition->checked_epoch = partition->new_epoch;
    return absl::OkStatus();
  }
  // What waits unread may be of the lost part: fetch it again.
  DropChunks(asked.id, partition);
  partition->version = next_version_++;
  if (partition->fetch_position > partition->position) {
    // And ask for what was read.
    partition->fetch_position = partition->position;
    partition->fetched_epoch = partition->consumed_epoch;
    partition->phase = kReady;
    return absl::OkStatus();
  }
  OnTruncated(asked.id, end, partition);
  return absl::OkStatus();
}

void FetchPositions::OnTruncated(const TopicPartition& id, const EpochEnd& end,
                                 Partition* partition) {
  ++truncations_;
  std::string lost = "a log that was cut: records up to offset " +
                     std::to_string(partition->position) +
                     " were read, but ";
  lost += end.end_offset < 0
              ? "the leader knows nothing of their epoch"
              : "the leader's log is another one from offset " +
                    std::to_string(end.end_offset) + " on";
  if (options_.reset != OffsetReset::kNone && end.end_offset >= 0) {
    SetPosition(partition, end.end_offset, end.leader_epoch);
    return;
  }
  Reset(id, partition, lost);
}

}  // namespace sillok::client
