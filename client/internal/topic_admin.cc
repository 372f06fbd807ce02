#include "client/internal/topic_admin.h"

#include <algorithm>
#include <utility>

namespace sillok::client {

using Stub = v1::Broker::Stub;

namespace {

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

}  // namespace

absl::StatusOr<std::vector<TopicInfo>> TopicAdmin::ListTopics() {
  ASSIGN_OR_RETURN(v1::MetadataResponse response,
                   calls_.Metadata({}, true, calls_.Deadline()));
  std::vector<TopicInfo> topics;
  for (const v1::TopicMetadata& topic : response.topics()) {
    topics.push_back(ToTopicInfo(topic));
  }
  std::sort(topics.begin(), topics.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return topics;
}

absl::StatusOr<std::vector<TopicInfo>> TopicAdmin::DescribeTopics(
    const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(v1::MetadataResponse response,
                   calls_.Metadata(names, false, calls_.Deadline()));
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
absl::StatusOr<std::vector<TopicOutcome>> TopicAdmin::ChangeTopics(
    size_t count, AdminCalls::Method<Request, Response> method,
    ErrorCode already_done, const Fill& fill) {
  AdminCalls::TimePoint deadline = calls_.Deadline();
  std::vector<TopicOutcome> outcomes(count);
  std::vector<size_t> open(count);
  for (size_t i = 0; i < count; ++i) open[i] = i;
  bool unsure = false;  // an earlier attempt may have been carried out
  for (int attempt = 1; !open.empty(); ++attempt) {
    Request request;
    for (size_t index : open) fill(index, &request);
    Response response;
    absl::Status status =
        calls_.blocking().CallAny(method, request, deadline, &response, &unsure);
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
    if (!open.empty() && !calls_.blocking().Pause(attempt, deadline)) break;
  }
  return outcomes;
}

absl::StatusOr<std::vector<TopicOutcome>> TopicAdmin::CreateTopics(
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

absl::StatusOr<std::vector<TopicOutcome>> TopicAdmin::DeleteTopics(
    const std::vector<std::string>& names) {
  return ChangeTopics(names.size(), &Stub::DeleteTopics,
                      ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                      [&](size_t index, v1::DeleteTopicsRequest* request) {
                        request->add_names(names[index]);
                      });
}

absl::StatusOr<std::vector<TopicOutcome>> TopicAdmin::CreatePartitions(
    const std::vector<PartitionsSpec>& topics, bool validate_only) {
  return ChangeTopics(
      topics.size(), &Stub::CreatePartitions, ErrorCode::INVALID_PARTITIONS,
      [&](size_t index, v1::CreatePartitionsRequest* request) {
        const PartitionsSpec& spec = topics[index];
        request->set_validate_only(validate_only);
        v1::MorePartitions* more = request->add_topics();
        more->set_name(spec.name);
        more->set_total_count(spec.total);
        int32_t next =
            spec.total - static_cast<int32_t>(spec.assignments.size());
        for (const std::vector<int32_t>& brokers : spec.assignments) {
          v1::ReplicaAssignment* assignment = more->add_assignments();
          assignment->set_partition(next++);
          for (int32_t broker : brokers) assignment->add_broker_ids(broker);
        }
      });
}

absl::StatusOr<std::map<TopicPartition, absl::Status>> TopicAdmin::ElectLeaders(
    ElectionType type, const std::vector<TopicPartition>& partitions) {
  v1::ElectLeadersRequest request;
  request.set_election_type(type == ElectionType::kUnclean
                                ? v1::ELECTION_UNCLEAN
                                : v1::ELECTION_PREFERRED);
  request.set_all_partitions(partitions.empty());
  std::map<std::string, v1::TopicPartitions*> by_topic;
  for (const TopicPartition& id : partitions) {
    v1::TopicPartitions*& topic = by_topic[id.topic];
    if (topic == nullptr) {
      topic = request.add_topics();
      topic->set_topic(id.topic);
    }
    topic->add_partitions(id.partition);
  }
  AdminCalls::TimePoint deadline = calls_.Deadline();
  v1::ElectLeadersResponse response;
  for (int attempt = 1;; ++attempt) {
    RETURN_IF_ERROR(calls_.blocking().CallAny(&Stub::ElectLeaders, request,
                                              deadline, &response));
    absl::Status status = AnswerStatus(response.error_code(),
                                       response.error_message(), "election");
    if (status.ok()) break;
    if (!IsMisplaced(ErrorCodeOf(status)) ||
        !calls_.blocking().Pause(attempt, deadline)) {
      return status;
    }
  }
  std::map<TopicPartition, absl::Status> outcomes;
  for (const v1::PartitionElection& election : response.partitions()) {
    TopicPartition id{election.topic(), election.partition()};
    outcomes[id] = AnswerStatus(election.error_code(),
                                election.error_message(), id.ToString());
  }
  return outcomes;
}

}  // namespace sillok::client
