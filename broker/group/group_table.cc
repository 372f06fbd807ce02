#include "broker/group/group_table.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "broker/group/group_checks.h"
#include "glog/logging.h"

namespace sillok {
namespace {

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

bool SameButForCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) {
                      return std::tolower(x) == std::tolower(y);
                    });
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

void GroupTable::List(const v1::ListGroupsRequest& request,
                      v1::ListGroupsResponse* response) const {
  for (const auto& [id, entry] : entries_) {
    const std::string_view state = GroupStateName(entry->group.state());
    const auto wanted = [&](const std::string& name) {
      return SameButForCase(name, state);
    };
    if (!request.states().empty() &&
        std::none_of(request.states().begin(), request.states().end(),
                     wanted)) {
      continue;
    }
    v1::ListedGroup* group = response->add_groups();
    group->set_group_id(id);
    group->set_protocol_type(entry->group.protocol_type());
    group->set_state(std::string(state));
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
  // Whoever was given an id and has not come back with it begins anew.
  entry->group.ForgetPendingMembers();
  SetDeadline(*entry, entry->group.next_deadline_ms());
  Write write = Tombstones(*entry, entry->offsets.Concerned());
  write.delete_call = call;
  write.forgets_group = true;
  QueueTombstones(std::move(write), out);
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

// ---- writes

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

void GroupTable::OnReply(uint64_t id, ErrorCode error, GroupTime time,
                         TableOutput* out) {
  const auto found = writes_.find(id);
  if (found == writes_.end() || found->second.replied) return;
  Write& write = found->second;
  write.replied = true;
  AnswerCall(write, error, out);
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

// The call that waited for the write, if one did.
void GroupTable::AnswerCall(Write& write, ErrorCode error, TableOutput* out) {
  if (write.commit_call.has_value()) AnswerCommit(write, error, out);
  if (write.offset_delete_call.has_value()) {
    AnswerOffsetDelete(write, error, out);
  }
  if (write.delete_call.has_value()) {
    out->deletions.emplace_back(*write.delete_call, GroupError(error));
  }
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
    AnswerCall(write, reason, out);
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
  for (GroupEvent& event : from.events) {
    out->events.emplace_back(entry.group.id(), std::move(event));
  }
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
