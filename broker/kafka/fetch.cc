// Fetch (1), for consumers: brokers replicate over gRPC.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/api/fetch.h"
#include "broker/file_frames/file_frames.h"
#include "broker/kafka/door_state.h"
#include "broker/kafka/families.h"
#include "broker/kafka/fetch_sessions.h"
#include "broker/kafka/leader_hints.h"
#include "broker/kafka/text.h"
#include "broker/metadata/cluster_view.h"
#include "proto/kafka/fetch.h"

namespace sillok::kafka_door {
namespace {

using Request = kafka::FetchRequest;
using Response = kafka::FetchResponse;
using PartitionData = Response::FetchableTopicResponse::PartitionData;

constexpr int16_t kFirstVersionWithSessions = 7;
constexpr int16_t kFirstVersionWithTopicIds = 13;
constexpr int16_t kFirstVersionWithHints = 16;
constexpr int8_t kReadCommitted = 1;
// Nobody shall have to wait for days to see whether the broker is alive. An
// answer without records before the client's time is over is a fine one.
constexpr int32_t kLongestWaitMs = 60'000;

FetchSessionRequest ToSessionRequest(const Request& request, int16_t version) {
  FetchSessionRequest out;
  out.session_id = request.session_id;
  out.epoch = request.session_epoch;
  out.uses_topic_ids = version >= kFirstVersionWithTopicIds;
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      out.items.push_back({{topic.topic, topic.topic_id, partition.partition},
                           partition.fetch_offset,
                           partition.partition_max_bytes,
                           partition.current_leader_epoch});
    }
  }
  for (const auto& topic : request.forgotten_topics_data) {
    for (int32_t partition : topic.partitions) {
      out.forgotten.push_back({topic.topic, topic.topic_id, partition});
    }
  }
  return out;
}

PartitionData Refused(int32_t partition, ErrorCode error) {
  PartitionData data;
  data.partition_index = partition;
  data.error_code = Number(error);
  data.high_watermark = -1;
  return data;
}

// Before v7 an answer has no error of its own: each partition gets it.
Response RefuseAll(const Request& request, int16_t version, ErrorCode error) {
  Response response;
  if (version >= kFirstVersionWithSessions) {
    response.error_code = Number(error);
    return response;
  }
  for (const auto& topic : request.topics) {
    auto& out = response.responses.emplace_back();
    out.topic = topic.topic;
    for (const auto& partition : topic.partitions) {
      out.partitions.push_back(Refused(partition.partition, error));
    }
  }
  return response;
}

// One fetch, from its plan to its answer.
class FetchCall : public std::enable_shared_from_this<FetchCall> {
 public:
  FetchCall(const Call& call, const Request& request, FetchPlan plan,
            Respond respond)
      : call_(call),
        read_committed_(request.isolation_level == kReadCommitted),
        plan_(std::move(plan)),
        respond_(std::move(respond)) {}

  void Run(const Request& request) {
    v1::FetchRequest wanted;
    // 0 means "as usual" to v1, and "as little as can be" to Kafka's clients.
    wanted.set_max_bytes(std::max(1, request.max_bytes));
    wanted.set_min_bytes(
        std::clamp(request.min_bytes, 0, wanted.max_bytes()));
    wanted.set_max_wait_ms(
        std::clamp(request.max_wait_ms, 0, kLongestWaitMs));
    wanted.set_isolation_level(request.isolation_level);
    wanted.set_client_id(call_.caller.client_id);
    auto view = call_.broker->cluster->Get();
    names_.reserve(plan_.items.size());
    for (const FetchItem& item : plan_.items) {
      std::string name = item.key.topic;
      if (plan_.uses_topic_ids) {
        auto topic = view->FindTopicById(FromUuid(item.key.topic_id));
        name = topic == nullptr ? "" : topic->name;
      }
      // A name that no topic has goes on: the handler says the same as for any
      // other that is not known.
      const bool known = !plan_.uses_topic_ids || !name.empty();
      names_.push_back(name);
      places_.push_back(known ? wanted.partitions_size() : -1);
      if (!known) continue;
      auto* out = wanted.add_partitions();
      out->set_topic(std::move(name));
      out->set_partition(item.key.partition);
      out->set_fetch_offset(item.fetch_offset);
      out->set_max_bytes(std::max(1, item.max_bytes));
      out->set_current_leader_epoch_plus_one(
          PlusOne(item.current_leader_epoch));
    }
    api::Fetch(*call_.broker, call_.caller, std::move(wanted),
               api::FetchForm::kRanges,
               [self = shared_from_this()](api::FetchAnswer answer) {
                 self->Answer(std::move(answer));
               });
  }

