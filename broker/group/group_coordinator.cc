#include "broker/group/group_coordinator.h"

#include <future>
#include <mutex>
#include <random>
#include <set>
#include <utility>

#include "broker/group/failed_answers.h"
#include "broker/group/group_shard.h"
#include "proto/record/group_partition.h"

namespace sillok {
namespace {

// A random (version 4) UUID.
std::string MakeUuid() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string uuid;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) uuid += '-';
    uint32_t digit = random() & 15;
    if (i == 12) digit = 4;
    if (i == 16) digit = 8 | (digit & 3);
    uuid += kDigits[digit];
  }
  return uuid;
}

// Gathers the answers of several shards into one.
template <typename Response>
struct Gathered {
  std::mutex mutex;
  Response response;
  size_t missing = 0;
  std::function<void(Response)> done;

  // Calls `merge` under the lock; the last one answers.
  template <typename Merge>
  void Add(const Merge& merge) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      merge(response);
      if (--missing > 0) return;
    }
    done(std::move(response));
  }
};

constexpr ErrorCode kNotHere = ErrorCode::NOT_COORDINATOR;

}  // namespace

GroupCoordinator::GroupCoordinator(const GroupOptions& options,
                                   const Environment& environment)
    : options_(options),
      environment_(environment),
      partition_count_(options.offsets_topic_partitions) {
  if (!environment_.make_uuid) environment_.make_uuid = MakeUuid;
}

GroupCoordinator::~GroupCoordinator() { Stop(); }

// ---- finding the shard

int32_t GroupCoordinator::PartitionFor(std::string_view group_id) const {
  std::shared_lock<std::shared_mutex> lock(mutex_);
  return record::PartitionForGroup(group_id, partition_count_);
}

