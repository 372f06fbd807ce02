#include "client/config.h"

#include <charconv>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace sillok::client {
namespace {

constexpr int64_t kMaxMs = std::numeric_limits<int32_t>::max();

// One key of one config struct: how text becomes a field and back.
template <typename Config>
struct Entry {
  std::string name;
  std::string allowed;
  std::function<bool(std::string_view, Config*)> set;
  std::function<std::string(const Config&)> get;
};

template <typename Config>
using Table = std::vector<Entry<Config>>;

std::optional<int64_t> ParseInt(std::string_view text) {
  int64_t value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return items;
}

std::string JoinList(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) {
    if (!text.empty()) text += ',';
    text += item;
  }
  return text;
}

// Our names are Kafka's; the class names of its Java client are understood too.
// "" when it is none.
std::string AssignorName(std::string_view text) {
  constexpr std::string_view kPackage = "org.apache.kafka.clients.consumer.";
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"range", "RangeAssignor"},
      {"roundrobin", "RoundRobinAssignor"},
      {"sticky", "StickyAssignor"},
      {"cooperative-sticky", "CooperativeStickyAssignor"}};
  bool java = text.substr(0, kPackage.size()) == kPackage;
  if (java) text.remove_prefix(kPackage.size());
  for (const auto& [name, class_name] : kNames) {
    if (text == (java ? class_name : name)) return std::string(name);
  }
  return "";
}

bool IsHostPort(const std::string& address) {
  size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  auto port = ParseInt(std::string_view(address).substr(colon + 1));
  return port.has_value() && *port > 0 && *port < 65536;
}

template <typename Config, typename Base, typename Int>
Entry<Config> Number(const char* name, Int Base::*field, int64_t least,
                     int64_t most) {
  return {name,
          "a number from " + std::to_string(least) + " to " +
              std::to_string(most),
          [=](std::string_view text, Config* config) {
            auto value = ParseInt(text);
            if (!value || *value < least || *value > most) return false;
            config->*field = static_cast<Int>(*value);
            return true;
          },
          [=](const Config& config) { return std::to_string(config.*field); }};
}

template <typename Config, typename Base>
Entry<Config> Boolean(const char* name, bool Base::*field) {
  return {name, "true or false",
          [=](std::string_view text, Config* config) {
            if (text != "true" && text != "false") return false;
            config->*field = text == "true";
            return true;
          },
          [=](const Config& config) {
            return std::string(config.*field ? "true" : "false");
          }};
}

template <typename Config, typename Base>
Entry<Config> Text(const char* name, std::string Base::*field) {
  return {name, "any text",
          [=](std::string_view text, Config* config) {
            config->*field = std::string(text);
            return true;
          },
          [=](const Config& config) { return config.*field; }};
}

template <typename Config, typename Base, typename E>
Entry<Config> Choice(const char* name, E Base::*field,
                     std::vector<std::pair<std::string, E>> choices) {
  std::string allowed;
  for (const auto& [word, value] : choices) {
    allowed += (allowed.empty() ? "" : ", ") + word;
  }
  return {name, allowed,
          [=](std::string_view text, Config* config) {
            for (const auto& [word, value] : choices) {
              if (word != text) continue;
              config->*field = value;
              return true;
            }
            return false;
          },
          [=](const Config& config) {
            for (const auto& [word, value] : choices) {
              if (config.*field == value) return word;
            }
            return std::string();
          }};
}

// A number that has no value unless it is set.
template <typename Config, typename Base>
Entry<Config> OptionalNumber(const char* name, std::optional<int> Base::*field,
                             int64_t least, int64_t most) {
  return {name,
          "a number from " + std::to_string(least) + " to " +
              std::to_string(most) + ", or nothing",
          [=](std::string_view text, Config* config) {
            config->*field = std::nullopt;
            if (text.empty()) return true;
            auto value = ParseInt(text);
            if (!value || *value < least || *value > most) return false;
            config->*field = static_cast<int>(*value);
            return true;
          },
          [=](const Config& config) {
            const std::optional<int>& value = config.*field;
            return value ? std::to_string(*value) : std::string();
          }};
}

