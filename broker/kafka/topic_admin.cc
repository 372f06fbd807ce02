// CreateTopics (19), DeleteTopics (20), DeleteRecords (21), CreatePartitions
// (37).
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/api/config_admin.h"
#include "broker/api/record_admin.h"
#include "broker/api/topic_admin.h"
#include "broker/kafka/config_words.h"
#include "broker/kafka/families.h"
#include "broker/kafka/text.h"
#include "broker/metadata/cluster_view.h"
#include "proto/kafka/topic_admin.h"

namespace sillok::kafka_door {
namespace {

using kafka::CreatePartitionsRequest;
using kafka::CreatePartitionsResponse;
using kafka::CreateTopicsRequest;
using kafka::CreateTopicsResponse;
using kafka::DeleteRecordsRequest;
using kafka::DeleteRecordsResponse;
using kafka::DeleteTopicsRequest;
using kafka::DeleteTopicsResponse;

// 0 is "at once" to Kafka's clients and "as usual" to v1.
int32_t TimeoutOf(int32_t timeout_ms) { return std::max(1, timeout_ms); }

v1::TopicResult Refused(const std::string& name, ErrorCode error,
                        const std::string& message) {
  v1::TopicResult result;
  result.set_name(name);
  result.set_error_code(static_cast<v1::ErrorCode>(error));
  result.set_error_message(message);
  return result;
}

// What is refused here, and the rest's place in the request that is passed on;
// brought together again when that is answered.
class Merge {
 public:
  void Refuse(v1::TopicResult result) {
    results_.push_back(std::move(result));
  }
  void Pass() { results_.push_back(std::nullopt); }

  template <typename Answer>
  std::vector<v1::TopicResult> With(Answer answer) const {
    std::vector<v1::TopicResult> whole;
    int next = 0;
    for (const auto& refused : results_) {
      if (refused.has_value()) {
        whole.push_back(*refused);
      } else if (next < answer.topics_size()) {
        whole.push_back(std::move(*answer.mutable_topics(next++)));
      } else {
        whole.push_back(Refused("", ErrorCode::UNKNOWN_SERVER_ERROR,
                                "the controller's answer is incomplete"));
      }
    }
    return whole;
  }

