#include "client/admin.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "client/internal/blocking_calls.h"
#include "client/internal/consumer_protocol.h"

namespace sillok::client {
namespace {

using Stub = v1::Broker::Stub;
using TimePoint = BlockingCalls::Clock::time_point;

absl::Status AnswerStatus(v1::ErrorCode answer, const std::string& message,
                          const std::string& what) {
  ErrorCode code = FromProto(answer);
  if (code == ErrorCode::NONE) return absl::OkStatus();
  return ErrorStatus(
      code, message.empty() ? what + ": " + std::string(ErrorMessage(code))
                            : message);
}

// Codes after which the same question to another broker may succeed.
bool IsMisplaced(ErrorCode code) {
  switch (code) {
    case ErrorCode::NOT_CONTROLLER:
    case ErrorCode::NOT_COORDINATOR:
    case ErrorCode::COORDINATOR_NOT_AVAILABLE:
    case ErrorCode::COORDINATOR_LOAD_IN_PROGRESS:
    case ErrorCode::NETWORK_EXCEPTION:
    case ErrorCode::BROKER_NOT_AVAILABLE:
    case ErrorCode::LEADER_NOT_AVAILABLE:
    case ErrorCode::NOT_LEADER_OR_FOLLOWER:
    case ErrorCode::FENCED_LEADER_EPOCH:
    case ErrorCode::UNKNOWN_LEADER_EPOCH:
      return true;
    default:
      return false;
  }
}

TopicInfo ToTopicInfo(const v1::TopicMetadata& topic) {
  TopicInfo info;
  info.name = topic.name();
  info.status = AnswerStatus(topic.error_code(), topic.error_message(),
                             "topic '" + topic.name() + "'");
  info.topic_id = topic.topic_id();
  info.internal = topic.internal();
  for (const v1::PartitionMetadata& part : topic.partitions()) {
    PartitionInfo partition;
    partition.partition = part.partition();
    partition.error = FromProto(part.error_code());
    partition.leader = part.leader_id();
    partition.leader_epoch = part.leader_epoch();
    partition.replicas = {part.replicas().begin(), part.replicas().end()};
    partition.isr = {part.isr().begin(), part.isr().end()};
    partition.offline = {part.offline().begin(), part.offline().end()};
    info.partitions.push_back(std::move(partition));
  }
  std::sort(info.partitions.begin(), info.partitions.end(),
            [](const auto& a, const auto& b) {
              return a.partition < b.partition;
            });
  return info;
}

class AdminImpl final : public Admin {
 public:
  explicit AdminImpl(const AdminConfig& config)
      : config_(config), calls_(config) {}

  absl::StatusOr<ClusterInfo> DescribeCluster() override;
  absl::StatusOr<std::vector<TopicOutcome>> CreateTopics(
      const std::vector<TopicSpec>& topics, bool validate_only) override;
  absl::StatusOr<std::vector<TopicOutcome>> DeleteTopics(
      const std::vector<std::string>& names) override;
  absl::StatusOr<std::vector<TopicInfo>> ListTopics() override;
  absl::StatusOr<std::vector<TopicInfo>> DescribeTopics(
      const std::vector<std::string>& names) override;
  absl::StatusOr<std::vector<ConfigValue>> DescribeTopicConfig(
      const std::string& topic) override {
    return DescribeConfig(v1::TOPIC, topic);
  }
  absl::StatusOr<std::vector<ConfigValue>> DescribeBrokerConfig(
      int32_t broker_id) override {
    return DescribeConfig(v1::BROKER, std::to_string(broker_id));
  }
  absl::StatusOr<std::map<TopicPartition, ListedOffset>> ListOffsets(
      const std::map<TopicPartition, int64_t>& times,
      IsolationLevel isolation) override;
  absl::StatusOr<std::vector<GroupListing>> ListGroups() override;
  absl::StatusOr<GroupInfo> DescribeGroup(const std::string& group) override;
  absl::StatusOr<std::map<TopicPartition, CommittedPosition>> ListGroupOffsets(
      const std::string& group) override;
  absl::Status SetGroupOffsets(
      const std::string& group,
      const std::map<TopicPartition, int64_t>& offsets) override;
  absl::StatusOr<std::vector<ReplicaLogInfo>> DescribeLogDirs(
      const std::vector<std::string>& topics) override;