// Kafka's partitioner classes, and what they are called here.
struct PartitionerClass {
  const char* kafka_class;
  const char* package;
  const char* name;
};
constexpr PartitionerClass kPartitionerClasses[] = {
    {"DefaultPartitioner", "org.apache.kafka.clients.producer.internals.",
     "murmur2"},
    {"RoundRobinPartitioner", "org.apache.kafka.clients.producer.",
     "roundrobin"},
    {"UniformStickyPartitioner", "org.apache.kafka.clients.producer.",
     "random-sticky"},
};

Entry<ProducerConfig> PartitionerClassEntry() {
  return {"partitioner.class",
          "DefaultPartitioner, RoundRobinPartitioner, "
          "UniformStickyPartitioner",
          [](std::string_view text, ProducerConfig* config) {
            for (const PartitionerClass& known : kPartitionerClasses) {
              if (text == known.kafka_class ||
                  text == known.package + std::string(known.kafka_class)) {
                config->partitioner = known.name;
                return true;
              }
            }
            return false;
          },
          [](const ProducerConfig& config) {
            for (const PartitionerClass& known : kPartitionerClasses) {
              if (config.partitioner == known.name) {
                return std::string(known.kafka_class);
              }
            }
            return std::string();
          }};
}

template <typename Config>
void AddCommon(Table<Config>* table) {
  table->push_back(
      {"bootstrap.servers", "host:port,host:port,...",
       [](std::string_view text, Config* config) {
         config->bootstrap_servers = SplitList(text);
         if (config->bootstrap_servers.empty()) return false;
         for (const std::string& address : config->bootstrap_servers) {
           if (!IsHostPort(address)) return false;
         }
         return true;
       },
       [](const Config& config) { return JoinList(config.bootstrap_servers); }});
  table->push_back(Text<Config>("client.id", &ClientConfig::client_id));
  table->push_back(Number<Config>("request.timeout.ms",
                                  &ClientConfig::request_timeout_ms, 1,
                                  kMaxMs));
  table->push_back(Number<Config>("retry.backoff.ms",
                                  &ClientConfig::retry_backoff_ms, 0, kMaxMs));
  table->push_back(Number<Config>("retry.backoff.max.ms",
                                  &ClientConfig::retry_backoff_max_ms, 0,
                                  kMaxMs));
  table->push_back(Number<Config>("metadata.max.age.ms",
                                  &ClientConfig::metadata_max_age_ms, 1,
                                  kMaxMs));
  table->push_back(Number<Config>("default.api.timeout.ms",
                                  &ClientConfig::default_api_timeout_ms, 1,
                                  kMaxMs));
}

