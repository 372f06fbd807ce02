#include "test/support/fake_broker.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string_view>

#include "base/rpc/server.h"
#include "broker/log/producer_states.h"
#include "glog/logging.h"
#include "proto/broker.grpc.pb.h"
#include "proto/record/record_batch.h"

namespace sillok::test {
namespace {

using Lock = std::unique_lock<std::mutex>;

v1::ErrorCode Proto(ErrorCode code) {
  return static_cast<v1::ErrorCode>(static_cast<int>(code));
}

struct FakePartition {
  int leader = -1;
  int epoch = 0;
  std::vector<std::string> batches;
  int64_t start = 0;
  int64_t end = 0;
  ProducerStates producers;
  std::vector<ErrorCode> produce_faults;
  std::vector<ErrorCode> fetch_faults;
};

struct FakeMember {
  std::string metadata;
  std::string client_id;
  std::string assignment;
  bool joined = false;  // of the rebalance going on
};

// Kafka's classic group, as small as it can be: a rebalance ends when every
// member has joined again.
struct FakeGroup {
  int generation = 0;
  std::string state = "Empty";
  std::string leader;
  std::string protocol;
  std::map<std::string, FakeMember> members;
  std::map<TopicPartition, int64_t> offsets;
  std::vector<ErrorCode> faults;
  int next_member = 1;
};

ErrorCode TakeFault(std::vector<ErrorCode>* faults) {
  if (faults->empty()) return ErrorCode::NONE;
  ErrorCode code = faults->front();
  faults->erase(faults->begin());
  return code;
}

}  // namespace

struct FakeCluster::Impl {
  class Service;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::vector<FakePartition>> topics;
  std::map<std::string, FakeGroup> groups;
  std::vector<std::unique_ptr<Service>> services;
  std::vector<std::unique_ptr<rpc::RpcServer>> servers;
  std::vector<int> ports;
  std::vector<bool> up;
  bool auto_create = false;
  bool hold_produce = false;
  int lose_answers = 0;
  int64_t max_message_bytes = INT64_MAX;
  int64_t next_producer_id = 4000;
  std::vector<ErrorCode> producer_id_faults;
  int coordinator = 1;
  int produce_requests = 0;
  bool stopping = false;

  FakePartition* Find(const TopicPartition& id) {
    auto topic = topics.find(id.topic);
    if (topic == topics.end() || id.partition < 0 ||
        static_cast<size_t>(id.partition) >= topic->second.size()) {
      return nullptr;
    }
    return &topic->second[static_cast<size_t>(id.partition)];
  }
  void AddTopicLocked(const std::string& name, int partitions) {
    auto& list = topics[name];
    list.resize(static_cast<size_t>(partitions));
    for (int p = 0; p < partitions; ++p) {
      list[static_cast<size_t>(p)].leader =
          1 + p % static_cast<int>(ports.size());
    }
    changed.notify_all();
  }
  void AppendLocked(FakePartition* partition, std::string batch) {
    auto header = record::ParseBatchHeader(batch.data());
    record::PokeOffsetAndEpoch(batch.data(), Offset(partition->end),
                               LeaderEpoch(partition->epoch));
    header.base_offset = partition->end;
    partition->producers.Append(header, 0);
    partition->end += header.last_offset_delta + 1;
    partition->batches.push_back(std::move(batch));
    changed.notify_all();
  }
  void FillMetadata(const v1::MetadataRequest& request,
                    v1::MetadataResponse* response);
};

class FakeCluster::Impl::Service final : public v1::Broker::Service {
 public:
  Service(Impl* impl, int id) : impl_(*impl), id_(id) {}

  using Context = grpc::ServerContext;

  grpc::Status Metadata(Context*, const v1::MetadataRequest* request,
                        v1::MetadataResponse* response) override {
    Lock lock(impl_.mutex);
    impl_.FillMetadata(*request, response);
    return grpc::Status::OK;
  }

  grpc::Status InitProducerId(Context*, const v1::InitProducerIdRequest*,
                              v1::InitProducerIdResponse* response) override {
    Lock lock(impl_.mutex);
    if (!impl_.producer_id_faults.empty()) {
      const ErrorCode code = TakeFault(&impl_.producer_id_faults);
      if (code == ErrorCode::NONE) {
        return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "not here");
      }
      response->set_error_code(Proto(code));
      response->set_producer_id(-1);
      return grpc::Status::OK;
    }
    response->set_producer_id(impl_.next_producer_id++);
    return grpc::Status::OK;
  }

