// The load that test/bench/kafka.sh puts on every broker: see --help.

#include <fmt/format.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "test/bench/kafka/load_client.h"
#include "test/bench/kafka/load_options.h"

namespace sillok::bench {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t ReadClock(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) Fail("a server process is gone");
  return time.tv_sec * kSecond + time.tv_nsec;
}
int64_t NowNs() { return ReadClock(CLOCK_MONOTONIC); }

// Time and CPU from its making on.
class Meter {
 public:
  explicit Meter(const LoadOptions& options) {
    for (const int pid : options.server_pids) {
      clockid_t clock{};
      if (clock_getcpuclockid(pid, &clock) != 0) {
        Fail(fmt::format("no process {}", pid));
      }
      clocks_.push_back(clock);
    }
    Restart();
  }
  void Restart() {
    server_ns_ = ServerNs();
    client_ns_ = ReadClock(CLOCK_PROCESS_CPUTIME_ID);
    start_ns_ = NowNs();
  }
  int64_t start_ns() const { return start_ns_; }
  // The members that every command prints. `end_ns`: when the work was done.
  std::string Json(const char* command, int64_t records, int64_t bytes,
                   int64_t end_ns) const {
    const double seconds = static_cast<double>(end_ns - start_ns_) / kSecond;
    const double server =
        static_cast<double>(ServerNs() - server_ns_) / kSecond;
    const double client =
        static_cast<double>(ReadClock(CLOCK_PROCESS_CPUTIME_ID) - client_ns_) /
        kSecond;
    const double gb = static_cast<double>(bytes) / 1e9;
    const auto count = static_cast<double>(records);
    return fmt::format(
        R"("command":"{}","records":{},"bytes":{},"seconds":{:.4f},)"
        R"("records_per_second":{:.0f},"mb_per_second":{:.2f},)"
        R"("server_cpu_seconds":{:.4f},"server_cpu_seconds_per_gb":{:.4f},)"
        R"("server_cpu_us_per_record":{:.4f},"client_cpu_seconds":{:.4f})",
        command, records, bytes, seconds, count / seconds,
        static_cast<double>(bytes) / 1e6 / seconds, server, server / gb,
        server / count * 1e6, client);
  }

 private:
  int64_t ServerNs() const {
    int64_t sum = 0;
    for (const clockid_t clock : clocks_) sum += ReadClock(clock);
    return sum;
  }

  std::vector<clockid_t> clocks_;
  int64_t server_ns_ = 0;
  int64_t client_ns_ = 0;
  int64_t start_ns_ = 0;
};

// Text that compresses about as well as logs do, so that a codec has real work.
// Records are windows of it; each begins elsewhere.
class Payload {
 public:
  explicit Payload(size_t record_bytes) : record_bytes_(record_bytes) {
    const size_t size = std::max<size_t>(size_t{1} << 20, 4 * record_bytes);
    uint64_t state = 0x9e3779b97f4a7c15;
    auto random = [&state] {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      return state;
    };
    while (text_.size() < size + record_bytes) {
      text_ += fmt::format(
          R"({{"user":{},"path":"/{}/{}","ms":{},"ok":{}}})", random() % 99991,
          kWords[random() % kWordCount], kWords[random() % kWordCount],
          random() % 2000, random() % 8 != 0);
    }
  }
  char* Next() {
    at_ += record_bytes_ < 4096 ? 61 : record_bytes_;
    if (at_ + record_bytes_ > text_.size()) at_ %= 61;
    return text_.data() + at_;
  }

 private:
  static constexpr int kWordCount = 8;
  static constexpr const char* kWords[kWordCount] = {
      "orders", "basket", "login", "search", "item", "price", "stock", "help"};
  const size_t record_bytes_;
  std::string text_;
  size_t at_ = 0;
};

class Latencies {
 public:
  void Reserve(int64_t count) { ns_.reserve(static_cast<size_t>(count)); }
  void Add(int64_t ns) { ns_.push_back(ns); }
  int64_t count() const { return static_cast<int64_t>(ns_.size()); }
  // "NAME_p50_ms":..., and so on.
  std::string Json(const char* name) {
    std::sort(ns_.begin(), ns_.end());
    return fmt::format(
        R"("{0}_p50_ms":{1:.4f},"{0}_p99_ms":{2:.4f},)"
        R"("{0}_p999_ms":{3:.4f},"{0}_max_ms":{4:.4f})",
        name, At(0.5), At(0.99), At(0.999), At(1));
  }