 private:
  std::vector<std::optional<v1::TopicResult>> results_;
};

// Names that a request has more than once: Kafka refuses all of them.
template <typename Topics, typename NameOf>
std::set<std::string> Repeated(const Topics& topics, NameOf name_of) {
  std::set<std::string> seen, repeated;
  for (const auto& topic : topics) {
    const std::string& name = name_of(topic);
    if (!seen.insert(name).second) repeated.insert(name);
  }
  return repeated;
}

constexpr char kTwice[] = "the request names the topic twice";

// ---- CreateTopics

constexpr int16_t kFirstCreateWithConfigs = 5;

// What v1 cannot say, because 0 means "as usual" there.
std::optional<v1::TopicResult> Check(
    const CreateTopicsRequest::CreatableTopic& topic) {
  if (!topic.assignments.empty()) {
    if (topic.num_partitions != -1 || topic.replication_factor != -1) {
      return Refused(topic.name, ErrorCode::INVALID_REQUEST,
                     "with replica assignments, the number of partitions and "
                     "the replication factor must be -1");
    }
  } else if (topic.num_partitions == 0 || topic.num_partitions < -1) {
    return Refused(topic.name, ErrorCode::INVALID_PARTITIONS,
                   "the number of partitions must be above 0, or -1 for the "
                   "broker's default");
  } else if (topic.replication_factor == 0 || topic.replication_factor < -1) {
    return Refused(topic.name, ErrorCode::INVALID_REPLICATION_FACTOR,
                   "the replication factor must be above 0, or -1 for the "
                   "broker's default");
  }
  for (const auto& config : topic.configs) {
    if (!config.value.has_value()) {
      return Refused(topic.name, ErrorCode::INVALID_CONFIG,
                     "the value of '" + config.name + "' is null");
    }
  }
  return std::nullopt;
}

v1::NewTopic Translate(const CreateTopicsRequest::CreatableTopic& topic) {
  v1::NewTopic out;
  out.set_name(topic.name);
  out.set_partitions(std::max(0, topic.num_partitions));
  out.set_replication_factor(std::max<int32_t>(0, topic.replication_factor));
  for (const auto& assignment : topic.assignments) {
    v1::ReplicaAssignment* a = out.add_assignments();
    a->set_partition(assignment.partition_index);
    for (int32_t id : assignment.broker_ids) a->add_broker_ids(id);
  }
  for (const auto& config : topic.configs) {
    (*out.mutable_configs())[config.name] = *config.value;
  }
  return out;
}

// The configuration a new topic got: none yet where this broker has not heard
// of it, or where it was only tried out.
void AddConfigs(const Call& call, CreateTopicsResponse* response) {
  v1::DescribeConfigsRequest wanted;
  for (const auto& topic : response->topics) {
    v1::ConfigResource* resource = wanted.add_resources();
    resource->set_type(v1::TOPIC);
    resource->set_name(topic.name);
  }
  v1::DescribeConfigsResponse described =
      api::DescribeConfigs(*call.broker, wanted);
  for (size_t i = 0; i < response->topics.size(); ++i) {
    auto& topic = response->topics[i];
    if (topic.error_code != 0) continue;
    for (const v1::ConfigEntry& entry :
         described.results(static_cast<int>(i)).entries()) {
      auto& out = topic.configs->emplace_back();
      out.name = entry.name();
      if (entry.sensitive()) {
        out.value.reset();
      } else {
        out.value = entry.value();
      }
      out.read_only = entry.read_only();
      out.config_source = SourceNumber(entry.source());
      out.is_sensitive = entry.sensitive();
    }
  }
}

void HandleCreateTopics(const Call& call, CreateTopicsRequest request,
                        api::Done<CreateTopicsResponse> done) {
  v1::CreateTopicsRequest wanted;
  wanted.set_timeout_ms(TimeoutOf(request.timeout_ms));
  wanted.set_validate_only(request.validate_only);
  const std::set<std::string> repeated =
      Repeated(request.topics, [](const auto& t) { return t.name; });
  Merge merge;
  for (const auto& topic : request.topics) {
    if (repeated.contains(topic.name)) {
      merge.Refuse(Refused(topic.name, ErrorCode::INVALID_REQUEST, kTwice));
    } else if (auto refused = Check(topic); refused.has_value()) {
      merge.Refuse(*std::move(refused));
    } else {
      merge.Pass();
      *wanted.add_topics() = Translate(topic);
    }
  }
  api::CreateTopics(
      *call.broker, std::move(wanted),
      [call, merge = std::move(merge),
       done = std::move(done)](v1::CreateTopicsResponse answer) {
        CreateTopicsResponse response;
        for (const v1::TopicResult& result : merge.With(std::move(answer))) {
          auto& out = response.topics.emplace_back();
          out.name = result.name();
          out.error_code = Number(result.error_code());
          out.error_message =
              MessageFor(out.error_code, result.error_message());
          if (out.error_code != 0) continue;
          out.topic_id = ToUuid(result.topic_id());
          out.num_partitions = result.partitions();
          out.replication_factor =
              static_cast<int16_t>(result.replication_factor());
        }
        if (call.version >= kFirstCreateWithConfigs) {
          AddConfigs(call, &response);
        }
        done(std::move(response));
      });
}

// ---- DeleteTopics

constexpr int16_t kFirstDeleteById = 6;

void HandleDeleteTopics(const Call& call, DeleteTopicsRequest request,
                        api::Done<DeleteTopicsResponse> done) {
  if (call.version < kFirstDeleteById) {
    for (std::string& name : request.topic_names) {
      request.topics.push_back({std::move(name), {}});
    }
  }
  auto view = call.broker->cluster->Get();
  std::vector<std::string> names;  // "" = none
  for (auto& topic : request.topics) {
    std::string name = topic.name.value_or("");
    if (!IsZero(topic.topic_id)) {
      auto found = view->FindTopicById(FromUuid(topic.topic_id));
      name = found == nullptr ? "" : found->name;
    }
    names.push_back(std::move(name));
  }
  const std::set<std::string> repeated =
      Repeated(names, [](const std::string& name) { return name; });
  v1::DeleteTopicsRequest wanted;
  wanted.set_timeout_ms(TimeoutOf(request.timeout_ms));
  Merge merge;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto& topic = request.topics[i];
    if (topic.name.has_value() != IsZero(topic.topic_id)) {
      merge.Refuse(Refused(topic.name.value_or(""), ErrorCode::INVALID_REQUEST,
                           "a topic is named either by name or by id"));
    } else if (!topic.name.has_value() && names[i].empty()) {
      merge.Refuse(Refused("", ErrorCode::UNKNOWN_TOPIC_ID,
                           "there is no topic with this id"));
    } else if (repeated.contains(names[i])) {
      merge.Refuse(Refused(names[i], ErrorCode::INVALID_REQUEST, kTwice));
    } else {
      merge.Pass();
      wanted.add_names(names[i]);
    }
  }
  api::DeleteTopics(
      *call.broker, std::move(wanted),
      [version = call.version, merge = std::move(merge),
       topics = std::move(request.topics), view,
       done = std::move(done)](v1::DeleteTopicsResponse answer) {
        DeleteTopicsResponse response;
        std::vector<v1::TopicResult> results = merge.With(std::move(answer));
        for (size_t i = 0; i < results.size(); ++i) {
          auto& out = response.responses.emplace_back();
          out.name = results[i].name();
          if (out.name->empty() && version >= kFirstDeleteById) {
            out.name.reset();
          }
          out.topic_id = topics[i].topic_id;
          if (auto topic = view->FindTopic(results[i].name());
              topic != nullptr) {
            out.topic_id = ToUuid(topic->id);
          }
          out.error_code = Number(results[i].error_code());
          out.error_message =
              MessageFor(out.error_code, results[i].error_message());
        }
        done(std::move(response));
      });
}

// ---- DeleteRecords

void HandleDeleteRecords(const Call& call, DeleteRecordsRequest request,
                         api::Done<DeleteRecordsResponse> done) {
  v1::DeleteRecordsRequest wanted;
  wanted.set_timeout_ms(TimeoutOf(request.timeout_ms));
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      v1::PartitionOffsetLimit* out = wanted.add_partitions();
      out->set_topic(topic.name);
      out->set_partition(partition.partition_index);
      out->set_before_offset(partition.offset);
    }
  }
  api::DeleteRecords(
      *call.broker, std::move(wanted),
      [topics = std::move(request.topics),
       done = std::move(done)](v1::DeleteRecordsResponse answer) {
        DeleteRecordsResponse response;
        int next = 0;
        for (const auto& topic : topics) {
          auto& out = response.topics.emplace_back();
          out.name = topic.name;
          for (const auto& partition : topic.partitions) {
            const v1::DeletedRecords& result = answer.partitions(next++);
            const int16_t error = Number(result.error_code());
            out.partitions.push_back({partition.partition_index,
                                      error == 0 ? result.low_watermark() : -1,
                                      error});
          }
        }
        done(std::move(response));
      });
}