std::shared_ptr<GroupCoordinator::Shard> GroupCoordinator::FindShardOf(
    std::string_view group_id) const {
  std::shared_lock<std::shared_mutex> lock(mutex_);
  const auto found =
      shards_.find(record::PartitionForGroup(group_id, partition_count_));
  return found == shards_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<GroupCoordinator::Shard>>
GroupCoordinator::AllShards() const {
  std::shared_lock<std::shared_mutex> lock(mutex_);
  std::vector<std::shared_ptr<Shard>> shards;
  for (const auto& [partition, shard] : shards_) shards.push_back(shard);
  return shards;
}

void GroupCoordinator::OnLeadership(int32_t partition, LeaderEpoch epoch,
                                    std::shared_ptr<JournalPartition> journal) {
  std::shared_ptr<Shard> shard;
  {
    std::unique_lock<std::shared_mutex> lock(mutex_);
    if (stopped_) return;
    std::shared_ptr<Shard>& place = shards_[partition];
    if (place == nullptr) {
      place = Shard::Create(partition, options_, environment_);
    }
    shard = place;
  }
  shard->Lead(epoch, std::move(journal));
}

void GroupCoordinator::OnResigned(int32_t partition, LeaderEpoch epoch) {
  std::shared_ptr<Shard> shard;
  {
    std::shared_lock<std::shared_mutex> lock(mutex_);
    const auto found = shards_.find(partition);
    if (found == shards_.end()) return;
    shard = found->second;
  }
  shard->Resign(epoch);
}

void GroupCoordinator::SetPartitionCount(int32_t partitions) {
  if (partitions <= 0) return;
  std::unique_lock<std::shared_mutex> lock(mutex_);
  partition_count_ = partitions;
}

void GroupCoordinator::Stop() {
  std::map<int32_t, std::shared_ptr<Shard>> shards;
  {
    std::unique_lock<std::shared_mutex> lock(mutex_);
    stopped_ = true;
    shards.swap(shards_);
  }
  std::vector<std::future<void>> stopping;
  for (const auto& [partition, shard] : shards) {
    auto stopped = std::make_shared<std::promise<void>>();
    stopping.push_back(stopped->get_future());
    shard->Stop([stopped] { stopped->set_value(); });
  }
  for (std::future<void>& stopped : stopping) stopped.get();
}

// ---- calls

void GroupCoordinator::Join(v1::JoinGroupRequest request, GroupCaller caller,
                            Done<v1::JoinGroupResponse> done) {
  if (auto shard = FindShardOf(request.group_id())) {
    shard->Join(std::move(request), std::move(caller), std::move(done));
  } else {
    done(FailedJoin(request, kNotHere));
  }
}

void GroupCoordinator::Sync(v1::SyncGroupRequest request,
                            Done<v1::SyncGroupResponse> done) {
  if (auto shard = FindShardOf(request.group_id())) {
    shard->Sync(std::move(request), std::move(done));
  } else {
    done(Failed<v1::SyncGroupResponse>(kNotHere));
  }
}

void GroupCoordinator::Heartbeat(v1::HeartbeatRequest request,
                                 Done<v1::HeartbeatResponse> done) {
  if (auto shard = FindShardOf(request.group_id())) {
    shard->Heartbeat(std::move(request), std::move(done));
  } else {
    done(Failed<v1::HeartbeatResponse>(kNotHere));
  }
}

void GroupCoordinator::Leave(v1::LeaveGroupRequest request,
                             Done<v1::LeaveGroupResponse> done) {
  if (auto shard = FindShardOf(request.group_id())) {
    shard->Leave(std::move(request), std::move(done));
  } else {
    done(Failed<v1::LeaveGroupResponse>(kNotHere));
  }
}

void GroupCoordinator::Commit(v1::OffsetCommitRequest request,
                              Done<v1::OffsetCommitResponse> done,
                              int64_t retention_ms) {
  if (auto shard = FindShardOf(request.group_id())) {
    shard->Commit(std::move(request), retention_ms, std::move(done));
  } else {
    done(FailedCommit(request, kNotHere));
  }
}

void GroupCoordinator::FetchOffsets(v1::OffsetFetchRequest request,
                                    Done<v1::OffsetFetchResponse> done) {
  if (auto shard = FindShardOf(request.group_id())) {
    shard->FetchOffsets(std::move(request), std::move(done));
  } else {
    done(FailedFetch(request, kNotHere));
  }
}

void GroupCoordinator::List(v1::ListGroupsRequest request,
                            Done<v1::ListGroupsResponse> done) {
  const auto shards = AllShards();
  if (shards.empty()) return done({});
  auto gathered = std::make_shared<Gathered<v1::ListGroupsResponse>>();
  gathered->missing = shards.size();
  gathered->done = std::move(done);
  for (const auto& shard : shards) {
    shard->List(request, [gathered](v1::ListGroupsResponse part) {
      gathered->Add([&](v1::ListGroupsResponse& whole) {
        if (part.error_code() == v1::COORDINATOR_LOAD_IN_PROGRESS) {
          whole.set_error_code(part.error_code());
        }
        for (v1::ListedGroup& group : *part.mutable_groups()) {
          *whole.add_groups() = std::move(group);
        }
      });
    });
  }
}

void GroupCoordinator::Describe(v1::DescribeGroupsRequest request,
                                Done<v1::DescribeGroupsResponse> done) {
  if (request.group_ids().empty()) return done({});
  auto gathered = std::make_shared<Gathered<v1::DescribeGroupsResponse>>();
  gathered->missing = request.group_ids_size();
  gathered->done = std::move(done);
  for (int i = 0; i < request.group_ids_size(); ++i) {
    gathered->response.add_groups();
  }
  for (int i = 0; i < request.group_ids_size(); ++i) {
    const std::string& group_id = request.group_ids(i);
    const auto fill = [gathered, i](v1::DescribedGroup part) {
      gathered->Add([&](v1::DescribeGroupsResponse& whole) {
        *whole.mutable_groups(i) = std::move(part);
      });
    };
    if (auto shard = FindShardOf(group_id)) {
      shard->Describe(group_id, fill);
    } else {
      fill(FailedDescribe(group_id, kNotHere));
    }
  }
}

void GroupCoordinator::DeleteGroups(v1::DeleteGroupsRequest request,
                                    Done<v1::DeleteGroupsResponse> done) {
  if (request.group_ids().empty()) return done({});
  auto gathered = std::make_shared<Gathered<v1::DeleteGroupsResponse>>();
  gathered->missing = request.group_ids_size();
  gathered->done = std::move(done);
  for (const std::string& group_id : request.group_ids()) {
    gathered->response.add_groups()->set_group_id(group_id);
  }
  for (int i = 0; i < request.group_ids_size(); ++i) {
    const std::string& group_id = request.group_ids(i);
    const auto fill = [gathered, i](ErrorCode error) {
      gathered->Add([&](v1::DeleteGroupsResponse& whole) {
        whole.mutable_groups(i)->set_error_code(AsProto(error));
      });
    };
    if (auto shard = FindShardOf(group_id)) {
      shard->Delete(group_id, fill);
    } else {
      fill(kNotHere);
    }
  }
}

void GroupCoordinator::DeleteOffsets(v1::OffsetDeleteRequest request,
                                     Done<v1::OffsetDeleteResponse> done) {
  if (auto shard = FindShardOf(request.group_id())) {
    shard->DeleteOffsets(std::move(request), std::move(done));
  } else {
    done(FailedOffsetDelete(request, kNotHere));
  }
}

void GroupCoordinator::OnTopicsDeleted(std::vector<std::string> topics) {
  const auto shared =
      std::make_shared<const std::set<std::string>>(topics.begin(),
                                                    topics.end());
  if (shared->empty()) return;
  for (const auto& shard : AllShards()) shard->OnTopicsDeleted(shared);
}

GroupCoordinator::Stats GroupCoordinator::stats() const {
  Stats stats;
  for (const auto& shard : AllShards()) shard->AddStats(&stats);
  return stats;
}

}  // namespace sillok
