#include "broker/broker_config.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#include "broker/metadata/topic_config.h"
#include "coordinator/client/session.h"
#include "fmt/format.h"

namespace sillok {
namespace {

constexpr int64_t kMax32 = std::numeric_limits<int32_t>::max();

// The parts alone; how they fit together is BrokerListeners' to say.
std::string CheckListeners(const std::string& text) {
  for (size_t begin = 0; begin <= text.size();) {
    size_t comma = std::min(text.find(',', begin), text.size());
    auto parsed = ParseListener(text.substr(begin, comma - begin));
    if (!parsed.ok()) {
      return "NAME://host:port,NAME://host:port, such as GRPC://host:port: " +
             std::string(parsed.status().message());
    }
    begin = comma + 1;
  }
  return "";
}

std::string CheckCoordinatorConnect(const std::string& text) {
  return coord::ParseConnectString(text).ok()
             ? ""
             : "host:port,host:port, with or without a /chroot at the end";
}

// "must be ..." of the topic configuration's own message.
std::string CheckTopicDefault(const std::string& name,
                              const std::string& value) {
  absl::Status status = ValidateTopicConfigValue(name, value);
  if (status.ok()) return "";
  std::string text(status.message());
  constexpr std::string_view kAllowed = "must be ";
  size_t allowed = text.rfind(kAllowed);
  return allowed == std::string::npos
             ? text
             : text.substr(allowed + kAllowed.size());
}

std::string CheckHostPort(const std::string& text) {
  return ParseListener("X://" + text).ok() ? "" : "host:port";
}

void AddIdentity(ConfigSpec* spec) {
  spec->Int("broker.id", 0, "This broker's id; unique in the cluster.", 0,
            kMax32)
      .Required()
      .String("broker.rack", "", "Where this broker stands; \"\" = not said.")
      .Checked("coordinator.connect", "",
               "The coordinator ensemble: host:port,host:port/chroot.",
               CheckCoordinatorConnect)
      .Required()
      .Int("zookeeper.session.timeout.ms", 18'000,
           "How long the cluster waits for a silent broker before its "
           "leaderships move.",
           1)
      .Int("broker.disconnect.timeout.ms", 0,
           "The same for a broker whose connection broke and that does not "
           "come back (a killed process; a paused one keeps its connection). "
           "0 = only the session timeout counts.",
           0)
      .Checked("listeners",
               "GRPC://127.0.0.1:9094,PLAINTEXT://127.0.0.1:9092,"
               "REPLICATION://127.0.0.1:9095",
               "Where to listen: NAME://host:port, separated by commas. GRPC is "
               "for our own clients and for the brokers among themselves, "
               "PLAINTEXT for Kafka clients, REPLICATION for followers (without "
               "one they fetch over GRPC). No host = all addresses; port 0 = "
               "any free one.",
               CheckListeners)
      .Checked("advertised.listeners", "",
               "What clients and brokers are told to connect to, by the names "
               "of the listeners; empty = the listeners.",
               [](const std::string& text) {
                 return text.empty() ? "" : CheckListeners(text);
               })
      .String("listener.security.protocol.map", kDefaultProtocolMap,
              "What listeners of other names speak: NAME:PROTOCOL, separated by "
              "commas. Protocols: GRPC, PLAINTEXT (Kafka), REPLICATION (frames "
              "by which followers fetch, faster than GRPC; brokers only).")
      .Checked("http.listen", "127.0.0.1:9644",
               "host:port of /metrics and /healthz.", CheckHostPort)
      .Checked("log.dirs", "/var/lib/sillok/broker",
               "The folder that keeps the partition logs.",
               [](const std::string& text) {
                 return text.empty() || text.find(',') != std::string::npos
                            ? "one folder"
                            : "";
               })
      .String("tcp.congestion.control", "auto",
              "TCP congestion control of this broker's sockets: auto (cubic or "
              "reno: cheap in a data centre and on loopback), system, or a name "
              "the kernel knows.")
      .Int("log.verbosity", 0, "More lines in the log: 0 to 3.", 0, 3);
}

void AddKafkaDoor(ConfigSpec* spec) {
  spec->Int("num.network.threads", 2,
            "Threads that serve the connections of Kafka clients.", 1, 256)
      .Int("socket.request.max.bytes", 104'857'600,
           "Largest request of a Kafka client.", 1024, kMax32)
      .Int("queued.max.request.bytes", 268'435'456,
           "Memory for Kafka clients' requests that are being read or carried "
           "out; beyond it their connections wait.",
           1 << 20)
      .Int("max.connections", 10'000,
           "Most connections of Kafka clients at a time.", 1, kMax32)
      .Int("max.connections.per.ip", kMax32,
           "Most of them from one address.", 1, kMax32)
      .Int("connections.max.idle.ms", 600'000,
           "A Kafka client's connection that is silent for so long is closed.",
           1)
      .Int("max.incremental.fetch.session.cache.slots", 1'000,
           "Fetch sessions of Kafka clients that are remembered.", 0, kMax32);
}

void AddTopics(ConfigSpec* spec) {
  spec->Bool("auto.create.topics.enable", true,
             "Create a topic when a client asks for one that is not there.")
      .Bool("delete.topic.enable", true, "Allow topics to be deleted.")
      .Int("num.partitions", 1, "Partitions of a topic that does not say.", 1,
           kMax32)
      .Int("default.replication.factor", 1,
           "Replicas of a topic that does not say.", 1, 32'767)
      .Bool("auto.leader.rebalance.enable", true,
            "Move leaderships back to the preferred replicas from time to time.")
      .Int("leader.imbalance.check.interval.seconds", 300,
           "How often that is looked at.", 1)
      .Int("leader.imbalance.per.broker.percentage", 10,
           "How many of a broker's partitions may be led elsewhere.", 0, 100);
}

void AddReplication(ConfigSpec* spec) {
  spec->Int("replica.lag.time.max.ms", 30'000,
            "A follower that has not caught up for this long leaves the ISR.", 1)
      .Int("replica.fetch.wait.max.ms", 500,
           "How long a follower's fetch waits for data.", 0)
      .Int("replica.fetch.max.bytes", 1'048'576,
           "Bytes a follower asks for in one partition.", 1, kMax32)
      .Int("replica.fetch.response.max.bytes", 10'485'760,
           "Bytes a follower asks for in one request.", 1, kMax32)
      .Int("replica.fetch.backoff.ms", 1'000,
           "Pause after a fetch that failed.", 0)
      .Int("replica.high.watermark.checkpoint.interval.ms", 5'000,
           "How often high watermarks are written down.", 100)
      .Bool("controlled.shutdown.enable", true,
            "Hand leaderships over before stopping.")
      .Int("controlled.shutdown.max.retries", 3, "How often that is tried.", 0,
           1000);
}

void AddLog(ConfigSpec* spec) {
  spec->Int("log.retention.check.interval.ms", 300'000,
            "How often old segments are looked for.", 1)
      .Int("log.flush.offset.checkpoint.interval.ms", 60'000,
           "How often recovery points are written down.", 1)
      .Int("num.recovery.threads.per.data.dir", 2,
           "Threads that check logs after an unclean end.", 1, 256)
      .Int("producer.id.expiration.ms", 86'400'000,
           "How long a partition remembers a producer that writes nothing.", 1)
      .Int("max.producer.ids.per.partition", 100'000,
           "Most producers a partition remembers; those idle longest go.", 1,
           kMax32)
      .Int("num.io.threads", 2, "Threads for partitions' work.", 1, 256)
      .Int("background.threads", 2, "Threads for disk syncs.", 1, 256)
      .Int("fetch.max.bytes", 57'671'680, "Largest answer to a fetch.", 1024,
           100 << 20);
}

void AddGroups(ConfigSpec* spec) {
  spec->Int("group.min.session.timeout.ms", 6'000,
            "Shortest session timeout of a group member.", 1, kMax32)
      .Int("group.max.session.timeout.ms", 1'800'000,
           "Longest session timeout of a group member.", 1, kMax32)
      .Int("group.initial.rebalance.delay.ms", 100,
           "How long the first rebalance of an empty group waits for more "
           "members.",
           0, kMax32)
      .Int("group.max.size", kMax32, "Most members of a group.", 1, kMax32)
      .Int("offset.metadata.max.bytes", 4'096,
           "Longest metadata of a committed offset.", 0, kMax32)
      .Int("offsets.retention.minutes", 10'080,
           "How long offsets of an empty group are kept.", 1, kMax32)
      .Int("offsets.retention.check.interval.ms", 600'000,
           "How often that is looked at.", 1)
      .Int("offsets.topic.num.partitions", 50,
           "Partitions of __consumer_offsets.", 1, kMax32)
      .Int("offsets.topic.replication.factor", 3,
           "Replicas of __consumer_offsets (or as many as there are brokers "
           "when it is made).",
           1, 32'767)
      .Int("offsets.topic.segment.bytes", 104'857'600,
           "Segment size of __consumer_offsets.", 1, kMax32)
      .Int("offsets.commit.timeout.ms", 5'000,
           "How long a commit waits for replicas.", 1, kMax32)
      .Int("offsets.load.buffer.size", 5'242'880,
           "Bytes read in one step when a group partition is loaded.", 1,
           kMax32);
}

// What topics fall back to: log.retention.ms for retention.ms, and so on.
void AddTopicDefaults(ConfigSpec* spec) {
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    if (spec->Find(key.broker_name) != nullptr) continue;
    spec->Checked(key.broker_name, key.default_value,
                  fmt::format("For topics that do not set {}: {}", key.name,
                              key.documentation),
                  [name = std::string(key.name)](const std::string& value) {
                    return CheckTopicDefault(name, value);
                  });
  }
}

}  // namespace

const ConfigSpec& BrokerConfigSpec() {
  static const ConfigSpec* spec = [] {
    auto* made = new ConfigSpec;
    AddIdentity(made);
    AddKafkaDoor(made);
    AddTopics(made);
    AddReplication(made);
    AddLog(made);
    AddGroups(made);
    AddTopicDefaults(made);
    return made;
  }();
  return *spec;
}

absl::StatusOr<ListenerPlan> BrokerListeners(const Config& config) {
  return PlanListeners({config.GetString("listeners"),
                        config.GetString("advertised.listeners"),
                        config.GetString("listener.security.protocol.map")});
}

std::map<std::string, std::string> ConfigValues(const Config& config) {
  std::map<std::string, std::string> values;
  for (const ConfigKey& key : BrokerConfigSpec().keys()) {
    if (config.IsSet(key.name)) values[key.name] = config.GetString(key.name);
  }
  return values;
}

}  // namespace sillok