 private:
  void Answer(api::FetchAnswer answer) {
    std::vector<PartitionData> data;
    std::vector<FetchedItem> results;
    data.reserve(plan_.items.size());
    results.reserve(plan_.items.size());
    for (size_t i = 0; i < plan_.items.size(); ++i) {
      const int32_t partition = plan_.items[i].key.partition;
      PartitionData& out = data.emplace_back(
          places_[i] < 0 ? Refused(partition, ErrorCode::UNKNOWN_TOPIC_ID)
                         : ToData(answer.response.partitions(places_[i]),
                                  answer.batches[places_[i]]));
      results.push_back({ErrorCodeFromNumber(out.error_code),
                         out.high_watermark, out.log_start_offset,
                         out.records.has_value() && !out.records->empty()});
    }
    FetchTelling telling = call_.door->EndFetch(plan_, results);
    Response response;
    response.error_code = Number(answer.response.error_code());
    response.session_id = telling.session_id;
    LeaderHints hints(*call_.broker, call_.caller.listener);
    for (size_t i = 0; i < data.size(); ++i) {
      if (!telling.told[i]) continue;
      if (call_.version >= kFirstVersionWithHints) {
        AddHint(i, &data[i], &hints);
      }
      Add(plan_.items[i].key, std::move(data[i]), &response);
    }
    for (const LeaderHints::Node& node : hints.nodes()) {
      response.node_endpoints.push_back(
          {node.id, node.host, node.port, NullIfEmpty(node.rack)});
    }
    respond_(Encoded(response, call_.version));
  }

  PartitionData ToData(const v1::PartitionFetchResult& result,
                       const api::FetchedBatches& batches) const {
    if (result.error_code() != v1::NONE) {
      return Refused(result.partition(),
                     ErrorCodeFromNumber(result.error_code()));
    }
    auto records = BytesOfRanges(batches.ranges);
    if (!records.ok()) {
      return Refused(result.partition(), ErrorCodeOf(records.status()));
    }
    PartitionData data;
    data.partition_index = result.partition();
    data.high_watermark = result.high_watermark();
    data.last_stable_offset = result.last_stable_offset();
    data.log_start_offset = result.log_start_offset();
    data.records = *std::move(records);
    data.aborted_transactions.reset();
    if (read_committed_) {
      auto& aborted = data.aborted_transactions.emplace();
      for (const v1::AbortedTransaction& one : result.aborted_transactions()) {
        aborted.push_back({one.producer_id(), one.first_offset()});
      }
    }
    return data;
  }

  void AddHint(size_t item, PartitionData* data, LeaderHints* hints) const {
    auto leader = hints->Find(data->error_code, names_[item],
                              data->partition_index);
    if (!leader.has_value()) return;
    data->current_leader = {leader->leader_id, leader->leader_epoch};
  }

  // Neighbours of one topic share its entry; a session's order may name a topic
  // more than once, as Kafka's does.
  static void Add(const FetchKey& key, PartitionData data, Response* response) {
    auto& topics = response->responses;
    if (topics.empty() || topics.back().topic != key.topic ||
        topics.back().topic_id != key.topic_id) {
      auto& topic = topics.emplace_back();
      topic.topic = key.topic;
      topic.topic_id = key.topic_id;
    }
    topics.back().partitions.push_back(std::move(data));
  }

  const Call call_;
  const bool read_committed_;
  const FetchPlan plan_;
  const Respond respond_;
  // Of plan_.items[i]: its topic's name, and its place in the v1 request (-1:
  // no topic has this id).
  std::vector<std::string> names_;
  std::vector<int> places_;
};

void HandleFetch(const Call& call, Request request, Respond respond) {
  auto refuse = [&](ErrorCode error) {
    respond(Encoded(RefuseAll(request, call.version, error), call.version));
  };
  if (request.replica_id >= 0 || request.replica_state.replica_id >= 0) {
    return refuse(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
  }
  if (request.isolation_level != 0 &&
      request.isolation_level != kReadCommitted) {
    return refuse(ErrorCode::INVALID_REQUEST);
  }
  FetchPlan plan =
      call.door->BeginFetch(ToSessionRequest(request, call.version));
  if (plan.error != ErrorCode::NONE) return refuse(plan.error);
  std::make_shared<FetchCall>(call, request, std::move(plan),
                              std::move(respond))
      ->Run(request);
}

}  // namespace

ApiHandlers FetchHandlers() {
  return {{Request::kInfo.api_key, Decoded<Request, HandleFetch>}};
}

}  // namespace sillok::kafka_door
