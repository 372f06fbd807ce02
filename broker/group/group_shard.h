// One partition of `__consumer_offsets` on the broker that leads it: the group
// table and its journal, on one strand.
#ifndef SILLOK_BROKER_GROUP_GROUP_SHARD_H_
#define SILLOK_BROKER_GROUP_GROUP_SHARD_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_table.h"
#include "broker/journal/journaled_state.h"

namespace sillok {

// Thread-safe from outside: public methods post to the strand. Held by
// shared_ptr; what it has posted keeps it alive.
class GroupCoordinator::Shard
    : public std::enable_shared_from_this<GroupCoordinator::Shard>,
      private JournaledMachine {
 public:
  static std::shared_ptr<Shard> Create(int32_t partition,
                                       const GroupOptions& options,
                                       const Environment& environment);

  void Lead(LeaderEpoch epoch, std::shared_ptr<JournalPartition> journal);
  void Resign(LeaderEpoch epoch);
  // Resigns for good; `done` runs when it will not touch the timer any more.
  void Stop(std::function<void()> done);

  void Join(v1::JoinGroupRequest request, GroupCaller caller,
            Done<v1::JoinGroupResponse> done);
  void Sync(v1::SyncGroupRequest request, Done<v1::SyncGroupResponse> done);
  void Heartbeat(v1::HeartbeatRequest request,
                 Done<v1::HeartbeatResponse> done);
  void Leave(v1::LeaveGroupRequest request, Done<v1::LeaveGroupResponse> done);
  void Commit(v1::OffsetCommitRequest request, int64_t retention_ms,
              Done<v1::OffsetCommitResponse> done);
  void FetchOffsets(v1::OffsetFetchRequest request,
                    Done<v1::OffsetFetchResponse> done);
  // The groups of this shard alone. NOT_COORDINATOR when it does not lead.
  void List(v1::ListGroupsRequest request, Done<v1::ListGroupsResponse> done);
  void Describe(std::string group_id, Done<v1::DescribedGroup> done);
  void Delete(std::string group_id, Done<ErrorCode> done);
  void DeleteOffsets(v1::OffsetDeleteRequest request,
                     Done<v1::OffsetDeleteResponse> done);
  void OnTopicsDeleted(
      std::shared_ptr<const std::set<std::string>> topics);

  // Any thread: adds what was last published.
  void AddStats(Stats* stats) const;

 private:
  Shard(int32_t partition, const GroupOptions& options,
        const Environment& environment);

  // Runs `task` on the strand, then publishes and sets the timer.
  void Run(Task task);
  GroupTime Now() const;
  // Carries out what the table wants.
  void Carry(TableOutput out);
  void OnTimer();
  void SetTimer();
  void Publish();
  std::string NewMemberId(const v1::JoinGroupRequest& request) const;

  // JournaledMachine.
  void Drop(ErrorCode reason) override;
  void Replay(const ReplayedRecord& record) override;
  void ReplayMarker(ProducerId producer, bool committed) override;
  void OnLoaded() override;

  const GroupOptions options_;
  const Environment environment_;
  Strand strand_;

  // Owned by the strand.
  GroupTable table_;
  std::unique_ptr<JournaledState> journal_;
  CallId next_call_ = 1;
  std::unordered_map<CallId, Done<v1::JoinGroupResponse>> joins_;
  std::unordered_map<CallId, Done<v1::SyncGroupResponse>> syncs_;
  std::unordered_map<CallId, Done<v1::OffsetCommitResponse>> commits_;
  std::unordered_map<CallId, Done<ErrorCode>> deletions_;
  std::unordered_map<CallId, Done<v1::OffsetDeleteResponse>> offset_deletions_;
  int64_t next_retention_check_ms_ = kNeverMs;
  Timer::Id timer_ = Timer::kNone;
  int64_t timer_at_ms_ = kNeverMs;
  bool stopped_ = false;

  // Published after each task.
  struct Published {
    std::atomic<ErrorCode> check{ErrorCode::NOT_COORDINATOR};
    std::atomic<int64_t> groups{0};
    std::atomic<int64_t> offsets{0};
    std::atomic<int64_t> rebalances{0};
    std::atomic<int64_t> commits{0};
    std::atomic<int64_t> sessions_expired{0};
  };
  Published published_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_GROUP_SHARD_H_