 private:
  absl::StatusOr<v1::MetadataResponse> Metadata(
      const std::vector<std::string>& topics, bool all, TimePoint deadline);
  absl::StatusOr<std::vector<ConfigValue>> DescribeConfig(
      v1::ConfigResourceType type, const std::string& name);
  // Calls the group's coordinator until the answer is not "elsewhere" or "not
  // yet". `code` reads the answer's error.
  template <typename Request, typename Response>
  absl::Status CallCoordinator(
      const std::string& group,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request, Response* response,
      const std::function<ErrorCode(const Response&)>& code,
      int32_t* coordinator = nullptr);
  // Create and delete: asks again for the topics whose answer was "not here".
  template <typename Request, typename Response, typename Fill>
  absl::StatusOr<std::vector<TopicOutcome>> ChangeTopics(
      size_t count,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      ErrorCode already_done, const Fill& fill);
  void LookUpOnce(const v1::MetadataResponse& metadata,
                  const std::map<TopicPartition, int64_t>& times,
                  IsolationLevel isolation, TimePoint deadline,
                  std::map<TopicPartition, ListedOffset>* offsets);

  const AdminConfig config_;
  BlockingCalls calls_;
};

absl::StatusOr<v1::MetadataResponse> AdminImpl::Metadata(
    const std::vector<std::string>& topics, bool all, TimePoint deadline) {
  v1::MetadataRequest request;
  for (const std::string& topic : topics) request.add_topics(topic);
  request.set_all_topics(all);
  v1::MetadataResponse response;
  for (int attempt = 1;; ++attempt) {
    RETURN_IF_ERROR(
        calls_.CallAny(&Stub::Metadata, request, deadline, &response));
    // A broker that has just started may not know the cluster yet.
    if (response.brokers_size() > 0) break;
    if (!calls_.Pause(attempt, deadline)) {
      return ErrorStatus(ErrorCode::BROKER_NOT_AVAILABLE,
                         "the brokers at " + calls_.Bootstrap() +
                             " know no cluster");
    }
  }
  calls_.Learn(response);
  return response;
}

absl::StatusOr<ClusterInfo> AdminImpl::DescribeCluster() {
  ASSIGN_OR_RETURN(v1::MetadataResponse response,
                   Metadata({}, false, calls_.Deadline()));
  ClusterInfo info;
  info.cluster_id = response.cluster_id();
  info.controller_id = response.controller_id();
  for (const v1::BrokerAddress& broker : response.brokers()) {
    info.brokers.push_back({broker.broker_id(), broker.host(), broker.port(),
                            broker.kafka_port(), broker.rack()});
  }
  std::sort(info.brokers.begin(), info.brokers.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return info;
}

absl::StatusOr<std::vector<TopicInfo>> AdminImpl::ListTopics() {
  ASSIGN_OR_RETURN(v1::MetadataResponse response,
                   Metadata({}, true, calls_.Deadline()));
  std::vector<TopicInfo> topics;
  for (const v1::TopicMetadata& topic : response.topics()) {
    topics.push_back(ToTopicInfo(topic));
  }
  std::sort(topics.begin(), topics.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return topics;
}

absl::StatusOr<std::vector<TopicInfo>> AdminImpl::DescribeTopics(
    const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(v1::MetadataResponse response,
                   Metadata(names, false, calls_.Deadline()));
  std::map<std::string, TopicInfo> found;
  for (const v1::TopicMetadata& topic : response.topics()) {
    found[topic.name()] = ToTopicInfo(topic);
  }
  std::vector<TopicInfo> topics;
  for (const std::string& name : names) {
    auto it = found.find(name);
    if (it != found.end()) {
      topics.push_back(it->second);
      continue;
    }
    TopicInfo missing;
    missing.name = name;
    missing.status = ErrorStatus(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                                 "topic '" + name + "' does not exist");
    topics.push_back(std::move(missing));
  }
  return topics;
}

template <typename Request, typename Response, typename Fill>
absl::StatusOr<std::vector<TopicOutcome>> AdminImpl::ChangeTopics(
    size_t count,
    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                 Response*),
    ErrorCode already_done, const Fill& fill) {
  TimePoint deadline = calls_.Deadline();
  std::vector<TopicOutcome> outcomes(count);
  std::vector<size_t> open(count);
  for (size_t i = 0; i < count; ++i) open[i] = i;
  bool unsure = false;  // an earlier attempt may have been carried out
  for (int attempt = 1; !open.empty(); ++attempt) {
    Request request;
    for (size_t index : open) fill(index, &request);
    Response response;
    absl::Status status =
        calls_.CallAny(method, request, deadline, &response, &unsure);
    if (!status.ok()) return status;
    if (response.topics_size() != static_cast<int>(open.size())) {
      return ErrorStatus(ErrorCode::UNKNOWN_SERVER_ERROR,
                         "an answer that does not fit the request");
    }
    std::vector<size_t> again;
    for (size_t i = 0; i < open.size(); ++i) {
      const v1::TopicResult& result = response.topics(static_cast<int>(i));
      TopicOutcome& outcome = outcomes[open[i]];
      outcome.name = result.name();
      outcome.topic_id = result.topic_id();
      outcome.partitions = result.partitions();
      outcome.replication_factor = result.replication_factor();
      outcome.status = AnswerStatus(result.error_code(), result.error_message(),
                                    "topic '" + result.name() + "'");
      ErrorCode code = FromProto(result.error_code());
      if (IsMisplaced(code)) {
        unsure = unsure || code == ErrorCode::NETWORK_EXCEPTION;
        again.push_back(open[i]);
      } else if (unsure && code == already_done) {
        outcome.status = ErrorStatus(
            code, "topic '" + result.name() +
                      "'; an earlier attempt of this call may have done it");
      }
    }
    open = std::move(again);
    if (!open.empty() && !calls_.Pause(attempt, deadline)) break;
  }
  return outcomes;
}

absl::StatusOr<std::vector<TopicOutcome>> AdminImpl::CreateTopics(
    const std::vector<TopicSpec>& topics, bool validate_only) {
  return ChangeTopics(
      topics.size(), &Stub::CreateTopics, ErrorCode::TOPIC_ALREADY_EXISTS,
      [&](size_t index, v1::CreateTopicsRequest* request) {
        const TopicSpec& spec = topics[index];
        request->set_validate_only(validate_only);
        v1::NewTopic* topic = request->add_topics();
        topic->set_name(spec.name);
        topic->set_partitions(spec.partitions);
        topic->set_replication_factor(spec.replication_factor);
        for (const auto& [partition, brokers] : spec.assignments) {
          v1::ReplicaAssignment* assignment = topic->add_assignments();
          assignment->set_partition(partition);
          for (int32_t broker : brokers) assignment->add_broker_ids(broker);
        }
        topic->mutable_configs()->insert(spec.configs.begin(),
                                         spec.configs.end());
      });
}

absl::StatusOr<std::vector<TopicOutcome>> AdminImpl::DeleteTopics(
    const std::vector<std::string>& names) {
  return ChangeTopics(names.size(), &Stub::DeleteTopics,
                      ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                      [&](size_t index, v1::DeleteTopicsRequest* request) {
                        request->add_names(names[index]);
                      });
}

absl::StatusOr<std::vector<ConfigValue>> AdminImpl::DescribeConfig(
    v1::ConfigResourceType type, const std::string& name) {
  v1::DescribeConfigsRequest request;
  request.add_resources()->set_type(type);
  request.mutable_resources(0)->set_name(name);
  v1::DescribeConfigsResponse response;
  TimePoint deadline = calls_.Deadline();
  RETURN_IF_ERROR(
      calls_.CallAny(&Stub::DescribeConfigs, request, deadline, &response));
  std::vector<ConfigValue> values;
  for (const v1::DescribedConfig& result : response.results()) {
    RETURN_IF_ERROR(AnswerStatus(result.error_code(), result.error_message(),
                                 "'" + name + "'"));
    for (const v1::ConfigEntry& entry : result.entries()) {
      values.push_back({entry.name(), entry.value(), entry.source(),
                        entry.documentation(), entry.read_only()});
    }
  }
  return values;
}

void AdminImpl::LookUpOnce(const v1::MetadataResponse& metadata,
                           const std::map<TopicPartition, int64_t>& times,
                           IsolationLevel isolation, TimePoint deadline,
                           std::map<TopicPartition, ListedOffset>* offsets) {
  std::map<TopicPartition, int32_t> leaders;
  std::map<std::string, absl::Status> topics;
  for (const v1::TopicMetadata& topic : metadata.topics()) {
    topics[topic.name()] = AnswerStatus(topic.error_code(),
                                        topic.error_message(),
                                        "topic '" + topic.name() + "'");
    for (const v1::PartitionMetadata& part : topic.partitions()) {
      leaders[{topic.name(), part.partition()}] = part.leader_id();
    }
  }
  std::map<int32_t, v1::ListOffsetsRequest> requests;
  for (const auto& [id, time] : times) {
    ListedOffset& offset = (*offsets)[id];
    auto leader = leaders.find(id);
    if (leader == leaders.end()) {
      offset.status = topics[id.topic].ok()
                          ? ErrorStatus(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                                        id.ToString() + " does not exist")
                          : topics[id.topic];
      continue;
    }
    offset.status = ErrorStatus(ErrorCode::LEADER_NOT_AVAILABLE,
                                id.ToString() + " has no leader");
    if (leader->second < 0) continue;
    v1::ListOffsetsRequest& request = requests[leader->second];
    request.set_isolation_level(
        isolation == IsolationLevel::kReadCommitted ? 1 : 0);
    v1::PartitionListOffset* entry = request.add_partitions();
    entry->set_topic(id.topic);
    entry->set_partition(id.partition);
    entry->set_timestamp_ms(time);
  }
  for (const auto& [broker, request] : requests) {
    v1::ListOffsetsResponse response;
    absl::Status status = calls_.CallAt(calls_.AddressOf(broker),
                                        &Stub::ListOffsets, request, deadline,
                                        &response);
    for (const v1::PartitionListOffset& entry : request.partitions()) {
      if (!status.ok()) {
        (*offsets)[{entry.topic(), entry.partition()}].status = status;
      }
    }
    for (const v1::PartitionListOffsetResult& result : response.partitions()) {
      TopicPartition id{result.topic(), result.partition()};
      (*offsets)[id] = {AnswerStatus(result.error_code(), "", id.ToString()),
                        result.offset(), result.timestamp_ms(),
                        result.leader_epoch()};
    }
  }
}

absl::StatusOr<std::map<TopicPartition, ListedOffset>> AdminImpl::ListOffsets(
    const std::map<TopicPartition, int64_t>& times, IsolationLevel isolation) {
  TimePoint deadline = calls_.Deadline();
  std::set<std::string> topics;
  for (const auto& [id, time] : times) topics.insert(id.topic);
  std::map<TopicPartition, ListedOffset> offsets;
  std::map<TopicPartition, int64_t> open = times;
  for (int attempt = 1; !open.empty(); ++attempt) {
    ASSIGN_OR_RETURN(v1::MetadataResponse metadata,
                     Metadata({topics.begin(), topics.end()}, false, deadline));
    LookUpOnce(metadata, open, isolation, deadline, &offsets);
    std::erase_if(open, [&](const auto& entry) {
      return !IsMisplaced(ErrorCodeOf(offsets[entry.first].status));
    });
    if (!open.empty() && !calls_.Pause(attempt, deadline)) break;
  }
  return offsets;
}

template <typename Request, typename Response>
absl::Status AdminImpl::CallCoordinator(
    const std::string& group,
    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                 Response*),
    const Request& request, Response* response,
    const std::function<ErrorCode(const Response&)>& code,
    int32_t* coordinator) {
  TimePoint deadline = calls_.Deadline();
  absl::Status status;
  for (int attempt = 1;; ++attempt) {
    v1::FindCoordinatorRequest find;
    find.set_key(group);
    v1::FindCoordinatorResponse found;
    RETURN_IF_ERROR(
        calls_.CallAny(&Stub::FindCoordinator, find, deadline, &found));
    status = AnswerStatus(found.error_code(), found.error_message(),
                          "group '" + group + "'");
    if (status.ok()) {
      if (coordinator != nullptr) {
        *coordinator = found.coordinator().broker_id();
      }
      status = calls_.CallAt(found.coordinator().host() + ":" +
                                 std::to_string(found.coordinator().port()),
                             method, request, deadline, response);
    }
    if (status.ok()) {
      ErrorCode answer = code(*response);
      if (answer == ErrorCode::NONE) return absl::OkStatus();
      status = ErrorStatus(answer, "group '" + group + "': " +
                                       std::string(ErrorMessage(answer)));
    }
    if (!IsMisplaced(ErrorCodeOf(status))) return status;
    if (!calls_.Pause(attempt, deadline)) return status;
  }
}

absl::StatusOr<std::vector<GroupListing>> AdminImpl::ListGroups() {
  TimePoint deadline = calls_.Deadline();
  ASSIGN_OR_RETURN(v1::MetadataResponse metadata,
                   Metadata({}, false, deadline));
  std::vector<GroupListing> groups;
  for (const v1::BrokerAddress& broker : metadata.brokers()) {
    v1::ListGroupsRequest request;
    v1::ListGroupsResponse response;
    for (int attempt = 1;; ++attempt) {
      absl::Status status =
          calls_.CallAt(calls_.AddressOf(broker.broker_id()), &Stub::ListGroups,
                        request, deadline, &response);
      if (status.ok()) {
        status = AnswerStatus(response.error_code(), "",
                              "groups of broker " +
                                  std::to_string(broker.broker_id()));
      }
      if (status.ok()) break;
      if (!IsMisplaced(ErrorCodeOf(status)) ||
          !calls_.Pause(attempt, deadline)) {
        return status;
      }
    }
    for (const v1::ListedGroup& group : response.groups()) {
      groups.push_back({group.group_id(), group.protocol_type(), group.state(),
                        broker.broker_id()});
    }
  }
  std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    return a.group_id < b.group_id;
  });
  return groups;
}

