#include "client/internal/admin_calls.h"

#include <utility>

namespace sillok::client {

absl::Status AnswerStatus(v1::ErrorCode answer, const std::string& message,
                          const std::string& what) {
  ErrorCode code = FromProto(answer);
  if (code == ErrorCode::NONE) return absl::OkStatus();
  return ErrorStatus(
      code, message.empty() ? what + ": " + std::string(ErrorMessage(code))
                            : message);
}

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

absl::StatusOr<v1::MetadataResponse> AdminCalls::Metadata(
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

std::map<TopicPartition, int32_t> AdminCalls::FindLeaders(
    const v1::MetadataResponse& metadata,
    const std::set<TopicPartition>& partitions,
    std::map<TopicPartition, absl::Status>* problems) const {
  std::map<TopicPartition, int32_t> leaders;
  std::map<std::string, absl::Status> topics;
  for (const v1::TopicMetadata& topic : metadata.topics()) {
    topics[topic.name()] =
        AnswerStatus(topic.error_code(), topic.error_message(),
                     "topic '" + topic.name() + "'");
    for (const v1::PartitionMetadata& part : topic.partitions()) {
      leaders[{topic.name(), part.partition()}] = part.leader_id();
    }
  }
  std::map<TopicPartition, int32_t> found;
  for (const TopicPartition& id : partitions) {
    auto leader = leaders.find(id);
    if (leader != leaders.end() && leader->second >= 0) {
      found[id] = leader->second;
    } else if (leader != leaders.end()) {
      (*problems)[id] = ErrorStatus(ErrorCode::LEADER_NOT_AVAILABLE,
                                    id.ToString() + " has no leader");
    } else if (!topics[id.topic].ok()) {
      (*problems)[id] = topics[id.topic];
    } else {
      (*problems)[id] = ErrorStatus(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                                    id.ToString() + " does not exist");
    }
  }
  return found;
}

}  // namespace sillok::client
