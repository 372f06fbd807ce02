// What many partitions cost a cluster, as a client sees it: how long until a topic
// of many partitions can be used, and how long until the leaders that a killed
// broker had are others. test/bench/failover.py starts the cluster and reads its
// logs.

#include <fmt/format.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "test/bench/kafka/load_client.h"
#include "test/bench/kafka/load_options.h"

namespace sillok::bench {
namespace {

constexpr char kManual[] =
    "usage: many_partitions create BROKERS TOPIC PARTITIONS REPLICAS\n"
    "       many_partitions kill BROKERS TOPIC ID=PID,...\n"
    "kill ends a broker that is not the controller.\n"
    "Prints one line of JSON. Times are ms; *_at are Unix time.\n";

// librdkafka keeps a question that long for a broker that is gone: less than it
// takes the others to notice.
constexpr int kMetadataTimeoutMs = 500;
constexpr int64_t kGiveUpMs = 120'000;
// Asking costs the cluster something, too.
constexpr useconds_t kPauseUs = 3'000;

double NowMs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) * 1e3 +
         static_cast<double>(now.tv_nsec) / 1e6;
}

struct Picture {
  int partitions = 0;
  int usable = 0;  // with a leader and every replica in the ISR
  int led_by = 0;  // by the broker that is asked about
  int leaderless = 0;
};

class Watcher {
 public:
  // Connects. Asks for no topic: that might make it.
  explicit Watcher(const LoadOptions& options)
      : client_(MakeProducer(options, nullptr, true, nullptr)),
        controller_(rd_kafka_controllerid(client_.get(), kMetadataTimeoutMs)) {}
  ~Watcher() {
    if (topic_ != nullptr) rd_kafka_topic_destroy(topic_);
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  int controller() const { return controller_; }
  // From now on there is one.
  void SetTopic(const std::string& topic) {
    topic_ = rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr);
  }

  // Nothing when nobody answers just now.
  Picture Look(int replicas, int broker) const {
    Picture picture;
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(client_.get(), 0, topic_, &metadata,
                          kMetadataTimeoutMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return picture;
    }
    const rd_kafka_metadata_topic_t& topic = metadata->topics[0];
    picture.partitions = topic.partition_cnt;
    for (int i = 0; i < topic.partition_cnt; ++i) {
      const rd_kafka_metadata_partition_t& one = topic.partitions[i];
      if (one.leader < 0) ++picture.leaderless;
      if (one.leader == broker) ++picture.led_by;
      if (one.leader >= 0 && one.isr_cnt >= replicas) ++picture.usable;
    }
    rd_kafka_metadata_destroy(metadata);
    return picture;
  }

 private:
  const Client client_;
  rd_kafka_topic_t* topic_ = nullptr;
  const int controller_;
};

void Pause(double since_ms, const char* what) {
  if (NowMs() - since_ms > kGiveUpMs) Fail(fmt::format("{}: too long", what));
  usleep(kPauseUs);
}

void Create(LoadOptions options, int partitions, int replicas) {
  options.partitions = partitions;
  options.replicas = replicas;
  Watcher watcher(options);  // connected before the clock runs
  const double start = NowMs();
  CreateTopic(options);
  const double answered = NowMs();
  watcher.SetTopic(options.topic);
  Picture seen = watcher.Look(replicas, -1);
  while (seen.usable < partitions) {
    Pause(start, "create");
    seen = watcher.Look(replicas, -1);
  }
  fmt::print("{{\"answered_ms\": {:.1f}, \"usable_ms\": {:.1f}}}\n",
             answered - start, NowMs() - start);
}

void Kill(const LoadOptions& options, const std::map<int, pid_t>& pids) {
  Watcher watcher(options);
  watcher.SetTopic(options.topic);
  int broker = -1;
  for (const auto& [id, pid] : pids) {
    if (id != watcher.controller()) broker = id;
  }
  if (broker < 0) Fail("no broker that is not the controller");
  const pid_t pid = pids.at(broker);
  const int led = watcher.Look(1, broker).led_by;
  if (led == 0) Fail("the broker leads nothing");
  if (kill(pid, SIGKILL) != 0) Fail(strerror(errno));
  const double killed = NowMs();
  double first = 0;
  while (true) {
    const Picture seen = watcher.Look(1, broker);
    const int left = seen.led_by + seen.leaderless;
    if (first == 0 && seen.partitions > 0 && left < led) first = NowMs();
    if (seen.partitions > 0 && left == 0) break;
    Pause(killed, "kill");
  }
  fmt::print("{{\"broker\": {}, \"led\": {}, \"killed_at\": {:.1f}, \"first_moved_at\": {:.1f}, "
             "\"all_moved_at\": {:.1f}}}\n",
             broker, led, killed, first, NowMs());
}

int Number(const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value <= 0) {
    Fail(fmt::format("'{}' is no number", text));
  }
  return static_cast<int>(value);
}

std::map<int, pid_t> Pids(const std::string& text) {
  std::map<int, pid_t> pids;
  for (size_t at = 0; at < text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const size_t equals = text.find('=', at);
    if (equals >= comma) Fail(fmt::format("'{}' is not ID=PID,...", text));
    pids[Number(text.substr(at, equals - at).c_str())] =
        Number(text.substr(equals + 1, comma - equals - 1).c_str());
    at = comma + 1;
  }
  return pids;
}

int Main(int argc, char** argv) {
  if (argc < 5) {
    fmt::print(stderr, "{}", kManual);
    return 2;
  }
  LoadOptions options;
  options.brokers = argv[2];
  options.topic = argv[3];
  const std::string_view command = argv[1];
  if (command == "create" && argc == 6) {
    Create(options, Number(argv[4]), Number(argv[5]));
  } else if (command == "kill" && argc == 5) {
    Kill(options, Pids(argv[4]));
  } else {
    fmt::print(stderr, "{}", kManual);
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace sillok::bench

int main(int argc, char** argv) { return sillok::bench::Main(argc, argv); }
