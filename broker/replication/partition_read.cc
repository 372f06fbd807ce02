// The half of Partition that reads the published picture, on any thread.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "broker/replication/partition.h"
#include "broker/replication/partition_impl.h"

namespace sillok {
namespace {

// A read that meets a truncation takes the new picture; more than one in a row
// takes a controller gone wild.
constexpr int kReadAttempts = 8;

ErrorCode CheckLeading(const PartitionPicture& picture, LeaderEpoch expected) {
  if (picture.role != ReplicaRole::kLeader) {
    return ErrorCode::NOT_LEADER_OR_FOLLOWER;
  }
  return CheckLeaderEpoch(expected, picture.leader_epoch);
}

bool IsAssigned(const PartitionPicture& picture, BrokerId replica) {
  const auto& replicas = picture.assignment->replicas;
  return std::find(replicas.begin(), replicas.end(), replica) !=
         replicas.end();
}

ReadOptions LogReadOptions(const ReadRequest& request, Offset bound) {
  ReadOptions options;
  options.max_bytes = request.max_bytes;
  options.upper_bound = bound;
  options.at_least_one_batch = request.at_least_one_batch;
  return options;
}

void FillOffsets(const PartitionPicture& picture, ReadOutcome* outcome) {
  outcome->high_watermark = picture.high_watermark;
  outcome->last_stable_offset = picture.last_stable_offset;
  outcome->log_start_offset = picture.log->start_offset();
  outcome->log_end_offset = picture.log->end_offset();
}

// NONE, and the diverging epoch if there is one.
ErrorCode CheckReplica(const PartitionPicture& picture,
                       const ReadRequest& request, ReadOutcome* outcome) {
  // The controller may have assigned it already and not told us yet.
  if (!IsAssigned(picture, request.replica)) {
    return ErrorCode::UNKNOWN_LEADER_EPOCH;
  }
  if (request.last_fetched_epoch == kNoLeaderEpoch) return ErrorCode::NONE;
  const EpochEndOffset end =
      picture.log->EndOffsetForEpoch(request.last_fetched_epoch);
  if (end.end_offset == kNoOffset) return ErrorCode::OFFSET_OUT_OF_RANGE;
  outcome->diverging =
      FindDivergence(end, request.last_fetched_epoch, request.offset);
  return ErrorCode::NONE;
}

// OK: `outcome` stands.
absl::Status ReadLog(const PartitionPicture& picture,
                     const ReadRequest& request, ReadOutcome* outcome) {
  const ReadOptions options =
      LogReadOptions(request, picture.Bound(request.bound));
  if (request.as_ranges) {
    auto read = picture.log->Read(request.offset, options);
    if (!read.ok()) return read.status();
    outcome->error = read->error;
    outcome->ranges = std::move(read->ranges);
    outcome->size_bytes = read->bytes;
  } else {
    auto read = picture.log->ReadBytes(request.offset, options);
    if (!read.ok()) return read.status();
    outcome->error = read->error;
    outcome->batches = std::move(read->batches);
    outcome->size_bytes = static_cast<int64_t>(outcome->batches.size());
  }
  // Records above the bound are not there yet for this reader; that is no error
  // as long as they exist (the HW may trail for a while).
  return absl::OkStatus();
}

ListOffsetOutcome Refuse(ErrorCode error) {
  ListOffsetOutcome outcome;
  outcome.error = error;
  return outcome;
}

ListOffsetOutcome AtOffset(const PartitionPicture& picture, Offset offset) {
  ListOffsetOutcome outcome;
  outcome.offset = offset;
  outcome.leader_epoch =
      picture.log->epochs().EpochOf(offset).value_or(picture.leader_epoch);
  return outcome;
}

ListOffsetOutcome AtTimestamp(const TimestampAndOffset& found) {
  ListOffsetOutcome outcome;
  outcome.offset = found.offset;
  outcome.timestamp_ms = found.timestamp_ms;
  outcome.leader_epoch = found.leader_epoch;
  return outcome;
}

}  // namespace

ReadOutcome Partition::Read(const ReadRequest& request) {
  ReadOutcome outcome;
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    outcome = ReadOutcome();
    const std::shared_ptr<const PartitionPicture> picture = impl_->Picture();
    FillOffsets(*picture, &outcome);
    outcome.error = CheckLeading(*picture, request.expected_epoch);
    if (outcome.error != ErrorCode::NONE) return outcome;
    const bool replica = request.replica != kNoBroker;
    if (replica) {
      outcome.error = CheckReplica(*picture, request, &outcome);
      if (outcome.error != ErrorCode::NONE || outcome.diverging.has_value()) {
        return outcome;
      }
    }
    const absl::Status status = ReadLog(*picture, request, &outcome);
    if (absl::IsUnavailable(status)) continue;  // cut meanwhile: look again
    if (!status.ok()) {
      outcome.error = ErrorCodeOf(status);
      outcome.error_message = std::string(status.message());
      return outcome;
    }
    if (outcome.error != ErrorCode::NONE) return outcome;
    if (replica) {
      LeaderState::ReplicaFetch fetch;
      fetch.replica = request.replica;
      fetch.broker_epoch = request.replica_epoch;
      fetch.fetch_offset = request.offset;
      fetch.replica_log_start = request.replica_log_start;
      fetch.leader_end_at_read = outcome.log_end_offset;
      impl_->strand().Dispatch(
          [self = shared_from_this(), epoch = picture->leader_epoch, fetch] {
            self->impl_->OnReplicaFetch(epoch, fetch);
          });
    } else if (request.bound == ReadBound::kLastStable &&
               outcome.size_bytes > 0) {
      outcome.aborted = picture->log->AbortedTransactions(
          request.offset, picture->last_stable_offset);
    }
    return outcome;
  }
  outcome.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
  return outcome;
}