// ---- CreatePartitions

void HandleCreatePartitions(const Call& call, CreatePartitionsRequest request,
                            api::Done<CreatePartitionsResponse> done) {
  v1::CreatePartitionsRequest wanted;
  wanted.set_timeout_ms(TimeoutOf(request.timeout_ms));
  wanted.set_validate_only(request.validate_only);
  const std::set<std::string> repeated =
      Repeated(request.topics, [](const auto& t) { return t.name; });
  Merge merge;
  for (const auto& topic : request.topics) {
    if (repeated.contains(topic.name)) {
      merge.Refuse(Refused(topic.name, ErrorCode::INVALID_REQUEST, kTwice));
      continue;
    }
    merge.Pass();
    v1::MorePartitions* out = wanted.add_topics();
    out->set_name(topic.name);
    out->set_total_count(topic.count);
    if (!topic.assignments.has_value()) continue;
    // Kafka's list has no numbers: it is of the last partitions there will be.
    int64_t number =
        int64_t{topic.count} - static_cast<int64_t>(topic.assignments->size());
    for (const auto& assignment : *topic.assignments) {
      v1::ReplicaAssignment* a = out->add_assignments();
      a->set_partition(static_cast<int32_t>(number++));
      for (int32_t id : assignment.broker_ids) a->add_broker_ids(id);
    }
  }
  api::CreatePartitions(
      *call.broker, std::move(wanted),
      [merge = std::move(merge),
       done = std::move(done)](v1::CreatePartitionsResponse answer) {
        CreatePartitionsResponse response;
        for (const v1::TopicResult& result : merge.With(std::move(answer))) {
          const int16_t error = Number(result.error_code());
          response.results.push_back(
              {result.name(), error,
               MessageFor(error, result.error_message())});
        }
        done(std::move(response));
      });
}

}  // namespace

ApiHandlers TopicAdminHandlers() {
  return {
      {CreateTopicsRequest::kInfo.api_key,
       Answered<CreateTopicsRequest, CreateTopicsResponse,
                HandleCreateTopics>},
      {DeleteTopicsRequest::kInfo.api_key,
       Answered<DeleteTopicsRequest, DeleteTopicsResponse,
                HandleDeleteTopics>},
      {DeleteRecordsRequest::kInfo.api_key,
       Answered<DeleteRecordsRequest, DeleteRecordsResponse,
                HandleDeleteRecords>},
      {CreatePartitionsRequest::kInfo.api_key,
       Answered<CreatePartitionsRequest, CreatePartitionsResponse,
                HandleCreatePartitions>}};
}

}  // namespace sillok::kafka_door