 private:
  double At(double part) const {
    if (ns_.empty()) return 0;
    const auto index =
        static_cast<size_t>(part * static_cast<double>(ns_.size() - 1));
    return static_cast<double>(ns_[index]) / 1e6;
  }
  std::vector<int64_t> ns_;
};

// ---- produce: as fast as it goes ------------------------------------------

void CountFailure(rd_kafka_t*, const rd_kafka_message_t* message,
                  void* opaque) {
  auto* failures = static_cast<int64_t*>(opaque);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  if ((*failures)++ == 0) {
    fmt::print(stderr, "kafka_load: refused: {}\n",
               rd_kafka_err2str(message->err));
  }
}

void Produce(const LoadOptions& options) {
  int64_t failures = 0;
  const Client producer = MakeProducer(
      options, &CountFailure, /*report_failures_only=*/true, &failures);
  rd_kafka_topic_t* topic =
      rd_kafka_topic_new(producer.get(), options.topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(producer.get(), 0, topic, &metadata, 20'000) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    Fail("no metadata");
  }
  rd_kafka_metadata_destroy(metadata);
  const auto size = static_cast<size_t>(options.size_bytes);
  Payload payload(size);

  const Meter meter(options);
  for (int64_t i = 0; i < options.records;) {
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, payload.Next(), size,
                         nullptr, 0, nullptr) == 0) {
      ++i;
    } else if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(producer.get(), 1);
    } else {
      Fail(rd_kafka_err2str(rd_kafka_last_error()));
    }
  }
  if (rd_kafka_flush(producer.get(), 600'000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Fail("not everything was acknowledged within ten minutes");
  }
  const int64_t end = NowNs();
  fmt::print("{{{},\"failures\":{}}}\n",
             meter.Json("produce", options.records - failures,
                        (options.records - failures) * options.size_bytes,
                        end),
             failures);
  rd_kafka_topic_destroy(topic);
  if (failures > 0) Fail(fmt::format("{} records were refused", failures));
}

// ---- consume: everything that is there ------------------------------------

void Consume(const LoadOptions& options) {
  constexpr int64_t kPatience = 20 * kSecond;
  // librdkafka waits until the batch is full or the time is over, and what
  // waits in it counts against its own memory: few enough, and not for long.
  constexpr int kBatchWaitMs = 5;
  const size_t batch = static_cast<size_t>(std::clamp<int64_t>(
      (int64_t{4} << 20) / options.size_bytes, 1, 10'000));
  const Client consumer = MakeConsumer(options);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(consumer.get());
  std::vector<rd_kafka_message_t*> messages(batch);

  Meter meter(options);
  OrderCheck order(AssignAll(consumer.get(), options, From::kBeginning));
  meter.Restart();
  int64_t records = 0;
  int64_t bytes = 0;
  int64_t last = meter.start_ns();
  while (records < options.records && NowNs() - last < kPatience) {
    const ssize_t count = rd_kafka_consume_batch_queue(
        queue, kBatchWaitMs, messages.data(),
        std::min(batch, static_cast<size_t>(options.records - records)));
    if (count > 0) last = NowNs();
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = messages[static_cast<size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++records;
        bytes += static_cast<int64_t>(message->len);
        order.Add(message->partition, message->offset);
      } else {
        fmt::print(stderr, "kafka_load: {}\n",
                   rd_kafka_message_errstr(message));
      }
      rd_kafka_message_destroy(message);
    }
  }
  fmt::print("{{{},\"order_breaks\":{}}}\n",
             meter.Json("consume", records, bytes, last), order.breaks());
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(consumer.get());
  if (records < options.records) {
    Fail(fmt::format("{} of {} records came", records, options.records));
  }
  if (order.breaks() > 0) Fail("records are missing or out of order");
}

// ---- paced: latency at a fixed rate ----------------------------------------

// A record carries when it was handed to the producer; 0 in the warm-up, and
// then nothing about it is kept.
struct PacedRun {
  Latencies acknowledged;
  Latencies received;
  std::atomic<int64_t> answered{0};
  std::atomic<int64_t> arrived{0};
  std::atomic<int64_t> failures{0};
  std::atomic<bool> stop{false};
};

int64_t SentAt(const void* payload) {
  int64_t sent = 0;
  std::memcpy(&sent, payload, sizeof sent);
  return sent;
}

void OnAcknowledged(rd_kafka_t*, const rd_kafka_message_t* message,
                    void* opaque) {
  auto* run = static_cast<PacedRun*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) ++run->failures;
  if (const int64_t sent = SentAt(message->payload); sent != 0) {
    run->acknowledged.Add(NowNs() - sent);
  }
  ++run->answered;
}