const Table<ProducerConfig>& ProducerTable() {
  using C = ProducerConfig;
  static const auto* table = [] {
    auto* t = new Table<C>;
    AddCommon(t);
    t->push_back(Choice<C>("acks", &C::acks,
                           {{"all", -1}, {"-1", -1}, {"0", 0}, {"1", 1}}));
    t->push_back(Number<C>("linger.ms", &C::linger_ms, 0, kMaxMs));
    t->push_back(Number<C>("batch.size", &C::batch_size, 0, 512 << 20));
    t->push_back(Number<C>("buffer.memory", &C::buffer_memory, 1,
                           std::numeric_limits<int64_t>::max()));
    t->push_back(Number<C>("max.block.ms", &C::max_block_ms, 0, kMaxMs));
    t->push_back(Number<C>("delivery.timeout.ms", &C::delivery_timeout_ms, 1,
                           kMaxMs));
    t->push_back(Number<C>("retries", &C::retries, 0, kMaxMs));
    t->push_back({"enable.idempotence", "true or false",
                  [](std::string_view text, C* config) {
                    if (text != "true" && text != "false") return false;
                    config->enable_idempotence = text == "true";
                    return true;
                  },
                  [](const C& config) {
                    return std::string(
                        config.enable_idempotence.value_or(true) ? "true"
                                                                 : "false");
                  }});
    t->push_back(Number<C>("max.in.flight.requests.per.connection",
                           &C::max_in_flight, 1, 1'000));
    t->push_back(Choice<C>("compression.type", &C::compression,
                           {{"none", CompressionType::kNone},
                            {"gzip", CompressionType::kGzip},
                            {"snappy", CompressionType::kSnappy},
                            {"lz4", CompressionType::kLz4},
                            {"zstd", CompressionType::kZstd}}));
    t->push_back(
        OptionalNumber<C>("compression.gzip.level", &C::gzip_level, 1, 9));
    t->push_back(
        OptionalNumber<C>("compression.lz4.level", &C::lz4_level, 1, 17));
    t->push_back(OptionalNumber<C>("compression.zstd.level", &C::zstd_level,
                                   -131072, 22));
    t->push_back(
        Number<C>("max.request.size", &C::max_request_size, 1, 1 << 30));
    t->push_back(Choice<C>("partitioner", &C::partitioner,
                           {{"murmur2", "murmur2"},
                            {"murmur2_random", "murmur2"},
                            {"consistent_random", "consistent_random"},
                            {"fnv1a_random", "fnv1a_random"},
                            {"roundrobin", "roundrobin"},
                            {"random-sticky", "random-sticky"}}));
    t->push_back(PartitionerClassEntry());
    t->push_back(Boolean<C>("allow.auto.create.topics",
                            &C::allow_auto_create_topics));
    return t;
  }();
  return *table;
}

const Table<ConsumerConfig>& ConsumerTable() {
  using C = ConsumerConfig;
  static const auto* table = [] {
    auto* t = new Table<C>;
    AddCommon(t);
    t->push_back(Text<C>("group.id", &C::group_id));
    t->push_back(Text<C>("group.instance.id", &C::group_instance_id));
    t->push_back(Choice<C>("auto.offset.reset", &C::auto_offset_reset,
                           {{"latest", OffsetReset::kLatest},
                            {"earliest", OffsetReset::kEarliest},
                            {"none", OffsetReset::kNone}}));
    t->push_back(Boolean<C>("enable.auto.commit", &C::enable_auto_commit));
    t->push_back(Number<C>("auto.commit.interval.ms",
                           &C::auto_commit_interval_ms, 1, kMaxMs));
    t->push_back(
        Number<C>("session.timeout.ms", &C::session_timeout_ms, 1, kMaxMs));
    t->push_back(Number<C>("heartbeat.interval.ms", &C::heartbeat_interval_ms,
                           1, kMaxMs));
    t->push_back(Number<C>("max.poll.interval.ms", &C::max_poll_interval_ms, 1,
                           kMaxMs));
    t->push_back(
        Number<C>("max.poll.records", &C::max_poll_records, 1, kMaxMs));
    t->push_back(
        Number<C>("fetch.min.bytes", &C::fetch_min_bytes, 0, 1 << 30));
    t->push_back(
        Number<C>("fetch.max.bytes", &C::fetch_max_bytes, 1, 1 << 30));
    t->push_back(
        Number<C>("fetch.max.wait.ms", &C::fetch_max_wait_ms, 0, kMaxMs));
    t->push_back(Number<C>("max.partition.fetch.bytes",
                           &C::max_partition_fetch_bytes, 1, 1 << 30));
    t->push_back({"partition.assignment.strategy",
                  "a list of range, roundrobin, sticky, cooperative-sticky",
                  [](std::string_view text, C* config) {
                    config->assignors.clear();
                    for (const std::string& item : SplitList(text)) {
                      std::string name = AssignorName(item);
                      if (name.empty()) return false;
                      config->assignors.push_back(std::move(name));
                    }
                    return !config->assignors.empty();
                  },
                  [](const C& config) { return JoinList(config.assignors); }});
    t->push_back(Text<C>("client.rack", &C::client_rack));
    t->push_back(Choice<C>(
        "isolation.level", &C::isolation_level,
        {{"read_uncommitted", IsolationLevel::kReadUncommitted},
         {"read_committed", IsolationLevel::kReadCommitted}}));
    t->push_back(Boolean<C>("check.crcs", &C::check_crcs));
    t->push_back(Boolean<C>("allow.auto.create.topics",
                            &C::allow_auto_create_topics));
    return t;
  }();
  return *table;
}

const Table<AdminConfig>& AdminTable() {
  static const auto* table = [] {
    auto* t = new Table<AdminConfig>;
    AddCommon(t);
    return t;
  }();
  return *table;
}

template <typename Config>
absl::StatusOr<Config> Read(const Table<Config>& table,
                            const Properties& from) {
  Config config;
  for (const auto& [key, value] : from) {
    const Entry<Config>* entry = nullptr;
    for (const Entry<Config>& e : table) {
      if (e.name == key) entry = &e;
    }
    if (entry == nullptr) {
      std::string known;
      for (const Entry<Config>& e : table) {
        known += (known.empty() ? "" : " ") + e.name;
      }
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         "unknown key '" + key + "'; known are: " + known);
    }
    if (!entry->set(value, &config)) {
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         key + "=" + value + " is not allowed; it takes " +
                             entry->allowed);
    }
  }
  return config;
}