ListOffsetOutcome Partition::ListOffset(const ListOffsetRequest& request) {
  const std::shared_ptr<const PartitionPicture> picture = impl_->Picture();
  const ErrorCode error = CheckLeading(*picture, request.expected_epoch);
  if (error != ErrorCode::NONE) return Refuse(error);
  const bool end_known = request.bound == ReadBound::kLogEnd ||
                         picture->high_watermark_known;
  const Offset bound = picture->Bound(request.bound);
  switch (request.timestamp_ms) {
    case ListOffsetRequest::kEarliest:
      return AtOffset(*picture, picture->log->start_offset());
    case ListOffsetRequest::kLatest:
      return end_known ? AtOffset(*picture, bound)
                       : Refuse(ErrorCode::OFFSET_NOT_AVAILABLE);
    case ListOffsetRequest::kMaxTimestamp: {
      const TimestampAndOffset newest = picture->log->max_timestamp();
      if (newest.offset < bound) return AtTimestamp(newest);
      return end_known ? ListOffsetOutcome()
                       : Refuse(ErrorCode::OFFSET_NOT_AVAILABLE);
    }
    default:
      break;
  }
  const auto found =
      picture->log->OffsetForTimestamp(request.timestamp_ms, bound);
  if (!found.ok()) {
    ListOffsetOutcome outcome = Refuse(
        absl::IsUnavailable(found.status()) ? ErrorCode::NOT_LEADER_OR_FOLLOWER
                                            : ErrorCodeOf(found.status()));
    outcome.error_message = std::string(found.status().message());
    return outcome;
  }
  if (found->has_value()) return AtTimestamp(**found);
  // "No such record" must not be said while the end is not known.
  return end_known ? ListOffsetOutcome()
                   : Refuse(ErrorCode::OFFSET_NOT_AVAILABLE);
}

Partition::EpochEndOutcome Partition::EndOffsetForEpoch(
    LeaderEpoch expected_epoch, LeaderEpoch epoch) {
  const std::shared_ptr<const PartitionPicture> picture = impl_->Picture();
  EpochEndOutcome outcome;
  outcome.error = CheckLeading(*picture, expected_epoch);
  if (outcome.error == ErrorCode::NONE) {
    outcome.end = picture->log->EndOffsetForEpoch(epoch);
  }
  return outcome;
}

PartitionStats Partition::stats() const {
  const std::shared_ptr<const PartitionPicture> picture = impl_->Picture();
  PartitionStats stats;
  stats.role = picture->role;
  stats.assignment = *picture->assignment;
  stats.log_start_offset = picture->log->start_offset();
  stats.last_stable_offset = picture->last_stable_offset;
  stats.high_watermark = picture->high_watermark;
  stats.log_end_offset = picture->log->end_offset();
  stats.size_bytes = picture->log->size_bytes();
  if (picture->role == ReplicaRole::kLeader) {
    stats.under_replicated =
        stats.assignment.isr.size() < stats.assignment.replicas.size();
    stats.under_min_isr = !picture->enough_in_sync;
  }
  return stats;
}

ReplicaRole Partition::role() const { return impl_->Picture()->role; }

LeaderEpoch Partition::leader_epoch() const {
  return impl_->Picture()->leader_epoch;
}

Offset Partition::high_watermark() const {
  return impl_->Picture()->high_watermark;
}

}  // namespace sillok
