// Settings of the clients, under Kafka's names and with Kafka's defaults unless
// a comment says otherwise.
//
// Fill the struct, or give text pairs to FromProperties (a properties file,
// `-X key=value`): an unknown key or a value out of range is an
// INVALID_CONFIG Status that names key, value and what is allowed. Times are in
// ms, sizes in bytes.
#ifndef SILLOK_CLIENT_CONFIG_H_
#define SILLOK_CLIENT_CONFIG_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sillok::client {

class Partitioner;
class ProducerInterceptor;

using Properties = std::map<std::string, std::string>;

// What every client needs to find and call a cluster.
struct ClientConfig {
  // bootstrap.servers: gRPC addresses "host:port,host:port". Any of them will
  // do; the other brokers are learned from it.
  std::vector<std::string> bootstrap_servers;
  std::string client_id = "sillok-client";  // client.id
  int64_t request_timeout_ms = 30'000;      // request.timeout.ms
  // retry.backoff.ms doubles at each attempt up to retry.backoff.max.ms, with
  // 20 % jitter.
  int64_t retry_backoff_ms = 100;
  int64_t retry_backoff_max_ms = 1'000;
  int64_t metadata_max_age_ms = 300'000;  // metadata.max.age.ms
  // default.api.timeout.ms: how long blocking calls try (commit, offsets, admin).
  int64_t default_api_timeout_ms = 60'000;
};

enum class CompressionType { kNone, kGzip, kSnappy, kLz4, kZstd };

struct ProducerConfig : ClientConfig {
  // acks: 0 sent is enough, 1 the leader's log, -1 ("all") every in-sync
  // replica. With 0 nothing is retried and offsets are unknown (-1).
  int acks = -1;
  int64_t linger_ms = 5;  // linger.ms
  // batch.size: a batch is sent when the next record would pass it. Ours is
  // 256 KiB, not Kafka's 16 KiB: below that the cost per request dominates.
  // Memory is taken as a batch grows, so a large value costs nothing when idle.
  int64_t batch_size = 256 * 1024;
  // buffer.memory: unsent and unacknowledged records. When it is full Send
  // blocks up to max.block.ms. Ours is 64 MiB.
  int64_t buffer_memory = 64 * 1024 * 1024;
  int64_t max_block_ms = 60'000;         // max.block.ms
  int64_t delivery_timeout_ms = 120'000;  // delivery.timeout.ms
  int64_t retries = 2'147'483'647;        // retries
  // enable.idempotence: brokers know a batch that they have, so that nothing is
  // in the log twice and nothing overtakes, whatever is sent again. Needs
  // acks=all, retries and at most 5 requests in flight: to ask for it (true)
  // with other settings is an error. Not set: on, unless those settings rule it
  // out.
  std::optional<bool> enable_idempotence;
  // max.in.flight.requests.per.connection. Requests of one connection are
  // executed in order. Without idempotence and with more than 1, a batch that
  // the broker refuses for a passing reason (NOT_ENOUGH_REPLICAS, say) can be
  // overtaken by the next one that was already on its way.
  int max_in_flight = 5;
  CompressionType compression = CompressionType::kNone;  // compression.type
  // compression.gzip.level 1..9, compression.lz4.level 1..17,
  // compression.zstd.level -131072..22; not set: the codec's own default.
  std::optional<int> gzip_level;
  std::optional<int> lz4_level;
  std::optional<int> zstd_level;
  int64_t max_request_size = 1024 * 1024;                // max.request.size
  // partitioner: how records with a key are placed; others go to one partition
  // until a batch of it is full. `murmur2` (default; also `murmur2_random`) as
  // Kafka's Java clients do, `consistent_random` as librdkafka does,
  // `fnv1a_random` as sarama does; `roundrobin` and `random-sticky` ignore keys.
  // partitioner.class takes Kafka's classes for the same: DefaultPartitioner,
  // RoundRobinPartitioner, UniformStickyPartitioner, with their packages or
  // without.
  std::string partitioner = "murmur2";
  // The application's own instead (partitioner.h), made once for each topic.
  std::function<std::unique_ptr<Partitioner>(const std::string& topic)>
      make_partitioner;
  // Told of every record and answer, in this order (interceptor.h).
  std::vector<std::shared_ptr<ProducerInterceptor>> interceptors;
  bool allow_auto_create_topics = true;  // allow.auto.create.topics

  static absl::StatusOr<ProducerConfig> FromProperties(const Properties& from);
  // What enable.idempotence comes to; INVALID_CONFIG, naming the setting that
  // rules it out, when it was asked for.
  absl::StatusOr<bool> Idempotent() const;
};

enum class OffsetReset { kLatest, kEarliest, kNone };
enum class IsolationLevel { kReadUncommitted, kReadCommitted };

struct ConsumerConfig : ClientConfig {
  std::string group_id;           // group.id; needed for Subscribe and commits
  std::string group_instance_id;  // group.instance.id; "" = dynamic member
  OffsetReset auto_offset_reset = OffsetReset::kLatest;  // auto.offset.reset
  bool enable_auto_commit = true;             // enable.auto.commit
  int64_t auto_commit_interval_ms = 5'000;    // auto.commit.interval.ms
  int64_t session_timeout_ms = 45'000;        // session.timeout.ms
  int64_t heartbeat_interval_ms = 3'000;      // heartbeat.interval.ms
  // max.poll.interval.ms: an application that does not poll for so long is taken
  // for stuck and leaves the group; its next Poll tells it what it lost and joins
  // again. Also how long a rebalance waits for a member.
  int64_t max_poll_interval_ms = 300'000;
  int max_poll_records = 500;                 // max.poll.records
  int64_t fetch_min_bytes = 1;                // fetch.min.bytes
  int64_t fetch_max_bytes = 52'428'800;       // fetch.max.bytes
  int64_t fetch_max_wait_ms = 500;            // fetch.max.wait.ms
  int64_t max_partition_fetch_bytes = 1'048'576;  // max.partition.fetch.bytes
  // partition.assignment.strategy: of range, roundrobin, sticky and
  // cooperative-sticky, preferred first. Partitions are handed over one by one
  // (cooperatively) only when every name of the list can do so, that is with
  // cooperative-sticky alone; else all of them are given up at a rebalance.
  std::vector<std::string> assignors = {"range", "cooperative-sticky"};
  // client.rack: where this consumer is; told to the group's leader.
  std::string client_rack;
  IsolationLevel isolation_level = IsolationLevel::kReadUncommitted;
  bool check_crcs = true;                // check.crcs
  bool allow_auto_create_topics = true;  // allow.auto.create.topics

  static absl::StatusOr<ConsumerConfig> FromProperties(const Properties& from);
};

struct AdminConfig : ClientConfig {
  static absl::StatusOr<AdminConfig> FromProperties(const Properties& from);
};

// One documented key; `sillok help config` and tests list them.
struct ConfigKey {
  std::string name;
  std::string default_value;
  std::string allowed;
};
std::vector<ConfigKey> ProducerConfigKeys();
std::vector<ConfigKey> ConsumerConfigKeys();
std::vector<ConfigKey> AdminConfigKeys();

// "none", "gzip", "snappy", "lz4", "zstd".
std::string CompressionName(CompressionType type);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_CONFIG_H_
