// All groups of one partition of `__consumer_offsets`: members, offsets, and the
// records that keep them. A pure core: the shell gives it calls, the time and
// the fate of its writes, and carries out its TableOutput.
//
// Parked calls are numbered by the shell (CallId) and answered through the
// output; calls that never wait return their answer.
#ifndef SILLOK_BROKER_GROUP_GROUP_TABLE_H_
#define SILLOK_BROKER_GROUP_GROUP_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "broker/group/committed_offsets.h"
#include "broker/group/group.h"
#include "broker/group/group_options.h"
#include "broker/journal/journaled_state.h"
#include "proto/broker.pb.h"

namespace sillok {

// Records to be appended as one batch. Its fate comes back through OnReply
// (always) and OnSettled (when it is known), as JournalEntry says.
struct TableWrite {
  uint64_t id = 0;
  std::vector<JournalRecord> records;
};

struct TableOutput {
  std::vector<std::pair<CallId, v1::JoinGroupResponse>> joins;
  std::vector<std::pair<CallId, v1::SyncGroupResponse>> syncs;
  std::vector<std::pair<CallId, v1::OffsetCommitResponse>> commits;
  std::vector<std::pair<CallId, ErrorCode>> deletions;
  std::vector<std::pair<CallId, v1::OffsetDeleteResponse>> offset_deletions;
  std::vector<TableWrite> writes;
  std::vector<std::pair<std::string, GroupEvent>> events;  // by group id
};

// Whether there is a topic of this name; null = there is every topic.
using TopicExists = std::function<bool(const std::string& topic)>;

// An OffsetCommit with what the door and the shell know beside it.
struct CommitInput {
  CallId call = 0;
  const v1::OffsetCommitRequest* request = nullptr;
  int64_t retention_ms = -1;  // -1 = as configured
  const TopicExists* topic_exists = nullptr;
};

class GroupTable {
 public:
  // `options` outlives it.
  explicit GroupTable(const GroupOptions* options) : options_(options) {}
  GroupTable(const GroupTable&) = delete;
  GroupTable& operator=(const GroupTable&) = delete;

  // ---- calls

  void Join(const JoinInput& input, GroupTime time, TableOutput* out);
  void Sync(CallId call, const v1::SyncGroupRequest& request, GroupTime time,
            TableOutput* out);
  v1::HeartbeatResponse Heartbeat(const v1::HeartbeatRequest& request,
                                  GroupTime time);
  v1::LeaveGroupResponse Leave(const v1::LeaveGroupRequest& request,
                               GroupTime time, TableOutput* out);
  void Commit(const CommitInput& input, GroupTime time, TableOutput* out);
  v1::OffsetFetchResponse FetchOffsets(
      const v1::OffsetFetchRequest& request) const;
  void List(const v1::ListGroupsRequest& request,
            v1::ListGroupsResponse* response) const;
  v1::DescribedGroup Describe(const std::string& group_id) const;
  void Delete(CallId call, const std::string& group_id, TableOutput* out);
  void DeleteOffsets(CallId call, const v1::OffsetDeleteRequest& request,
                     const TopicExists& topic_exists, TableOutput* out);
  void OnTopicsDeleted(const std::set<std::string>& topics, TableOutput* out);

  // ---- time

  void OnTime(GroupTime time, TableOutput* out);
  // Earliest time at which OnTime may have something to do.
  int64_t next_deadline_ms() const;
  // Forgets what has been unused for the retention time; called now and then.
  void ExpireOffsets(GroupTime time, TableOutput* out);

  // ---- the journal

  // In log order; `base_offset` -1: surely not in the log.
  void OnSettled(uint64_t write, Offset base_offset);
  void OnReply(uint64_t write, ErrorCode error, GroupTime time,
               TableOutput* out);
  // A replay into an empty table; OnLoaded ends it.
  void Replay(const ReplayedRecord& record);
  void EndTransaction(ProducerId producer, bool committed);
  void OnLoaded(GroupTime time);
  // Forgets everything; parked calls get `reason`.
  void Drop(ErrorCode reason, TableOutput* out);

  // For tests: null when there is none.
  const Group* FindGroup(const std::string& group_id) const;
  const CommittedOffsets* FindOffsets(const std::string& group_id) const;

  struct Stats {
    int64_t groups = 0;
    int64_t offsets = 0;
    int64_t rebalances = 0;  // this and below: counted since the start
    int64_t commits = 0;
    int64_t sessions_expired = 0;
  };
  const Stats& stats() const { return stats_; }

 private:
  struct Entry {
    Entry(const std::string& id, const GroupOptions* options, GroupTime time)
        : group(id, options, time) {}
    Group group;
    CommittedOffsets offsets;
    int64_t deadline_ms = kNoDeadlineMs;  // as it stands in deadlines_
    int64_t counted_rebalances = 0;
    int64_t counted_expired = 0;
  };
  struct OffsetChange {
    TopicPartition partition;
    std::optional<OffsetValue> value;  // none = tombstone
  };
  struct Write {
    std::string group_id;
    uint64_t group_token = 0;            // of a GroupWrite; 0 = none
    std::vector<OffsetChange> changes;   // in the order of the records
    bool forgets_group = false;          // ends with the group's tombstone
    std::optional<CallId> commit_call;
    v1::OffsetCommitResponse commit_response;
    std::optional<CallId> delete_call;
    std::optional<CallId> offset_delete_call;
    v1::OffsetDeleteResponse offset_delete_response;
    bool replied = false;
    bool settled = false;
  };
  struct LoadedGroup {
    std::optional<GroupValue> value;
    CommittedOffsets offsets;
  };

  Entry* FindEntry(const std::string& group_id);
  const Entry* FindEntry(const std::string& group_id) const;
  Entry& GetOrCreateEntry(const std::string& group_id, GroupTime time);
  // After everything done to a group: takes its output, notes its deadline.
  void Finish(Entry& entry, GroupOutput&& from, TableOutput* out);
  void Finish(Entry& entry, TableOutput* out) { Finish(entry, {}, out); }
  Write Tombstones(Entry& entry,
                   const std::vector<TopicPartition>& partitions);
  // The tombstones of write.changes, and of the group if it is forgotten.
  void QueueTombstones(Write write, TableOutput* out);
  void Queue(Write write, std::vector<JournalRecord> records,
             TableOutput* out);
  ErrorCode CheckCommitter(const v1::OffsetCommitRequest& request,
                           Entry* entry, GroupTime time);
  ErrorCode CheckOffset(const v1::CommittedOffset& offset) const;
  void AnswerCall(Write& write, ErrorCode error, TableOutput* out);
  void AnswerCommit(Write& write, ErrorCode error, TableOutput* out);
  void AnswerOffsetDelete(Write& write, ErrorCode error, TableOutput* out);
  void ExpireOffsetsOf(Entry& entry, GroupTime time, TableOutput* out);
  void ApplyChange(Entry& entry, const OffsetChange& change,
                   Offset log_offset);
  bool CanForget(const Entry& entry) const;
  void Forget(const std::string& group_id);
  void SetDeadline(Entry& entry, int64_t deadline_ms);

  const GroupOptions* const options_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;
  std::set<std::pair<int64_t, std::string>> deadlines_;
  std::unordered_map<uint64_t, Write> writes_;
  uint64_t next_write_ = 1;
  std::map<std::string, LoadedGroup> loading_;
  // Which groups have offsets in whose open transaction.
  std::map<ProducerId, std::set<std::string>> transactions_;
  Stats stats_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_GROUP_TABLE_H_
