#include "broker/group/group_table.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace sillok {
namespace {

constexpr size_t kMaxTopicNameBytes = 249;
// Names that end up in records, ids made of them included, stay well below
// what a record's string can hold.
constexpr size_t kMaxNameBytes = 10'000;

// What a group call is told when its record could not be written.
ErrorCode GroupError(ErrorCode error) {
  return error == ErrorCode::MESSAGE_TOO_LARGE
             ? ErrorCode::UNKNOWN_SERVER_ERROR
             : error;
}

ErrorCode CommitError(ErrorCode error) {
  return error == ErrorCode::MESSAGE_TOO_LARGE
             ? ErrorCode::INVALID_COMMIT_OFFSET_SIZE
             : error;
}

bool IsGroupIdTooLong(const std::string& group_id) {
  return group_id.size() > kMaxNameBytes;
}

// For calls of members; offsets alone may be kept under an empty id, as in
// Kafka.
bool IsGroupIdValid(const std::string& group_id) {
  return !group_id.empty() && !IsGroupIdTooLong(group_id);
}

ErrorCode NoSuchGroup(const std::string& group_id) {
  return IsGroupIdValid(group_id) ? ErrorCode::UNKNOWN_MEMBER_ID
                                  : ErrorCode::INVALID_GROUP_ID;
}

// What can be said of a join without its group.
ErrorCode CheckJoin(const JoinInput& input, const GroupOptions& options) {
  const v1::JoinGroupRequest& request = *input.request;
  if (!IsGroupIdValid(request.group_id())) return ErrorCode::INVALID_GROUP_ID;
  if (request.session_timeout_ms() < options.min_session_timeout_ms ||
      request.session_timeout_ms() > options.max_session_timeout_ms) {
    return ErrorCode::INVALID_SESSION_TIMEOUT;
  }
  size_t longest = std::max({request.client_id().size(),
                             request.group_instance_id().size(),
                             request.protocol_type().size(),
                             input.client_host.size()});
  for (const v1::GroupProtocol& protocol : request.protocols()) {
    longest = std::max(longest, protocol.name().size());
  }
  return longest > kMaxNameBytes ? ErrorCode::INVALID_REQUEST
                                 : ErrorCode::NONE;
}

// Topics that some member of a stable consumer group subscribes to; none when a
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

// ---- calls

void GroupTable::Join(const JoinInput& input, GroupTime time,
                      TableOutput* out) {
  const std::string& group_id = input.request->group_id();
  ErrorCode error = CheckJoin(input, *options_);
  Entry* entry = FindEntry(group_id);
  if (error == ErrorCode::NONE && entry == nullptr &&
      !input.request->member_id().empty()) {
    error = ErrorCode::UNKNOWN_MEMBER_ID;
  }
  if (error != ErrorCode::NONE) {
    v1::JoinGroupResponse response;
    response.set_error_code(AsProto(error));
    response.set_generation_id(-1);
    response.set_member_id(input.request->member_id());
    out->joins.emplace_back(input.call, std::move(response));
    return;
  }
  if (entry == nullptr) entry = &GetOrCreateEntry(group_id, time);
  GroupOutput group_out;
  entry->group.Join(input, time, &group_out);
  Finish(*entry, std::move(group_out), out);
}

void GroupTable::Sync(CallId call, const v1::SyncGroupRequest& request,
                      GroupTime time, TableOutput* out) {
  Entry* entry = FindEntry(request.group_id());
  if (entry == nullptr) {
    v1::SyncGroupResponse response;
    response.set_error_code(AsProto(NoSuchGroup(request.group_id())));
    out->syncs.emplace_back(call, std::move(response));
    return;
  }
  GroupOutput group_out;
  entry->group.Sync(call, request, time, &group_out);
  Finish(*entry, std::move(group_out), out);
}

v1::HeartbeatResponse GroupTable::Heartbeat(
    const v1::HeartbeatRequest& request, GroupTime time) {
  v1::HeartbeatResponse response;
  Entry* entry = FindEntry(request.group_id());
  if (entry == nullptr) {
    response.set_error_code(AsProto(NoSuchGroup(request.group_id())));
    return response;
  }
  response.set_error_code(AsProto(entry->group.Heartbeat(request, time)));
  SetDeadline(*entry, entry->group.next_deadline_ms());
  return response;
}

v1::LeaveGroupResponse GroupTable::Leave(const v1::LeaveGroupRequest& request,
                                         GroupTime time, TableOutput* out) {
  v1::LeaveGroupResponse response;
  if (!IsGroupIdValid(request.group_id())) {
    response.set_error_code(v1::INVALID_GROUP_ID);
    return response;
  }
  Entry* entry = FindEntry(request.group_id());
  GroupOutput group_out;
  for (const v1::LeavingMember& member : request.members()) {
    response.add_members(AsProto(
        entry == nullptr ? ErrorCode::UNKNOWN_MEMBER_ID
                         : entry->group.Leave(member, time, &group_out)));
  }
  if (entry != nullptr) Finish(*entry, std::move(group_out), out);
  return response;
}

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

void GroupTable::Commit(CallId call, const v1::OffsetCommitRequest& request,
                        GroupTime time, TableOutput* out) {
  const std::string& group_id = request.group_id();
  Entry* entry = FindEntry(group_id);
  ErrorCode error = ErrorCode::NONE;
  if (entry != nullptr) {
    error = entry->group.CheckCommit(request, time);
    SetDeadline(*entry, entry->group.next_deadline_ms());
  } else if (request.generation_id() >= 0) {
    error = ErrorCode::ILLEGAL_GENERATION;  // of a group long forgotten
  } else if (IsGroupIdTooLong(group_id)) {
    error = ErrorCode::INVALID_GROUP_ID;
  }

  Write write;
  write.group_id = group_id;
  write.commit_call = call;
  std::vector<JournalRecord> records;
  for (const v1::CommittedOffset& wanted : request.offsets()) {
    v1::CommittedOffset* answer = write.commit_response.add_offsets();
    answer->set_topic(wanted.topic());
    answer->set_partition(wanted.partition());
    const ErrorCode own =
        error == ErrorCode::NONE ? CheckOffset(wanted) : error;
    answer->set_error_code(AsProto(own));
    if (own != ErrorCode::NONE) continue;
    OffsetValue value;
    value.offset = wanted.offset();
    value.leader_epoch = wanted.leader_epoch();
    value.metadata = wanted.metadata();
    value.commit_timestamp_ms = time.wall_ms;
    records.push_back(
        {EncodeOffsetKey(group_id, wanted.topic(), wanted.partition()),
         EncodeOffsetValue(value)});
    write.changes.push_back(
        {{wanted.topic(), wanted.partition()}, std::move(value)});
  }
  write.commit_response.set_error_code(AsProto(error));
  if (records.empty()) {
    out->commits.emplace_back(call, std::move(write.commit_response));
    return;
  }
  if (entry == nullptr) entry = &GetOrCreateEntry(group_id, time);
  for (const OffsetChange& change : write.changes) {
    entry->offsets.BeginCommit(change.partition);
  }
  Queue(std::move(write), std::move(records), out);
}

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

void GroupTable::List(const v1::ListGroupsRequest& request,
                      v1::ListGroupsResponse* response) const {
  for (const auto& [id, entry] : entries_) {
    const std::string state(GroupStateName(entry->group.state()));
    if (!request.states().empty() &&
        std::find(request.states().begin(), request.states().end(), state) ==
            request.states().end()) {
      continue;
    }
    v1::ListedGroup* group = response->add_groups();
    group->set_group_id(id);
    group->set_protocol_type(entry->group.protocol_type());
    group->set_state(state);
  }
}

v1::DescribedGroup GroupTable::Describe(const std::string& group_id) const {
  if (const Entry* entry = FindEntry(group_id)) {
    return entry->group.Describe();
  }
  v1::DescribedGroup dead;
  dead.set_group_id(group_id);
  dead.set_state(std::string(GroupStateName(GroupState::kDead)));
  return dead;
}

void GroupTable::Delete(CallId call, const std::string& group_id,
                        TableOutput* out) {
  Entry* entry = FindEntry(group_id);
  if (entry == nullptr) {
    out->deletions.emplace_back(call, ErrorCode::GROUP_ID_NOT_FOUND);
    return;
  }
  if (entry->group.state() != GroupState::kEmpty) {
    out->deletions.emplace_back(call, ErrorCode::NON_EMPTY_GROUP);
    return;
  }
  std::vector<TopicPartition> all;
  entry->offsets.ForEach([&](const TopicPartition& p, const OffsetValue&) {
    all.push_back(p);
  });
  WriteTombstones(group_id, all, /*forget_group=*/true, call, out);
}

// ---- time

int64_t GroupTable::next_deadline_ms() const {
  return deadlines_.empty() ? kNoDeadlineMs : deadlines_.begin()->first;
}

void GroupTable::OnTime(GroupTime time, TableOutput* out) {
  // Once per group and call, even if it should stay due.
  std::vector<std::string> due;
  for (const auto& [deadline_ms, id] : deadlines_) {
    if (deadline_ms > time.now_ms) break;
    due.push_back(id);
  }
  for (const std::string& id : due) {
    Entry& entry = *FindEntry(id);
    GroupOutput group_out;
    entry.group.OnTime(time, &group_out);
    Finish(entry, std::move(group_out), out);
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
             group.protocol_type() == "consumer") {
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
  WriteTombstones(group.id(), expired, forget, std::nullopt, out);
}

// ---- writes

void GroupTable::WriteTombstones(const std::string& group_id,
                                 const std::vector<TopicPartition>& partitions,
                                 bool forget_group,
                                 std::optional<CallId> call,
                                 TableOutput* out) {
  Entry& entry = *FindEntry(group_id);
  Write write;
  write.group_id = group_id;
  write.delete_call = call;
  write.forgets_group = forget_group;
  std::vector<JournalRecord> records;
  for (const TopicPartition& p : partitions) {
    records.push_back(
        {EncodeOffsetKey(group_id, p.topic, p.partition), std::nullopt});
    write.changes.push_back({p, std::nullopt});
    entry.offsets.BeginCommit(p);
  }
  if (forget_group) {
    records.push_back({EncodeGroupKey(group_id), std::nullopt});
  }
  Queue(std::move(write), std::move(records), out);
}

void GroupTable::Queue(Write write, std::vector<JournalRecord> records,
                       TableOutput* out) {
  const uint64_t id = next_write_++;
  writes_.emplace(id, std::move(write));
  out->writes.push_back({id, std::move(records)});
}

void GroupTable::OnSettled(uint64_t id, Offset base_offset) {
  const auto found = writes_.find(id);
  if (found == writes_.end() || found->second.settled) return;
  Write& write = found->second;
  write.settled = true;
  Entry* entry = FindEntry(write.group_id);
  if (entry != nullptr) {
    for (size_t i = 0; i < write.changes.size(); ++i) {
      const OffsetChange& change = write.changes[i];
      entry->offsets.EndCommit(change.partition);
      if (base_offset == kNoOffset) continue;
      ApplyChange(*entry, change, base_offset + static_cast<int64_t>(i));
    }
    if (base_offset != kNoOffset && write.forgets_group &&
        CanForget(*entry)) {
      Forget(write.group_id);
    }
  }
  if (write.replied) writes_.erase(found);
}

void GroupTable::ApplyChange(Entry& entry, const OffsetChange& change,
                             Offset log_offset) {
  const int64_t before = static_cast<int64_t>(entry.offsets.size());
  entry.offsets.Apply(change.partition, change.value, log_offset);
  stats_.offsets += static_cast<int64_t>(entry.offsets.size()) - before;
  if (change.value.has_value()) ++stats_.commits;
}

void GroupTable::OnReply(uint64_t id, ErrorCode error, GroupTime time,
                         TableOutput* out) {
  const auto found = writes_.find(id);
  if (found == writes_.end() || found->second.replied) return;
  Write& write = found->second;
  write.replied = true;
  if (write.commit_call.has_value()) AnswerCommit(write, error, out);
  if (write.delete_call.has_value()) {
    out->deletions.emplace_back(*write.delete_call, GroupError(error));
  }
  const uint64_t token = write.group_token;
  const std::string group_id = write.group_id;
  if (write.settled) writes_.erase(found);
  Entry* entry = FindEntry(group_id);
  // When the leadership is over, Drop follows and answers the group's calls.
  if (token == 0 || entry == nullptr ||
      error == ErrorCode::NOT_COORDINATOR) {
    return;
  }
  GroupOutput group_out;
  entry->group.OnWritten(token, GroupError(error), time, &group_out);
  Finish(*entry, std::move(group_out), out);
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

// ---- replay and the end

void GroupTable::Replay(const ReplayedRecord& record) {
  const auto key = ParseKey(record.key);
  if (const auto* group_key = std::get_if<GroupKey>(&key)) {
    std::optional<GroupValue> value;
    if (record.value.has_value()) {
      value = ParseGroupValue(*record.value);
      if (!value.has_value()) {
        LOG(WARNING) << "unreadable group record group=" << group_key->group
                     << " offset=" << record.offset;
        return;
      }
    }
    loading_[group_key->group].value = std::move(value);
    return;
  }
  const auto* offset_key = std::get_if<OffsetKey>(&key);
  if (offset_key == nullptr) return;
  std::optional<OffsetValue> value;
  if (record.value.has_value()) {
    value = ParseOffsetValue(*record.value);
    if (!value.has_value()) {
      LOG(WARNING) << "unreadable offset record group=" << offset_key->group
                   << " offset=" << record.offset;
      return;
    }
  }
  const TopicPartition partition{offset_key->topic, offset_key->partition};
  CommittedOffsets& offsets = loading_[offset_key->group].offsets;
  if (record.transaction == kNoProducerId) {
    offsets.Apply(partition, std::move(value), record.offset);
  } else {
    offsets.ApplyInTransaction(record.transaction, partition,
                               std::move(value), record.offset);
    transactions_[record.transaction].insert(offset_key->group);
  }
}

void GroupTable::EndTransaction(ProducerId producer, bool committed) {
  auto node = transactions_.extract(producer);
  if (node.empty()) return;
  for (const std::string& group_id : node.mapped()) {
    if (const auto found = loading_.find(group_id); found != loading_.end()) {
      found->second.offsets.EndTransaction(producer, committed);
    }
    if (Entry* entry = FindEntry(group_id)) {
      const int64_t before = static_cast<int64_t>(entry->offsets.size());
      entry->offsets.EndTransaction(producer, committed);
      stats_.offsets += static_cast<int64_t>(entry->offsets.size()) - before;
    }
  }
}

void GroupTable::OnLoaded(GroupTime time) {
  for (auto& [id, loaded] : loading_) {
    if (!loaded.value.has_value() && loaded.offsets.idle()) continue;
    Entry& entry = GetOrCreateEntry(id, time);
    entry.offsets = std::move(loaded.offsets);
    stats_.offsets += static_cast<int64_t>(entry.offsets.size());
    if (loaded.value.has_value()) entry.group.Restore(*loaded.value, time);
    SetDeadline(entry, entry.group.next_deadline_ms());
  }
  loading_.clear();
}

void GroupTable::Drop(ErrorCode reason, TableOutput* out) {
  for (auto& [id, entry] : entries_) {
    GroupOutput group_out;
    entry->group.Drop(reason, &group_out);
    Finish(*entry, std::move(group_out), out);
  }
  for (auto& [id, write] : writes_) {
    if (write.replied) continue;
    if (write.commit_call.has_value()) AnswerCommit(write, reason, out);
    if (write.delete_call.has_value()) {
      out->deletions.emplace_back(*write.delete_call, reason);
    }
  }
  entries_.clear();
  deadlines_.clear();
  writes_.clear();
  loading_.clear();
  transactions_.clear();
  stats_.groups = stats_.offsets = 0;
}

// ---- entries

GroupTable::Entry* GroupTable::FindEntry(const std::string& group_id) {
  const auto found = entries_.find(group_id);
  return found == entries_.end() ? nullptr : found->second.get();
}

const GroupTable::Entry* GroupTable::FindEntry(
    const std::string& group_id) const {
  const auto found = entries_.find(group_id);
  return found == entries_.end() ? nullptr : found->second.get();
}

const Group* GroupTable::FindGroup(const std::string& group_id) const {
  const Entry* entry = FindEntry(group_id);
  return entry == nullptr ? nullptr : &entry->group;
}

const CommittedOffsets* GroupTable::FindOffsets(
    const std::string& group_id) const {
  const Entry* entry = FindEntry(group_id);
  return entry == nullptr ? nullptr : &entry->offsets;
}

GroupTable::Entry& GroupTable::GetOrCreateEntry(const std::string& group_id,
                                                GroupTime time) {
  std::unique_ptr<Entry>& entry = entries_[group_id];
  if (entry == nullptr) {
    entry = std::make_unique<Entry>(group_id, options_, time);
    ++stats_.groups;
  }
  return *entry;
}

void GroupTable::Finish(Entry& entry, GroupOutput&& from, TableOutput* out) {
  for (auto& join : from.joins) out->joins.push_back(std::move(join));
  for (auto& sync : from.syncs) out->syncs.push_back(std::move(sync));
  for (const GroupWrite& group_write : from.writes) {
    Write write;
    write.group_id = entry.group.id();
    write.group_token = group_write.token;
    Queue(std::move(write),
          {{EncodeGroupKey(entry.group.id()),
            EncodeGroupValue(group_write.value)}},
          out);
  }
  stats_.rebalances += entry.group.rebalances() - entry.counted_rebalances;
  entry.counted_rebalances = entry.group.rebalances();
  stats_.sessions_expired +=
      entry.group.sessions_expired() - entry.counted_expired;
  entry.counted_expired = entry.group.sessions_expired();
  SetDeadline(entry, entry.group.next_deadline_ms());
}

bool GroupTable::CanForget(const Entry& entry) const {
  return entry.group.state() == GroupState::kEmpty &&
         entry.group.pending_member_count() == 0 &&
         !entry.group.has_pending_write() && entry.offsets.idle();
}

void GroupTable::Forget(const std::string& group_id) {
  Entry* entry = FindEntry(group_id);
  SetDeadline(*entry, kNoDeadlineMs);
  entries_.erase(group_id);
  --stats_.groups;
}

void GroupTable::SetDeadline(Entry& entry, int64_t deadline_ms) {
  if (entry.deadline_ms == deadline_ms) return;
  if (entry.deadline_ms != kNoDeadlineMs) {
    deadlines_.erase({entry.deadline_ms, entry.group.id()});
  }
  entry.deadline_ms = deadline_ms;
  if (deadline_ms != kNoDeadlineMs) {
    deadlines_.insert({deadline_ms, entry.group.id()});
  }
}

}  // namespace sillok
