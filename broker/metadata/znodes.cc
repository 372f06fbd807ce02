#include "broker/metadata/znodes.h"

#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "fmt/core.h"
#include "nlohmann/json.hpp"

namespace sillok {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Malformed(const char* what, const std::string& why) {
  return absl::DataLossError(fmt::format("{} znode: {}", what, why));
}

absl::StatusOr<Json> ParseObject(const char* what, std::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr,
                          /*allow_exceptions=*/false);
  if (!json.is_object()) return Malformed(what, "not a JSON object");
  return json;
}

absl::StatusOr<int64_t> GetInt(const char* what, const Json& json,
                               const char* field) {
  auto it = json.find(field);
  if (it == json.end() || !it->is_number_integer()) {
    return Malformed(what, fmt::format("no number '{}'", field));
  }
  return it->get<int64_t>();
}

absl::StatusOr<int32_t> ParseInt32(const char* what, std::string_view text) {
  int32_t value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Malformed(what, fmt::format("'{}' is not a number", text));
  }
  return value;
}

absl::StatusOr<std::vector<int32_t>> ParseIds(const char* what,
                                              const Json& json) {
  if (!json.is_array()) return Malformed(what, "broker ids are not a list");
  std::vector<int32_t> ids;
  for (const Json& id : json) {
    if (!id.is_number_integer()) return Malformed(what, "a broker id is no number");
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

// "PLAINTEXT://host:port"; the host may be an IPv6 address in brackets.
absl::StatusOr<BrokerEndpoint> ParseEndpoint(const std::string& text) {
  const char* what = "broker";
  size_t scheme = text.find("://");
  size_t colon = text.rfind(':');
  if (scheme == std::string::npos || colon < scheme + 3) {
    return Malformed(what, fmt::format("endpoint '{}' is not N://H:P", text));
  }
  BrokerEndpoint endpoint;
  endpoint.listener = text.substr(0, scheme);
  endpoint.host = text.substr(scheme + 3, colon - scheme - 3);
  if (endpoint.host.size() > 1 && endpoint.host.front() == '[') {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  ASSIGN_OR_RETURN(endpoint.port, ParseInt32(what, text.substr(colon + 1)));
  return endpoint;
}

std::string EndpointText(const BrokerEndpoint& e) {
  const bool ipv6 = e.host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("{}://[{}]:{}", e.listener, e.host, e.port)
              : fmt::format("{}://{}:{}", e.listener, e.host, e.port);
}

}  // namespace

namespace znode_path {

std::string Broker(int32_t broker_id) {
  return fmt::format("{}/{}", kBrokerIds, broker_id);
}
std::string Topic(std::string_view topic) {
  return fmt::format("{}/{}", kTopics, topic);
}
std::string TopicPartitions(std::string_view topic) {
  return fmt::format("{}/{}/partitions", kTopics, topic);
}
std::string Partition(std::string_view topic, int32_t partition) {
  return fmt::format("{}/{}/partitions/{}", kTopics, topic, partition);
}
std::string PartitionState(std::string_view topic, int32_t partition) {
  return fmt::format("{}/{}/partitions/{}/state", kTopics, topic, partition);
}
std::string TopicConfig(std::string_view topic) {
  return fmt::format("{}/{}", kTopicConfigs, topic);
}
std::string BrokerConfig(std::string_view broker) {
  return fmt::format("{}/{}", kBrokerConfigs, broker);
}
std::string DeleteTopic(std::string_view topic) {
  return fmt::format("{}/{}", kDeleteTopics, topic);
}
std::string DeletedReplicas(std::string_view topic_id) {
  return fmt::format("{}/{}", kDeletedReplicas, topic_id);
}

const std::vector<std::string>& Base() {
  static const auto* const kBase = new std::vector<std::string>{
      "/consumers",
      "/brokers",
      "/brokers/ids",
      "/brokers/topics",
      "/brokers/seqid",
      "/config",
      "/config/changes",
      "/config/topics",
      "/config/clients",
      "/config/users",
      "/config/brokers",
      "/config/ips",
      "/admin",
      "/admin/delete_topics",
      "/admin/deleted_replicas",
      "/isr_change_notification",
      "/log_dir_event_notification",
      "/cluster",
  };
  return *kBase;
}

}  // namespace znode_path

const BrokerEndpoint* BrokerZnode::Grpc() const {
  for (const BrokerEndpoint& e : endpoints) {
    if (e.security_protocol == "GRPC" || e.listener == kGrpcListener) return &e;
  }
  return nullptr;
}

const BrokerEndpoint* BrokerZnode::Kafka() const {
  for (const BrokerEndpoint& e : endpoints) {
    const std::string& protocol = e.security_protocol;
    if (protocol == "PLAINTEXT" || protocol == "SSL" ||
        protocol.starts_with("SASL_")) {
      if (e.listener != kGrpcListener) return &e;
    }
  }
  return nullptr;
}

std::string EncodeBroker(const BrokerZnode& broker) {
  Json protocols = Json::object();
  Json endpoints = Json::array();
  for (const BrokerEndpoint& e : broker.endpoints) {
    protocols[e.listener] = e.security_protocol;
    endpoints.push_back(EndpointText(e));
  }
  // Old readers know host and port only, of a plaintext Kafka listener.
  const BrokerEndpoint* plain = nullptr;
  for (const BrokerEndpoint& e : broker.endpoints) {
    if (e.listener != kGrpcListener && e.security_protocol == "PLAINTEXT") {
      plain = &e;
      break;
    }
  }
  Json json = {{"features", Json::object()},
               {"listener_security_protocol_map", std::move(protocols)},
               {"endpoints", std::move(endpoints)},
               {"jmx_port", -1},
               {"port", plain ? plain->port : -1},
               {"host", plain ? Json(plain->host) : Json(nullptr)},
               {"version", 5},
               {"timestamp", std::to_string(broker.timestamp_ms)}};
  if (!broker.rack.empty()) json["rack"] = broker.rack;
  return json.dump();
}

absl::StatusOr<BrokerZnode> DecodeBroker(std::string_view text) {
  const char* what = "broker";
  ASSIGN_OR_RETURN(Json json, ParseObject(what, text));
  BrokerZnode broker;
  auto endpoints = json.find("endpoints");
  if (endpoints == json.end() || !endpoints->is_array()) {
    return Malformed(what, "no list 'endpoints'");
  }
  const Json protocols = json.value("listener_security_protocol_map",
                                    Json::object());
  for (const Json& entry : *endpoints) {
    if (!entry.is_string()) return Malformed(what, "an endpoint is no string");
    ASSIGN_OR_RETURN(BrokerEndpoint endpoint,
                     ParseEndpoint(entry.get<std::string>()));
    auto protocol = protocols.find(endpoint.listener);
    endpoint.security_protocol =
        protocol != protocols.end() && protocol->is_string()
            ? protocol->get<std::string>()
            : endpoint.listener;
    broker.endpoints.push_back(std::move(endpoint));
  }
  if (auto rack = json.find("rack"); rack != json.end() && rack->is_string()) {
    broker.rack = rack->get<std::string>();
  }
  if (auto time = json.find("timestamp");
      time != json.end() && time->is_string()) {
    const std::string digits = time->get<std::string>();
    std::from_chars(digits.data(), digits.data() + digits.size(),
                    broker.timestamp_ms);
  }
  return broker;
}

std::string EncodeController(int32_t broker_id, int64_t timestamp_ms) {
  return Json{{"version", 2},
              {"brokerid", broker_id},
              {"timestamp", std::to_string(timestamp_ms)},
              {"kraftControllerEpoch", -1}}
      .dump();
}

absl::StatusOr<int32_t> DecodeController(std::string_view text) {
  ASSIGN_OR_RETURN(Json json, ParseObject("controller", text));
  ASSIGN_OR_RETURN(int64_t id, GetInt("controller", json, "brokerid"));
  return static_cast<int32_t>(id);
}

absl::StatusOr<int32_t> DecodeControllerEpoch(std::string_view text) {
  return ParseInt32("controller_epoch", text);
}

std::string EncodeTopic(const TopicZnode& topic) {
  Json partitions = Json::object();
  for (const auto& [number, replicas] : topic.partitions) {
    partitions[std::to_string(number)] = replicas;
  }
  return Json{{"partitions", std::move(partitions)},
              {"topic_id", topic.topic_id},
              {"adding_replicas", Json::object()},
              {"removing_replicas", Json::object()},
              {"version", 3}}
      .dump();
}

absl::StatusOr<TopicZnode> DecodeTopic(std::string_view text) {
  const char* what = "topic";
  ASSIGN_OR_RETURN(Json json, ParseObject(what, text));
  TopicZnode topic;
  if (auto id = json.find("topic_id"); id != json.end() && id->is_string()) {
    topic.topic_id = id->get<std::string>();
  }
  auto partitions = json.find("partitions");
  if (partitions == json.end() || !partitions->is_object()) {
    return Malformed(what, "no object 'partitions'");
  }
  for (const auto& [number, replicas] : partitions->items()) {
    ASSIGN_OR_RETURN(int32_t partition, ParseInt32(what, number));
    if (partition < 0) return Malformed(what, "a negative partition number");
    ASSIGN_OR_RETURN(topic.partitions[partition], ParseIds(what, replicas));
  }
  return topic;
}

std::string EncodePartitionState(const PartitionStateZnode& state) {
  return Json{{"controller_epoch", state.controller_epoch},
              {"leader", state.leader},
              {"version", 1},
              {"leader_epoch", state.leader_epoch},
              {"isr", state.isr}}
      .dump();
}

absl::StatusOr<PartitionStateZnode> DecodePartitionState(
    std::string_view text) {
  const char* what = "partition state";
  ASSIGN_OR_RETURN(Json json, ParseObject(what, text));
  PartitionStateZnode state;
  ASSIGN_OR_RETURN(state.leader, GetInt(what, json, "leader"));
  ASSIGN_OR_RETURN(state.leader_epoch, GetInt(what, json, "leader_epoch"));
  ASSIGN_OR_RETURN(state.controller_epoch,
                   GetInt(what, json, "controller_epoch"));
  auto isr = json.find("isr");
  if (isr == json.end()) return Malformed(what, "no list 'isr'");
  ASSIGN_OR_RETURN(state.isr, ParseIds(what, *isr));
  return state;
}

std::string EncodeConfig(const std::map<std::string, std::string>& config) {
  return Json{{"version", 1}, {"config", config}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::map<std::string, std::string>> DecodeConfig(
    std::string_view text) {
  const char* what = "config";
  ASSIGN_OR_RETURN(Json json, ParseObject(what, text));
  auto config = json.find("config");
  if (config == json.end() || !config->is_object()) {
    return Malformed(what, "no object 'config'");
  }
  std::map<std::string, std::string> result;
  for (const auto& [key, value] : config->items()) {
    if (!value.is_string()) {
      return Malformed(what, fmt::format("the value of '{}' is no string", key));
    }
    result[key] = value.get<std::string>();
  }
  return result;
}

std::string EncodeClusterId(std::string_view id) {
  return Json{{"version", "1"}, {"id", std::string(id)}}.dump();
}

absl::StatusOr<std::string> DecodeClusterId(std::string_view text) {
  ASSIGN_OR_RETURN(Json json, ParseObject("cluster id", text));
  auto id = json.find("id");
  if (id == json.end() || !id->is_string()) {
    return Malformed("cluster id", "no string 'id'");
  }
  return id->get<std::string>();
}

std::string EncodeDeletedReplicas(const DeletedReplicasZnode& deleted) {
  Json pending = Json::object();
  for (const auto& [broker, partitions] : deleted.pending) {
    pending[std::to_string(broker)] = partitions;
  }
  return Json{{"version", 1},
              {"topic", deleted.topic},
              {"pending", std::move(pending)}}
      .dump();
}

absl::StatusOr<DeletedReplicasZnode> DecodeDeletedReplicas(
    std::string_view text) {
  const char* what = "deleted replicas";
  ASSIGN_OR_RETURN(Json json, ParseObject(what, text));
  DeletedReplicasZnode deleted;
  auto topic = json.find("topic");
  if (topic == json.end() || !topic->is_string()) {
    return Malformed(what, "no string 'topic'");
  }
  deleted.topic = topic->get<std::string>();
  auto pending = json.find("pending");
  if (pending == json.end() || !pending->is_object()) {
    return Malformed(what, "no object 'pending'");
  }
  for (const auto& [broker, list] : pending->items()) {
    ASSIGN_OR_RETURN(int32_t id, ParseInt32(what, broker));
    ASSIGN_OR_RETURN(std::vector<int32_t> partitions, ParseIds(what, list));
    deleted.pending[id] = {partitions.begin(), partitions.end()};
  }
  return deleted;
}

namespace {
constexpr std::string_view kUuidAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t kUuidTextLength = 22;
}  // namespace

std::string EncodeUuid(const std::array<uint8_t, 16>& bytes) {
  std::string text;
  for (size_t bit = 0; bit < 128; bit += 6) {
    uint32_t six = 0;
    for (size_t b = bit; b < bit + 6; ++b) {
      const uint32_t value = b < 128 ? (bytes[b / 8] >> (7 - b % 8)) & 1 : 0;
      six = six << 1 | value;
    }
    text.push_back(kUuidAlphabet[six]);
  }
  return text;
}

std::optional<std::array<uint8_t, 16>> DecodeUuid(std::string_view text) {
  if (text.size() != kUuidTextLength) return std::nullopt;
  std::array<uint8_t, 16> bytes{};
  size_t bit = 0;
  for (char c : text) {
    const size_t six = kUuidAlphabet.find(c);
    if (six == std::string_view::npos) return std::nullopt;
    for (int shift = 5; shift >= 0; --shift, ++bit) {
      const uint32_t value = (six >> shift) & 1;
      if (bit < 128) {
        bytes[bit / 8] |= value << (7 - bit % 8);
      } else if (value != 0) {
        return std::nullopt;  // beyond the 128 bits: two texts for one id
      }
    }
  }
  return bytes;
}

}  // namespace sillok