absl::StatusOr<GroupInfo> AdminImpl::DescribeGroup(const std::string& group) {
  v1::DescribeGroupsRequest request;
  request.add_group_ids(group);
  v1::DescribeGroupsResponse response;
  GroupInfo info;
  absl::Status status = CallCoordinator<v1::DescribeGroupsRequest,
                                        v1::DescribeGroupsResponse>(
      group, &Stub::DescribeGroups, request, &response,
      [](const v1::DescribeGroupsResponse& answer) {
        return answer.groups().empty()
                   ? ErrorCode::UNKNOWN_SERVER_ERROR
                   : FromProto(answer.groups(0).error_code());
      },
      &info.coordinator);
  if (!status.ok()) return status;
  const v1::DescribedGroup& described = response.groups(0);
  info.group_id = described.group_id();
  info.state = described.state();
  info.protocol_type = described.protocol_type();
  info.assignor = described.protocol_name();
  for (const v1::DescribedMember& member : described.members()) {
    GroupMemberInfo out;
    out.member_id = member.member_id();
    out.instance_id = member.group_instance_id();
    out.client_id = member.client_id();
    out.host = member.client_host();
    if (info.protocol_type == "consumer") {
      if (auto subscription = DecodeSubscription(member.metadata())) {
        out.topics = std::move(subscription->topics);
      }
      out.assignment = DecodeAssignment(member.assignment())
                           .value_or(std::vector<TopicPartition>());
    }
    info.members.push_back(std::move(out));
  }
  return info;
}