  grpc::Status Produce(Context* context, const v1::ProduceRequest* request,
                       v1::ProduceResponse* response) override {
    Lock lock(impl_.mutex);
    Append(*request, response);
    AwaitRelease(context, &lock);
    return grpc::Status::OK;
  }

  grpc::Status ProduceStream(
      Context* context,
      grpc::ServerReaderWriter<v1::ProduceResponse, v1::ProduceRequest>* stream)
      override {
    v1::ProduceRequest request;
    while (stream->Read(&request)) {
      v1::ProduceResponse response;
      {
        Lock lock(impl_.mutex);
        if (!impl_.up[Index()]) break;
        Append(request, &response);
        if (impl_.lose_answers > 0) {
          --impl_.lose_answers;
          return grpc::Status(grpc::StatusCode::UNAVAILABLE, "lost on purpose");
        }
        if (!AwaitRelease(context, &lock)) break;
      }
      if (request.acks() != 0 && !stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

  grpc::Status Fetch(Context* context, const v1::FetchRequest* request,
                     v1::FetchResponse* response) override {
    FetchOnce(context, *request, response);
    return grpc::Status::OK;
  }

  grpc::Status FetchStream(
      Context* context,
      grpc::ServerReaderWriter<v1::FetchResponse, v1::FetchRequest>* stream)
      override {
    v1::FetchRequest request;
    while (stream->Read(&request)) {
      v1::FetchResponse response;
      if (!FetchOnce(context, request, &response)) break;
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

  grpc::Status ListOffsets(Context*, const v1::ListOffsetsRequest* request,
                           v1::ListOffsetsResponse* response) override {
    Lock lock(impl_.mutex);
    for (const auto& wanted : request->partitions()) {
      auto* result = response->add_partitions();
      result->set_topic(wanted.topic());
      result->set_partition(wanted.partition());
      result->set_offset(-1);
      result->set_timestamp_ms(-1);
      FakePartition* partition =
          impl_.Find({wanted.topic(), wanted.partition()});
      if (partition == nullptr || partition->leader != id_) {
        result->set_error_code(
            partition == nullptr ? v1::UNKNOWN_TOPIC_OR_PARTITION
                                 : v1::NOT_LEADER_OR_FOLLOWER);
        continue;
      }
      result->set_leader_epoch(partition->epoch);
      if (wanted.timestamp_ms() == -1) result->set_offset(partition->end);
      if (wanted.timestamp_ms() == -2) result->set_offset(partition->start);
      if (wanted.timestamp_ms() >= 0) ByTime(*partition, wanted, result);
    }
    return grpc::Status::OK;
  }

  grpc::Status OffsetsForLeaderEpoch(
      Context*, const v1::OffsetsForLeaderEpochRequest* request,
      v1::OffsetsForLeaderEpochResponse* response) override {
    Lock lock(impl_.mutex);
    for (const v1::PartitionLeaderEpoch& asked : request->partitions()) {
      v1::PartitionEpochEnd* answer = response->add_partitions();
      answer->set_topic(asked.topic());
      answer->set_partition(asked.partition());
      answer->set_leader_epoch(-1);
      answer->set_end_offset(-1);
      FakePartition* partition =
          impl_.Find({asked.topic(), asked.partition()});
      if (partition == nullptr || partition->leader != id_) {
        answer->set_error_code(v1::NOT_LEADER_OR_FOLLOWER);
        continue;
      }
      for (const std::string& batch : partition->batches) {
        auto header = record::ParseBatchHeader(batch.data());
        if (header.partition_leader_epoch > asked.leader_epoch()) break;
        answer->set_leader_epoch(header.partition_leader_epoch);
        answer->set_end_offset(header.next_offset().value());
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status FindCoordinator(Context*, const v1::FindCoordinatorRequest*,
                               v1::FindCoordinatorResponse* response) override {
    Lock lock(impl_.mutex);
    size_t index = static_cast<size_t>(impl_.coordinator - 1);
    response->mutable_coordinator()->set_broker_id(impl_.coordinator);
    response->mutable_coordinator()->set_host("127.0.0.1");
    response->mutable_coordinator()->set_port(impl_.ports[index]);
    return grpc::Status::OK;
  }

  grpc::Status JoinGroup(Context* context, const v1::JoinGroupRequest* request,
                         v1::JoinGroupResponse* response) override {
    Lock lock(impl_.mutex);
    FakeGroup& group = impl_.groups[request->group_id()];
    ErrorCode fault = Check(&group);
    if (fault != ErrorCode::NONE) {
      response->set_error_code(Proto(fault));
      return grpc::Status::OK;
    }
    std::string id = request->member_id();
    if (id.empty()) {
      id = request->client_id() + "-" + std::to_string(group.next_member++);
      response->set_member_id(id);
      // Known from now on, but not waited for.
      pending_.insert(id);
      response->set_error_code(v1::MEMBER_ID_REQUIRED);
      return grpc::Status::OK;
    }
    if (group.members.count(id) == 0 && pending_.erase(id) == 0) {
      response->set_error_code(v1::UNKNOWN_MEMBER_ID);
      return grpc::Status::OK;
    }
    if (group.state != "PreparingRebalance") {
      group.state = "PreparingRebalance";
      for (auto& [other, member] : group.members) member.joined = false;
    }
    FakeMember& member = group.members[id];
    member.client_id = request->client_id();
    member.metadata = request->protocols(0).metadata();
    group.protocol = request->protocols(0).name();
    member.joined = true;
    CompleteJoin(&group);
    int generation = group.generation;
    impl_.changed.notify_all();
    Wait(context, &lock, [&] {
      return group.generation != generation || group.state != "PreparingRebalance" ||
             group.members.count(id) == 0;
    });
    if (group.members.count(id) == 0) {
      response->set_error_code(v1::UNKNOWN_MEMBER_ID);
      return grpc::Status::OK;
    }
    response->set_generation_id(group.generation);
    response->set_protocol_type("consumer");
    response->set_protocol_name(group.protocol);
    response->set_leader(group.leader);
    response->set_member_id(id);
    if (id != group.leader) return grpc::Status::OK;
    for (const auto& [other, data] : group.members) {
      auto* joined = response->add_members();
      joined->set_member_id(other);
      joined->set_metadata(data.metadata);
    }
    return grpc::Status::OK;
  }

  grpc::Status SyncGroup(Context* context, const v1::SyncGroupRequest* request,
                         v1::SyncGroupResponse* response) override {
    Lock lock(impl_.mutex);
    FakeGroup& group = impl_.groups[request->group_id()];
    ErrorCode code = CheckMember(&group, request->member_id(),
                                 request->generation_id());
    if (code == ErrorCode::NONE && group.state == "PreparingRebalance") {
      code = ErrorCode::REBALANCE_IN_PROGRESS;
    }
    if (code != ErrorCode::NONE) {
      response->set_error_code(Proto(code));
      return grpc::Status::OK;
    }
    if (request->member_id() == group.leader) {
      for (const auto& assignment : request->assignments()) {
        group.members[assignment.member_id()].assignment =
            assignment.assignment();
      }
      group.state = "Stable";
      impl_.changed.notify_all();
    }
    int generation = request->generation_id();
    Wait(context, &lock, [&] {
      return group.state == "Stable" || group.generation != generation ||
             group.state == "PreparingRebalance";
    });
    if (group.generation != generation || group.state != "Stable") {
      response->set_error_code(v1::REBALANCE_IN_PROGRESS);
      return grpc::Status::OK;
    }
    response->set_assignment(group.members[request->member_id()].assignment);
    response->set_protocol_name(group.protocol);
    return grpc::Status::OK;
  }

  grpc::Status Heartbeat(Context*, const v1::HeartbeatRequest* request,
                         v1::HeartbeatResponse* response) override {
    Lock lock(impl_.mutex);
    FakeGroup& group = impl_.groups[request->group_id()];
    ErrorCode code =
        CheckMember(&group, request->member_id(), request->generation_id());
    if (code == ErrorCode::NONE && group.state == "PreparingRebalance") {
      code = ErrorCode::REBALANCE_IN_PROGRESS;
    }
    response->set_error_code(Proto(code));
    return grpc::Status::OK;
  }

  grpc::Status LeaveGroup(Context*, const v1::LeaveGroupRequest* request,
                          v1::LeaveGroupResponse* response) override {
    Lock lock(impl_.mutex);
    FakeGroup& group = impl_.groups[request->group_id()];
    for (const auto& member : request->members()) {
      bool known = group.members.erase(member.member_id()) != 0;
      response->add_members(known ? v1::NONE : v1::UNKNOWN_MEMBER_ID);
    }
    StartRebalance(&group);
    return grpc::Status::OK;
  }

  grpc::Status OffsetCommit(Context*, const v1::OffsetCommitRequest* request,
                            v1::OffsetCommitResponse* response) override {
    Lock lock(impl_.mutex);
    FakeGroup& group = impl_.groups[request->group_id()];
    ErrorCode code = request->generation_id() < 0
                         ? Check(&group)
                         : CheckMember(&group, request->member_id(),
                                       request->generation_id());
    response->set_error_code(Proto(code));
    for (const auto& offset : request->offsets()) {
      auto* answer = response->add_offsets();
      answer->set_topic(offset.topic());
      answer->set_partition(offset.partition());
      answer->set_error_code(Proto(code));
      if (code == ErrorCode::NONE) {
        group.offsets[{offset.topic(), offset.partition()}] = offset.offset();
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status OffsetFetch(Context*, const v1::OffsetFetchRequest* request,
                           v1::OffsetFetchResponse* response) override {
    Lock lock(impl_.mutex);
    FakeGroup& group = impl_.groups[request->group_id()];
    ErrorCode code = Check(&group);
    response->set_error_code(Proto(code));
    if (code != ErrorCode::NONE) return grpc::Status::OK;
    auto add = [&](const TopicPartition& id) {
      auto found = group.offsets.find(id);
      auto* offset = response->add_offsets();
      offset->set_topic(id.topic);
      offset->set_partition(id.partition);
      offset->set_offset(found == group.offsets.end() ? -1 : found->second);
      offset->set_leader_epoch(-1);
    };
    for (const auto& wanted : request->partitions()) {
      add({wanted.topic(), wanted.partition()});
    }
    if (request->all_partitions()) {
      for (const auto& [id, offset] : group.offsets) add(id);
    }
    return grpc::Status::OK;
  }

  grpc::Status ListGroups(Context*, const v1::ListGroupsRequest*,
                          v1::ListGroupsResponse* response) override {
    Lock lock(impl_.mutex);
    if (impl_.coordinator != id_) return grpc::Status::OK;
    for (const auto& [id, group] : impl_.groups) {
      auto* listed = response->add_groups();
      listed->set_group_id(id);
      listed->set_protocol_type("consumer");
      listed->set_state(group.state);
    }
    return grpc::Status::OK;
  }

  grpc::Status DescribeGroups(Context*, const v1::DescribeGroupsRequest* request,
                              v1::DescribeGroupsResponse* response) override {
    Lock lock(impl_.mutex);
    for (const std::string& id : request->group_ids()) {
      auto* described = response->add_groups();
      described->set_group_id(id);
      if (impl_.coordinator != id_) {
        described->set_error_code(v1::NOT_COORDINATOR);
        continue;
      }
      auto found = impl_.groups.find(id);
      if (found == impl_.groups.end()) {
        described->set_state("Dead");
        continue;
      }
      described->set_state(found->second.state);
      described->set_protocol_type("consumer");
      described->set_protocol_name(found->second.protocol);
      for (const auto& [member_id, member] : found->second.members) {
        auto* out = described->add_members();
        out->set_member_id(member_id);
        out->set_client_id(member.client_id);
        out->set_client_host("/127.0.0.1");
        out->set_metadata(member.metadata);
        out->set_assignment(member.assignment);
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status CreateTopics(Context*, const v1::CreateTopicsRequest* request,
                            v1::CreateTopicsResponse* response) override {
    Lock lock(impl_.mutex);
    for (const auto& topic : request->topics()) {
      auto* result = response->add_topics();
      result->set_name(topic.name());
      if (impl_.topics.count(topic.name()) != 0) {
        result->set_error_code(v1::TOPIC_ALREADY_EXISTS);
        result->set_error_message("topic '" + topic.name() + "' exists");
        continue;
      }
      if (topic.replication_factor() > static_cast<int>(impl_.ports.size())) {
        result->set_error_code(v1::INVALID_REPLICATION_FACTOR);
        result->set_error_message("more replicas than brokers");
        continue;
      }
      int partitions = topic.partitions() == 0 ? 1 : topic.partitions();
      result->set_partitions(partitions);
      result->set_replication_factor(std::max(1, topic.replication_factor()));
      if (!request->validate_only()) {
        impl_.AddTopicLocked(topic.name(), partitions);
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status DeleteTopics(Context*, const v1::DeleteTopicsRequest* request,
                            v1::DeleteTopicsResponse* response) override {
    Lock lock(impl_.mutex);
    for (const std::string& name : request->names()) {
      auto* result = response->add_topics();
      result->set_name(name);
      if (impl_.topics.erase(name) == 0) {
        result->set_error_code(v1::UNKNOWN_TOPIC_OR_PARTITION);
        result->set_error_message("topic '" + name + "' does not exist");
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status DescribeConfigs(Context*,
                               const v1::DescribeConfigsRequest* request,
                               v1::DescribeConfigsResponse* response) override {
    for (const auto& resource : request->resources()) {
      auto* result = response->add_results();
      *result->mutable_resource() = resource;
      auto* entry = result->add_entries();
      entry->set_name("retention.ms");
      entry->set_value("604800000");
      entry->set_source("DEFAULT");
    }
    return grpc::Status::OK;
  }

  grpc::Status DescribeLogDirs(Context*, const v1::DescribeLogDirsRequest*,
                               v1::DescribeLogDirsResponse* response) override {
    Lock lock(impl_.mutex);
    for (const auto& [name, partitions] : impl_.topics) {
      for (size_t p = 0; p < partitions.size(); ++p) {
        if (partitions[p].leader != id_) continue;
        auto* replica = response->add_replicas();
        replica->set_topic(name);
        replica->set_partition(static_cast<int32_t>(p));
        int64_t size = 0;
        for (const std::string& batch : partitions[p].batches) {
          size += static_cast<int64_t>(batch.size());
        }
        replica->set_size_bytes(size);
        replica->set_log_end_offset(partitions[p].end);
        replica->set_high_watermark(partitions[p].end);
        replica->set_leader(true);
        replica->set_log_dir("/data");
      }
    }
    return grpc::Status::OK;
  }

 private:
  size_t Index() const { return static_cast<size_t>(id_ - 1); }

  // Waits for `ready`; false when the call or the cluster ended first.
  template <typename Ready>
  bool Wait(Context* context, Lock* lock, const Ready& ready) {
    while (!ready()) {
      if (impl_.stopping || !impl_.up[Index()] || context->IsCancelled()) {
        return false;
      }
      impl_.changed.wait_for(*lock, std::chrono::milliseconds(20));
    }
    return true;
  }
  bool AwaitRelease(Context* context, Lock* lock) {
    return Wait(context, lock, [&] { return !impl_.hold_produce; });
  }

  void Append(const v1::ProduceRequest& request,
              v1::ProduceResponse* response) {
    ++impl_.produce_requests;
    response->set_correlation_id(request.correlation_id());
    for (const auto& wanted : request.partitions()) {
      auto* result = response->add_partitions();
      result->set_topic(wanted.topic());
      result->set_partition(wanted.partition());
      result->set_base_offset(-1);
      result->set_log_append_time_ms(-1);
      FakePartition* partition =
          impl_.Find({wanted.topic(), wanted.partition()});
      ErrorCode code = ErrorCode::NONE;
      if (partition == nullptr) {
        code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
      } else if (partition->leader != id_) {
        code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
      } else {
        code = TakeFault(&partition->produce_faults);
      }
      if (code == ErrorCode::NONE &&
          !record::BatchReader::Open(wanted.batch()).ok()) {
        code = ErrorCode::CORRUPT_MESSAGE;
      }
      if (code == ErrorCode::NONE &&
          static_cast<int64_t>(wanted.batch().size()) >
              impl_.max_message_bytes) {
        code = ErrorCode::MESSAGE_TOO_LARGE;
      }
      ProducerStates::Verdict producer;
      if (code == ErrorCode::NONE) {
        producer = partition->producers.Check(
            record::ParseBatchHeader(wanted.batch().data()));
        code = producer.error;
      }
      result->set_error_code(Proto(code));
      if (code != ErrorCode::NONE) continue;
      if (producer.duplicate.has_value()) {
        result->set_base_offset(producer.duplicate->base_offset().value());
        continue;
      }
      result->set_base_offset(partition->end);
      impl_.AppendLocked(partition, wanted.batch());
    }
  }

  bool FetchOnce(Context* context, const v1::FetchRequest& request,
                 v1::FetchResponse* response) {
    Lock lock(impl_.mutex);
    auto deadline = std::chrono::steady_clock::now() +
                    std::chrono::milliseconds(request.max_wait_ms());
    bool alive = Wait(context, &lock, [&] {
      return Fill(request, response) ||
             std::chrono::steady_clock::now() >= deadline;
    });
    return alive;
  }

  // True when there is something to tell at once: data or an error.
  bool Fill(const v1::FetchRequest& request, v1::FetchResponse* response) {
    response->Clear();
    response->set_correlation_id(request.correlation_id());
    bool news = false;
    for (const auto& wanted : request.partitions()) {
      auto* result = response->add_partitions();
      result->set_topic(wanted.topic());
      result->set_partition(wanted.partition());
      FakePartition* partition =
          impl_.Find({wanted.topic(), wanted.partition()});
      ErrorCode code = FetchCheck(partition, wanted);
      result->set_error_code(Proto(code));
      news = news || code != ErrorCode::NONE;
      if (code != ErrorCode::NONE) continue;
      result->set_high_watermark(partition->end);
      result->set_last_stable_offset(partition->end);
      result->set_log_start_offset(partition->start);
      std::string* out = result->mutable_batches();
      size_t limit = wanted.max_bytes() == 0
                         ? 1 << 20
                         : static_cast<size_t>(wanted.max_bytes());
      for (const std::string& batch : partition->batches) {
        auto header = record::ParseBatchHeader(batch.data());
        if (header.last_offset().value() < wanted.fetch_offset()) continue;
        if (!out->empty() && out->size() + batch.size() > limit) break;
        *out += batch;
      }
      news = news || !out->empty();
    }
    return news;
  }

  ErrorCode FetchCheck(FakePartition* partition,
                       const v1::PartitionFetch& wanted) {
    if (partition == nullptr) return ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    if (partition->leader != id_) return ErrorCode::NOT_LEADER_OR_FOLLOWER;
    int epoch = wanted.current_leader_epoch_plus_one() - 1;
    if (epoch >= 0 && epoch < partition->epoch) {
      return ErrorCode::FENCED_LEADER_EPOCH;
    }
    if (epoch > partition->epoch) return ErrorCode::UNKNOWN_LEADER_EPOCH;
    ErrorCode fault = TakeFault(&partition->fetch_faults);
    if (fault != ErrorCode::NONE) return fault;
    if (wanted.fetch_offset() < partition->start ||
        wanted.fetch_offset() > partition->end) {
      return ErrorCode::OFFSET_OUT_OF_RANGE;
    }
    return ErrorCode::NONE;
  }

  static void ByTime(const FakePartition& partition,
                     const v1::PartitionListOffset& wanted,
                     v1::PartitionListOffsetResult* result) {
    for (const std::string& batch : partition.batches) {
      auto reader = record::BatchReader::Open(batch);
      if (!reader.ok()) continue;
      record::RecordView view;
      while (reader->Next(&view)) {
        if (view.timestamp_ms < wanted.timestamp_ms()) continue;
        result->set_offset(view.offset.value());
        result->set_timestamp_ms(view.timestamp_ms);
        return;
      }
    }
  }

  ErrorCode Check(FakeGroup* group) {
    if (impl_.coordinator != id_) return ErrorCode::NOT_COORDINATOR;
    return TakeFault(&group->faults);
  }
  ErrorCode CheckMember(FakeGroup* group, const std::string& member,
                        int generation) {
    ErrorCode code = Check(group);
    if (code != ErrorCode::NONE) return code;
    if (group->members.count(member) == 0) return ErrorCode::UNKNOWN_MEMBER_ID;
    if (generation != group->generation) return ErrorCode::ILLEGAL_GENERATION;
    return ErrorCode::NONE;
  }
  void StartRebalance(FakeGroup* group) {
    if (group->members.empty()) {
      group->state = "Empty";
      ++group->generation;
    } else if (group->state != "PreparingRebalance") {
      group->state = "PreparingRebalance";
      for (auto& [id, member] : group->members) member.joined = false;
    } else {
      CompleteJoin(group);
    }
    impl_.changed.notify_all();
  }
  void CompleteJoin(FakeGroup* group) {
    for (const auto& [id, member] : group->members) {
      if (!member.joined) return;
    }
    ++group->generation;
    group->state = "CompletingRebalance";
    if (group->members.count(group->leader) == 0) {
      group->leader = group->members.begin()->first;
    }
  }

  Impl& impl_;
  const int id_;
  std::set<std::string> pending_;
};

void FakeCluster::Impl::FillMetadata(const v1::MetadataRequest& request,
                                     v1::MetadataResponse* response) {
  for (size_t i = 0; i < ports.size(); ++i) {
    if (!up[i]) continue;
    auto* broker = response->add_brokers();
    broker->set_broker_id(static_cast<int32_t>(i + 1));
    broker->set_host("127.0.0.1");
    broker->set_port(ports[i]);
  }
  response->set_cluster_id("fake");
  response->set_controller_id(1);
  std::vector<std::string> names(request.topics().begin(),
                                 request.topics().end());
  if (request.all_topics()) {
    for (const auto& [name, partitions] : topics) names.push_back(name);
  }
  for (const std::string& name : names) {
    auto* topic = response->add_topics();
    topic->set_name(name);
    if (topics.count(name) == 0 && auto_create &&
        request.allow_auto_topic_creation()) {
      AddTopicLocked(name, 1);
    }
    if (topics.count(name) == 0) {
      topic->set_error_code(v1::UNKNOWN_TOPIC_OR_PARTITION);
      topic->set_error_message("topic '" + name + "' does not exist");
      continue;
    }
    topic->set_topic_id("id-" + name);
    const auto& partitions = topics[name];
    for (size_t p = 0; p < partitions.size(); ++p) {
      auto* out = topic->add_partitions();
      out->set_partition(static_cast<int32_t>(p));
      int leader = partitions[p].leader;
      bool leads = leader > 0 && up[static_cast<size_t>(leader - 1)];
      out->set_leader_id(leads ? leader : -1);
      out->set_leader_epoch(partitions[p].epoch);
      out->add_replicas(leader);
      if (leads) out->add_isr(leader);
    }
  }
}

FakeCluster::FakeCluster(int brokers) : impl_(std::make_unique<Impl>()) {
  for (int i = 0; i < brokers; ++i) {
    impl_->services.push_back(
        std::make_unique<Impl::Service>(impl_.get(), i + 1));
    impl_->up.push_back(true);
    impl_->ports.push_back(0);
    impl_->servers.push_back(nullptr);
  }
  for (int i = 0; i < brokers; ++i) StartBroker(i + 1);
}

FakeCluster::~FakeCluster() {
  {
    Lock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->changed.notify_all();
  }
  for (auto& server : impl_->servers) {
    if (server != nullptr) server->Shutdown(0);
  }
}

std::vector<std::string> FakeCluster::addresses() const {
  std::vector<std::string> list;
  for (int port : impl_->ports) {
    list.push_back("127.0.0.1:" + std::to_string(port));
  }
  return list;
}

std::string FakeCluster::bootstrap() const {
  std::string text;
  for (const std::string& address : addresses()) {
    text += (text.empty() ? "" : ",") + address;
  }
  return text;
}

void FakeCluster::StartBroker(int broker) {
  size_t i = static_cast<size_t>(broker - 1);
  auto server = rpc::RpcServer::Start(
      {"127.0.0.1:" + std::to_string(impl_->ports[i])},
      {impl_->services[i].get()});
  CHECK(server.ok()) << server.status().ToString();
  Lock lock(impl_->mutex);
  impl_->ports[i] = (*server)->port();
  impl_->servers[i] = std::move(*server);
  impl_->up[i] = true;
  impl_->changed.notify_all();
}

void FakeCluster::StopBroker(int broker) {
  size_t i = static_cast<size_t>(broker - 1);
  std::unique_ptr<rpc::RpcServer> server;
  {
    Lock lock(impl_->mutex);
    impl_->up[i] = false;
    server = std::move(impl_->servers[i]);
    impl_->changed.notify_all();
  }
  if (server != nullptr) server->Shutdown(0);
}

void FakeCluster::AddTopic(const std::string& name, int partitions) {
  Lock lock(impl_->mutex);
  impl_->AddTopicLocked(name, partitions);
}

bool FakeCluster::HasTopic(const std::string& name) const {
  Lock lock(impl_->mutex);
  return impl_->topics.count(name) != 0;
}

void FakeCluster::SetAutoCreate(bool on) {
  Lock lock(impl_->mutex);
  impl_->auto_create = on;
}

void FakeCluster::SetLeader(const TopicPartition& partition, int broker) {
  Lock lock(impl_->mutex);
  FakePartition* found = CHECK_NOTNULL(impl_->Find(partition));
  found->leader = broker;
  ++found->epoch;
  impl_->changed.notify_all();
}

int FakeCluster::Leader(const TopicPartition& partition) const {
  Lock lock(impl_->mutex);
  return CHECK_NOTNULL(impl_->Find(partition))->leader;
}

void FakeCluster::FailProduce(const TopicPartition& partition, ErrorCode code,
                              int times) {
  Lock lock(impl_->mutex);
  auto& faults = CHECK_NOTNULL(impl_->Find(partition))->produce_faults;
  faults.insert(faults.end(), static_cast<size_t>(times), code);
}

void FakeCluster::FailFetch(const TopicPartition& partition, ErrorCode code,
                            int times) {
  Lock lock(impl_->mutex);
  auto& faults = CHECK_NOTNULL(impl_->Find(partition))->fetch_faults;
  faults.insert(faults.end(), static_cast<size_t>(times), code);
  impl_->changed.notify_all();
}

void FakeCluster::LoseProduceAnswers(int times) {
  Lock lock(impl_->mutex);
  impl_->lose_answers = times;
}

void FakeCluster::FailProducerIds(ErrorCode code, int times) {
  Lock lock(impl_->mutex);
  auto& faults = impl_->producer_id_faults;
  faults.insert(faults.end(), static_cast<size_t>(times), code);
}

void FakeCluster::SetMaxMessageBytes(int64_t bytes) {
  Lock lock(impl_->mutex);
  impl_->max_message_bytes = bytes;
}

void FakeCluster::FailGroup(const std::string& group, ErrorCode code,
                            int times) {
  Lock lock(impl_->mutex);
  auto& faults = impl_->groups[group].faults;
  faults.insert(faults.end(), static_cast<size_t>(times), code);
}

void FakeCluster::Corrupt(const TopicPartition& partition) {
  Lock lock(impl_->mutex);
  impl_->Find(partition)->batches.back().back() ^= 1;
}

void FakeCluster::ElectUnclean(const TopicPartition& partition, int broker,
                               int64_t end) {
  Lock lock(impl_->mutex);
  FakePartition* found = impl_->Find(partition);
  while (!found->batches.empty() && found->end > end) {
    found->end =
        record::ParseBatchHeader(found->batches.back().data()).base_offset;
    found->batches.pop_back();
  }
  found->leader = broker;
  ++found->epoch;
  impl_->changed.notify_all();
}

void FakeCluster::TrimTo(const TopicPartition& partition, int64_t offset) {
  Lock lock(impl_->mutex);
  impl_->Find(partition)->start = offset;
}

void FakeCluster::HoldProduce(bool hold) {
  Lock lock(impl_->mutex);
  impl_->hold_produce = hold;
  impl_->changed.notify_all();
}

std::vector<std::string> FakeCluster::Values(
    const TopicPartition& partition) const {
  Lock lock(impl_->mutex);
  std::vector<std::string> values;
  for (const std::string& batch : impl_->Find(partition)->batches) {
    auto reader = record::BatchReader::Open(batch);
    CHECK(reader.ok());
    record::RecordView view;
    while (reader->Next(&view)) {
      values.emplace_back(view.value.value_or(""));
    }
  }
  return values;
}

int64_t FakeCluster::EndOffset(const TopicPartition& partition) const {
  Lock lock(impl_->mutex);
  return impl_->Find(partition)->end;
}

void FakeCluster::Append(const TopicPartition& partition,
                         const std::vector<std::string>& values) {
  record::BatchBuilder builder;
  for (const std::string& value : values) {
    builder.Append(1'700'000'000'000, std::nullopt, value);
  }
  AppendBatch(partition, builder.Build().value());
}

void FakeCluster::AppendBatch(const TopicPartition& partition,
                              std::string batch) {
  Lock lock(impl_->mutex);
  impl_->AppendLocked(impl_->Find(partition), std::move(batch));
}

int64_t FakeCluster::Committed(const std::string& group,
                               const TopicPartition& partition) const {
  Lock lock(impl_->mutex);
  auto found = impl_->groups[group].offsets.find(partition);
  return found == impl_->groups[group].offsets.end() ? -1 : found->second;
}

int FakeCluster::Members(const std::string& group) const {
  Lock lock(impl_->mutex);
  return static_cast<int>(impl_->groups[group].members.size());
}

void FakeCluster::ExpireMembers(const std::string& group) {
  Lock lock(impl_->mutex);
  impl_->groups[group].members.clear();
  impl_->groups[group].state = "Empty";
  ++impl_->groups[group].generation;
  impl_->changed.notify_all();
}

void FakeCluster::MoveCoordinator(int broker) {
  Lock lock(impl_->mutex);
  impl_->coordinator = broker;
}

int FakeCluster::ProduceRequests() const {
  Lock lock(impl_->mutex);
  return impl_->produce_requests;
}

}  // namespace sillok::test