void Receive(rd_kafka_t* consumer, PacedRun* run) {
  while (!run->stop) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (const int64_t sent = SentAt(message->payload); sent != 0) {
        run->received.Add(NowNs() - sent);
      }
      ++run->arrived;
    }
    rd_kafka_message_destroy(message);
  }
}

void SleepUntil(int64_t when_ns) {
  const timespec when{when_ns / kSecond, when_ns % kSecond};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
}

// Waits, a bounded time, until `count` is `wanted`.
void AwaitCount(const std::atomic<int64_t>& count, int64_t wanted) {
  const int64_t end = NowNs() + 20 * kSecond;
  while (count < wanted && NowNs() < end) SleepUntil(NowNs() + 1'000'000);
}

// Sends `records`, one every 1/rate seconds; returns the latest start against
// the plan, which says whether the rate was really held.
int64_t SendPaced(const LoadOptions& options, rd_kafka_t* producer,
                  rd_kafka_topic_t* topic, int64_t records, bool counted) {
  const double step = static_cast<double>(kSecond) / options.per_second;
  std::string payload(
      static_cast<size_t>(std::max<int64_t>(options.size_bytes, 8)), 'x');
  const int64_t start = NowNs();
  int64_t latest = 0;
  for (int64_t i = 0; i < records; ++i) {
    const int64_t due =
        start + static_cast<int64_t>(static_cast<double>(i) * step);
    if (NowNs() < due) SleepUntil(due);
    const int64_t now = NowNs();
    latest = std::max(latest, now - due);
    const int64_t stamp = counted ? now : 0;
    std::memcpy(payload.data(), &stamp, sizeof stamp);
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                         payload.data(), payload.size(), nullptr, 0,
                         nullptr) != 0) {
      Fail(rd_kafka_err2str(rd_kafka_last_error()));
    }
  }
  return latest;
}

void Paced(const LoadOptions& options) {
  prctl(PR_SET_TIMERSLACK, 1);
  PacedRun run;
  run.acknowledged.Reserve(options.records);
  run.received.Reserve(options.records);
  const Client producer = MakeProducer(
      options, &OnAcknowledged, /*report_failures_only=*/false, &run);
  rd_kafka_topic_t* topic =
      rd_kafka_topic_new(producer.get(), options.topic.c_str(), nullptr);
  const Client consumer = MakeConsumer(options);
  AssignAll(consumer.get(), options, From::kEnd);
  std::thread receiver([&] { Receive(consumer.get(), &run); });
  // A thread of its own, so that a report is taken when it comes, not when the
  // sender wakes.
  std::thread reports([&] {
    while (!run.stop) rd_kafka_poll(producer.get(), 100);
  });

  const auto warmup = static_cast<int64_t>(
      std::max(1.0, options.warmup_seconds * options.per_second));
  SendPaced(options, producer.get(), topic, warmup, /*counted=*/false);
  AwaitCount(run.answered, warmup);
  AwaitCount(run.arrived, warmup);

  const Meter meter(options);
  const int64_t latest = SendPaced(options, producer.get(), topic,
                                   options.records, /*counted=*/true);
  const int64_t end = NowNs();
  AwaitCount(run.answered, warmup + options.records);
  AwaitCount(run.arrived, warmup + options.records);
  const std::string measured =
      meter.Json("paced", options.records,
                 options.records * options.size_bytes, end);
  run.stop = true;
  receiver.join();
  reports.join();
  rd_kafka_consumer_close(consumer.get());
  fmt::print("{{{},{},{},\"send_late_max_ms\":{:.3f},\"failures\":{}}}\n",
             measured, run.acknowledged.Json("ack"),
             run.received.Json("received"),
             static_cast<double>(latest) / 1e6, run.failures.load());
  rd_kafka_topic_destroy(topic);
  if (run.failures > 0) Fail("records were refused");
  if (run.acknowledged.count() != options.records ||
      run.received.count() != options.records) {
    Fail(fmt::format("{} acknowledged and {} received of {}",
                     run.acknowledged.count(), run.received.count(),
                     options.records));
  }
}

}  // namespace

int Main(int argc, char** argv) {
  const LoadOptions options = ParseCommandLine(argc, argv);
  if (options.command == "create") {
    CreateTopic(options);
  } else if (options.command == "delete") {
    DeleteTopic(options);
  } else if (options.command == "produce") {
    Produce(options);
  } else if (options.command == "consume") {
    Consume(options);
  } else {
    Paced(options);
  }
  return 0;
}

}  // namespace sillok::bench

int main(int argc, char** argv) { return sillok::bench::Main(argc, argv); }