absl::StatusOr<std::map<TopicPartition, CommittedPosition>>
AdminImpl::ListGroupOffsets(const std::string& group) {
  v1::OffsetFetchRequest request;
  request.set_group_id(group);
  request.set_all_partitions(true);
  v1::OffsetFetchResponse response;
  absl::Status status =
      CallCoordinator<v1::OffsetFetchRequest, v1::OffsetFetchResponse>(
          group, &Stub::OffsetFetch, request, &response,
          [](const v1::OffsetFetchResponse& answer) {
            return FromProto(answer.error_code());
          });
  if (!status.ok()) return status;
  std::map<TopicPartition, CommittedPosition> offsets;
  for (const v1::CommittedOffset& offset : response.offsets()) {
    if (offset.offset() < 0) continue;
    offsets[{offset.topic(), offset.partition()}] = {
        offset.offset(), offset.leader_epoch(), offset.metadata()};
  }
  return offsets;
}

absl::Status AdminImpl::SetGroupOffsets(
    const std::string& group,
    const std::map<TopicPartition, int64_t>& offsets) {
  v1::OffsetCommitRequest request;
  request.set_group_id(group);
  request.set_generation_id(-1);
  for (const auto& [id, offset] : offsets) {
    v1::CommittedOffset* entry = request.add_offsets();
    entry->set_topic(id.topic);
    entry->set_partition(id.partition);
    entry->set_offset(offset);
    entry->set_leader_epoch(-1);
  }
  v1::OffsetCommitResponse response;
  return CallCoordinator<v1::OffsetCommitRequest, v1::OffsetCommitResponse>(
      group, &Stub::OffsetCommit, request, &response,
      [](const v1::OffsetCommitResponse& answer) {
        ErrorCode code = FromProto(answer.error_code());
        for (const v1::CommittedOffset& offset : answer.offsets()) {
          if (code == ErrorCode::NONE) code = FromProto(offset.error_code());
        }
        return code;
      });
}