template <typename Config>
std::vector<ConfigKey> Keys(const Table<Config>& table) {
  std::vector<ConfigKey> keys;
  Config defaults;
  for (const Entry<Config>& entry : table) {
    keys.push_back({entry.name, entry.get(defaults), entry.allowed});
  }
  return keys;
}

}  // namespace

absl::StatusOr<ProducerConfig> ProducerConfig::FromProperties(
    const Properties& from) {
  return Read(ProducerTable(), from);
}

absl::StatusOr<bool> ProducerConfig::Idempotent() const {
  constexpr int kMostInFlight = 5;  // batches that a broker remembers
  std::string obstacle;
  if (acks != -1) {
    obstacle = "acks=all, not acks=" + std::to_string(acks);
  } else if (retries == 0) {
    obstacle = "retries above 0";
  } else if (max_in_flight > kMostInFlight) {
    obstacle = "max.in.flight.requests.per.connection of at most 5, not " +
               std::to_string(max_in_flight);
  }
  if (obstacle.empty()) return enable_idempotence.value_or(true);
  if (!enable_idempotence.value_or(false)) return false;
  return ErrorStatus(ErrorCode::INVALID_CONFIG,
                     "enable.idempotence=true needs " + obstacle);
}

absl::StatusOr<ConsumerConfig> ConsumerConfig::FromProperties(
    const Properties& from) {
  return Read(ConsumerTable(), from);
}

absl::StatusOr<AdminConfig> AdminConfig::FromProperties(
    const Properties& from) {
  return Read(AdminTable(), from);
}

std::vector<ConfigKey> ProducerConfigKeys() { return Keys(ProducerTable()); }
std::vector<ConfigKey> ConsumerConfigKeys() { return Keys(ConsumerTable()); }
std::vector<ConfigKey> AdminConfigKeys() { return Keys(AdminTable()); }

std::string CompressionName(CompressionType type) {
  switch (type) {
    case CompressionType::kNone:
      return "none";
    case CompressionType::kGzip:
      return "gzip";
    case CompressionType::kSnappy:
      return "snappy";
    case CompressionType::kLz4:
      return "lz4";
    case CompressionType::kZstd:
      return "zstd";
  }
  return "none";
}

}  // namespace sillok::client
