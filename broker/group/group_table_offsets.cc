// What groups have committed: taking it, giving it out, and forgetting it.
#include <algorithm>
#include <limits>
#include <utility>

#include "broker/group/group_checks.h"
#include "broker/group/group_table.h"

namespace sillok {
namespace {

constexpr size_t kMaxTopicNameBytes = 249;
// The protocol type of groups whose members' metadata is a subscription.
constexpr char kConsumerProtocol[] = "consumer";

ErrorCode CommitError(ErrorCode error) {
  return error == ErrorCode::MESSAGE_TOO_LARGE
             ? ErrorCode::INVALID_COMMIT_OFFSET_SIZE
             : error;
}

int64_t SaturatedSum(int64_t a, int64_t b) {  // neither negative
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return a > kMost - b ? kMost : a + b;
}

// Asks once for partitions of the same topic that follow each other.
class TopicLookup {
 public:
  explicit TopicLookup(const TopicExists* exists) : exists_(exists) {}
  bool Exists(const std::string& topic) {
    if (exists_ == nullptr || *exists_ == nullptr) return true;
    if (last_ == nullptr || *last_ != topic) {
      last_ = &topic;
      answer_ = (*exists_)(topic);
    }
    return answer_;
  }

 private:
  const TopicExists* const exists_;
  const std::string* last_ = nullptr;
  bool answer_ = false;
};

// Topics that some member of a consumer group subscribes to; none when a
// member's subscription cannot be read, which may then mean any topic.
std::optional<std::set<std::string>> SubscribedTopics(const Group& group) {
  std::set<std::string> topics;
  for (const auto& [id, member] : group.members()) {
    const std::string* metadata = member.FindMetadata(group.protocol_name());
    if (metadata == nullptr) return std::nullopt;
    const auto subscribed = ParseSubscribedTopics(*metadata);
    if (!subscribed.has_value()) return std::nullopt;
    topics.insert(subscribed->begin(), subscribed->end());
  }
  return topics;
}

}  // namespace

// ---- committing

ErrorCode GroupTable::CheckOffset(const v1::CommittedOffset& offset) const {
  if (offset.topic().empty() || offset.topic().size() > kMaxTopicNameBytes) {
    return ErrorCode::INVALID_TOPIC_EXCEPTION;
  }
  if (offset.partition() < 0) return ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
  const size_t limit = std::min<size_t>(
      kMaxRecordStringBytes, std::max(options_->offset_metadata_max_bytes, 0));
  return offset.metadata().size() > limit
             ? ErrorCode::OFFSET_METADATA_TOO_LARGE
             : ErrorCode::NONE;
}

void GroupTable::Commit(const CommitInput& input, GroupTime time,
                        TableOutput* out) {
  const v1::OffsetCommitRequest& request = *input.request;
  Entry* entry = FindEntry(request.group_id());
  const ErrorCode error = CheckCommitter(request, entry, time);
  Write write;
  write.group_id = request.group_id();
  write.commit_call = input.call;
  std::vector<JournalRecord> records;
  records.reserve(request.offsets_size());
  write.changes.reserve(request.offsets_size());
  TopicLookup lookup(input.topic_exists);
  for (const v1::CommittedOffset& wanted : request.offsets()) {
    v1::CommittedOffset* answer = write.commit_response.add_offsets();
    answer->set_topic(wanted.topic());
    answer->set_partition(wanted.partition());
    ErrorCode own = error == ErrorCode::NONE ? CheckOffset(wanted) : error;
    if (own == ErrorCode::NONE && !lookup.Exists(wanted.topic())) {
      own = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    }
    answer->set_error_code(AsProto(own));
    if (own != ErrorCode::NONE) continue;
    OffsetValue value;
    value.offset = wanted.offset();
    value.leader_epoch = wanted.leader_epoch();
    value.metadata = wanted.metadata();
    value.commit_timestamp_ms = time.wall_ms;
    if (input.retention_ms >= 0) {
      value.expire_timestamp_ms =
          SaturatedSum(time.wall_ms, input.retention_ms);
    }
    records.push_back({EncodeOffsetKey(request.group_id(), wanted.topic(),
                                       wanted.partition()),
                       EncodeOffsetValue(value)});
    write.changes.push_back(
        {{wanted.topic(), wanted.partition()}, std::move(value)});
  }
  write.commit_response.set_error_code(AsProto(error));
  if (records.empty()) {
    out->commits.emplace_back(input.call, std::move(write.commit_response));
    return;
  }
  if (entry == nullptr) entry = &GetOrCreateEntry(request.group_id(), time);
  for (const OffsetChange& change : write.changes) {
    entry->offsets.BeginCommit(change.partition);
  }
  Queue(std::move(write), std::move(records), out);
}

// Who may commit; `entry` null = there is no such group.
ErrorCode GroupTable::CheckCommitter(const v1::OffsetCommitRequest& request,
                                     Entry* entry, GroupTime time) {
  if (entry == nullptr) {
    // Of a group long forgotten, or of nobody's generation: that makes one.
    if (request.generation_id() >= 0) return ErrorCode::ILLEGAL_GENERATION;
    return IsGroupIdTooLong(request.group_id()) ? ErrorCode::INVALID_GROUP_ID
                                                : ErrorCode::NONE;
  }
  const ErrorCode error = entry->group.CheckCommit(request, time);
  SetDeadline(*entry, entry->group.next_deadline_ms());
  return error;
}

void GroupTable::AnswerCommit(Write& write, ErrorCode error,
                              TableOutput* out) {
  if (error != ErrorCode::NONE) {
    const v1::ErrorCode code = AsProto(CommitError(error));
    write.commit_response.set_error_code(code);
    for (v1::CommittedOffset& answer :
         *write.commit_response.mutable_offsets()) {
      if (answer.error_code() == v1::NONE) answer.set_error_code(code);
    }
  }
  out->commits.emplace_back(*write.commit_call,
                            std::move(write.commit_response));
}

void GroupTable::AnswerOffsetDelete(Write& write, ErrorCode error,
                                    TableOutput* out) {
  v1::OffsetDeleteResponse& response = write.offset_delete_response;
  if (error != ErrorCode::NONE) {
    const v1::ErrorCode code = AsProto(GroupError(error));
    response.set_error_code(code);
    for (v1::DeletedOffset& answer : *response.mutable_partitions()) {
      if (answer.error_code() == v1::NONE) answer.set_error_code(code);
    }
  }
  out->offset_deletions.emplace_back(*write.offset_delete_call,
                                     std::move(response));
}

// ---- giving out

v1::OffsetFetchResponse GroupTable::FetchOffsets(
    const v1::OffsetFetchRequest& request) const {
  v1::OffsetFetchResponse response;
  const Entry* entry = FindEntry(request.group_id());
  const auto add = [&](const TopicPartition& partition,
                       const OffsetValue* value) {
    v1::CommittedOffset* answer = response.add_offsets();
    answer->set_topic(partition.topic);
    answer->set_partition(partition.partition);
    answer->set_offset(-1);
    answer->set_leader_epoch(-1);
    if (request.require_stable() && entry != nullptr &&
        entry->offsets.InOpenTransaction(partition)) {
      answer->set_error_code(v1::UNSTABLE_OFFSET_COMMIT);
    } else if (value != nullptr) {
      answer->set_offset(value->offset);
      answer->set_leader_epoch(value->leader_epoch);
      answer->set_metadata(value->metadata);
    }
  };
  if (request.all_partitions()) {
    if (entry != nullptr) {
      entry->offsets.ForEach(
          [&](const TopicPartition& partition, const OffsetValue& value) {
            add(partition, &value);
          });
    }
    return response;
  }
  for (const v1::PartitionRef& wanted : request.partitions()) {
    const TopicPartition partition{wanted.topic(), wanted.partition()};
    add(partition,
        entry == nullptr ? nullptr : entry->offsets.Find(partition));
  }
  return response;
}

// ---- forgetting

void GroupTable::DeleteOffsets(CallId call,
                               const v1::OffsetDeleteRequest& request,
                               const TopicExists& topic_exists,
                               TableOutput* out) {
  const std::string& group_id = request.group_id();
  Entry* entry = FindEntry(group_id);
  ErrorCode error = ErrorCode::NONE;
  std::optional<std::set<std::string>> in_use = std::set<std::string>();
  if (!IsGroupIdValid(group_id)) {
    error = ErrorCode::INVALID_GROUP_ID;
  } else if (entry == nullptr) {
    error = ErrorCode::GROUP_ID_NOT_FOUND;
  } else if (entry->group.state() != GroupState::kEmpty) {
    if (entry->group.protocol_type() == kConsumerProtocol) {
      in_use = SubscribedTopics(entry->group);
    } else {
      error = ErrorCode::NON_EMPTY_GROUP;
    }
  }
  v1::OffsetDeleteResponse response;
  response.set_error_code(AsProto(error));
  std::vector<TopicPartition> gone;
  TopicLookup lookup(&topic_exists);
  for (const v1::PartitionRef& wanted : request.partitions()) {
    v1::DeletedOffset* answer = response.add_partitions();
    answer->set_topic(wanted.topic());
    answer->set_partition(wanted.partition());
    ErrorCode own = error;
    if (own == ErrorCode::NONE && !lookup.Exists(wanted.topic())) {
      own = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    } else if (own == ErrorCode::NONE &&
               (!in_use.has_value() || in_use->count(wanted.topic()) > 0)) {
      own = ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC;
    }
    answer->set_error_code(AsProto(own));
    const TopicPartition partition{wanted.topic(), wanted.partition()};
    if (own == ErrorCode::NONE && entry->offsets.Concerns(partition)) {
      gone.push_back(partition);
    }
  }
  if (gone.empty()) {
    out->offset_deletions.emplace_back(call, std::move(response));
    return;
  }
  Write write = Tombstones(*entry, gone);
  write.offset_delete_call = call;
  write.offset_delete_response = std::move(response);
  QueueTombstones(std::move(write), out);
}

void GroupTable::OnTopicsDeleted(const std::set<std::string>& topics,
                                 TableOutput* out) {
  for (const auto& [id, entry] : entries_) {
    std::vector<TopicPartition> gone;
    for (TopicPartition& partition : entry->offsets.Concerned()) {
      if (topics.count(partition.topic) > 0) {
        gone.push_back(std::move(partition));
      }
    }
    if (!gone.empty()) QueueTombstones(Tombstones(*entry, gone), out);
  }
}

void GroupTable::ExpireOffsets(GroupTime time, TableOutput* out) {
  std::vector<std::string> ids;
  for (const auto& [id, entry] : entries_) ids.push_back(id);
  for (const std::string& id : ids) ExpireOffsetsOf(*FindEntry(id), time, out);
}

void GroupTable::ExpireOffsetsOf(Entry& entry, GroupTime time,
                                 TableOutput* out) {
  const Group& group = entry.group;
  std::optional<std::set<std::string>> in_use = std::set<std::string>();
  int64_t unused_since_ms = -1;
  if (group.state() == GroupState::kEmpty) {
    // A simple consumer has no protocol type: only its commits tell of it.
    if (!group.protocol_type().empty()) {
      unused_since_ms = group.state_timestamp_ms();
    }
  } else if (group.state() == GroupState::kStable &&
             group.protocol_type() == kConsumerProtocol) {
    in_use = SubscribedTopics(group);
  } else {
    return;
  }
  if (!in_use.has_value()) return;
  const std::vector<TopicPartition> expired = entry.offsets.Expired(
      time.wall_ms, options_->offsets_retention_minutes * 60'000,
      unused_since_ms,
      [&](const std::string& topic) { return in_use->count(topic) > 0; });
  const bool forget = group.state() == GroupState::kEmpty &&
                      group.pending_member_count() == 0 &&
                      !group.has_pending_write() &&
                      expired.size() == entry.offsets.size();
  if (expired.empty() && !forget) return;
  if (expired.empty() && group.generation() == 0) {
    // It has left nothing in the log.
    if (CanForget(entry)) Forget(std::string(group.id()));
    return;
  }
  Write write = Tombstones(entry, expired);
  write.forgets_group = forget;
  QueueTombstones(std::move(write), out);
}

GroupTable::Write GroupTable::Tombstones(
    Entry& entry, const std::vector<TopicPartition>& partitions) {
  Write write;
  write.group_id = entry.group.id();
  for (const TopicPartition& partition : partitions) {
    write.changes.push_back({partition, std::nullopt});
    entry.offsets.BeginCommit(partition);
  }
  return write;
}

void GroupTable::QueueTombstones(Write write, TableOutput* out) {
  std::vector<JournalRecord> records;
  records.reserve(write.changes.size() + 1);
  for (const auto& [partition, none] : write.changes) {
    records.push_back({EncodeOffsetKey(write.group_id, partition.topic,
                                       partition.partition),
                       std::nullopt});
  }
  if (write.forgets_group) {
    records.push_back({EncodeGroupKey(write.group_id), std::nullopt});
  }
  Queue(std::move(write), std::move(records), out);
}

void GroupTable::ApplyChange(Entry& entry, const OffsetChange& change,
                             Offset log_offset) {
  const int64_t before = static_cast<int64_t>(entry.offsets.size());
  entry.offsets.Apply(change.partition, change.value, log_offset);
  stats_.offsets += static_cast<int64_t>(entry.offsets.size()) - before;
  if (change.value.has_value()) ++stats_.commits;
}

}  // namespace sillok