absl::StatusOr<std::vector<ReplicaLogInfo>> AdminImpl::DescribeLogDirs(
    const std::vector<std::string>& topics) {
  TimePoint deadline = calls_.Deadline();
  ASSIGN_OR_RETURN(v1::MetadataResponse metadata,
                   Metadata({}, false, deadline));
  v1::DescribeLogDirsRequest request;
  for (const std::string& topic : topics) request.add_topics(topic);
  std::vector<ReplicaLogInfo> replicas;
  for (const v1::BrokerAddress& broker : metadata.brokers()) {
    v1::DescribeLogDirsResponse response;
    RETURN_IF_ERROR(calls_.CallAt(calls_.AddressOf(broker.broker_id()),
                                  &Stub::DescribeLogDirs, request, deadline,
                                  &response));
    for (const v1::ReplicaLog& replica : response.replicas()) {
      replicas.push_back({broker.broker_id(),
                          {replica.topic(), replica.partition()},
                          replica.size_bytes(),
                          replica.log_start_offset(),
                          replica.high_watermark(),
                          replica.log_end_offset(),
                          replica.log_dir(),
                          replica.leader()});
    }
  }
  return replicas;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Admin>> Admin::Create(AdminConfig config) {
  if (config.bootstrap_servers.empty()) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       "bootstrap.servers is empty");
  }
  return std::make_unique<AdminImpl>(config);
}

}  // namespace sillok::client
