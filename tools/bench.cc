// sillok bench produce | consume: what the cluster and this client can do;
// bench_coord.cc has the coordinators' part.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "CLI/CLI.hpp"
#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "client/consumer.h"
#include "client/producer.h"
#include "fmt/format.h"
#include "tools/bench_coord.h"
#include "tools/bench_sessions.h"
#include "tools/context.h"
#include "tools/latencies.h"

namespace sillok::tools {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::string topic;
  int64_t records = 1'000'000;
  int64_t record_size = 100;
  double rate = 0;  // records a second; 0 = as fast as it goes
  std::vector<int> broker_pids;
  std::string codec = "none";
  std::string acks = "all";
};

// CPU seconds, user and system, of a process that may have ended (then -1).
double CpuSeconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  size_t paren = text.rfind(')');  // the name before it may hold anything
  if (paren == std::string::npos) return -1;
  std::istringstream fields(text.substr(paren + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double BrokerCpu(const std::vector<int>& pids) {
  double sum = 0;
  for (int pid : pids) sum += std::max(0.0, CpuSeconds(pid));
  return sum;
}

struct Measured {
  int64_t records = 0;
  int64_t bytes = 0;  // of keys and values
  double seconds = 0;
  double own_cpu = 0;
  double broker_cpu = 0;
  const Latencies* latencies = nullptr;
};

void Print(const Context& context, const Options& options, const Measured& m) {
  double gigabytes = static_cast<double>(m.bytes) / 1e9;
  double per_second = static_cast<double>(m.records) / m.seconds;
  double megabytes = static_cast<double>(m.bytes) / 1e6 / m.seconds;
  Json document = {{"topic", options.topic},
                   {"records", m.records},
                   {"bytes", m.bytes},
                   {"seconds", m.seconds},
                   {"records_per_second", per_second},
                   {"mb_per_second", megabytes},
                   {"client_cpu_s_per_gb", m.own_cpu / gigabytes}};
  std::string text = fmt::format(
      "records {}  seconds {:.3f}  rec/s {:.0f}  MB/s {:.1f}  "
      "client-cpu-s/GB {:.3f}",
      m.records, m.seconds, per_second, megabytes, m.own_cpu / gigabytes);
  if (!options.broker_pids.empty()) {
    document["broker_cpu_s_per_gb"] = m.broker_cpu / gigabytes;
    document["broker_cpu_us_per_record"] =
        m.broker_cpu * 1e6 / static_cast<double>(m.records);
    text += fmt::format("  broker-cpu-s/GB {:.3f}  broker-us/rec {:.3f}",
                        m.broker_cpu / gigabytes,
                        m.broker_cpu * 1e6 / static_cast<double>(m.records));
  }
  if (m.latencies != nullptr) {
    const Latencies& l = *m.latencies;
    Json latency;
    for (double share : {0.5, 0.95, 0.99, 0.999}) {
      std::string name = fmt::format("p{:g}", share * 100);
      latency[name] = l.Percentile(share) / 1000;
      text += fmt::format("  {} {:.3f}ms", name, l.Percentile(share) / 1000);
    }
    latency["max"] = l.max() / 1000;
    text += fmt::format("  max {:.3f}ms", l.max() / 1000);
    document["latency_ms"] = latency;
  }
  if (context.json) {
    PrintJson(document);
  } else {
    fmt::print("{}\n", text);
  }
}

// Text that compresses like log lines, not like zeros.
std::string MakePayload(size_t size) {
  static constexpr char kLetters[] =
      "the quick brown fox 0123456789 jumps over lazy dogs; ";
  std::mt19937 random(7);
  std::string payload(size, ' ');
  for (char& c : payload) c = kLetters[random() % (sizeof(kLetters) - 1)];
  return payload;
}

absl::Status Produce(Context& context, const Options& options) {
  ASSIGN_OR_RETURN(
      client::Properties properties,
      context.MakeProperties({{"acks", options.acks},
                              {"compression.type", options.codec}}));
  properties.emplace("max.block.ms", std::to_string(context.timeout_ms()));
  ASSIGN_OR_RETURN(client::ProducerConfig config,
                   client::ProducerConfig::FromProperties(properties));
  ASSIGN_OR_RETURN(auto producer, client::Producer::Create(config));
  ASSIGN_OR_RETURN(int partitions, producer->PartitionCount(options.topic));
  (void)partitions;
  std::string payload = MakePayload(1 << 20);
  auto size = static_cast<size_t>(options.record_size);
  size_t window = payload.size() > size ? payload.size() - size : 1;
  payload.resize(std::max(payload.size(), size), 'x');

  Latencies latencies;  // of the producer's thread until it is closed
  absl::Status failure;
  std::atomic<bool> failed{false};
  double own_before = ReadProcessUsage().cpu_seconds;
  double broker_before = BrokerCpu(options.broker_pids);
  auto start = SteadyClock::now();
  // At full speed one record in 64 is timed, so that timing costs nothing.
  int64_t every = options.rate > 0 ? 1 : 64;
  int64_t sent = 0;
  for (; sent < options.records && !failed; ++sent) {
    if (options.rate > 0) {
      std::this_thread::sleep_until(
          start + std::chrono::nanoseconds(static_cast<int64_t>(
                      static_cast<double>(sent) * 1e9 / options.rate)));
    }
    client::ProducerRecord record;
    record.topic = options.topic;
    record.value = std::string_view(payload).substr(
        static_cast<size_t>(sent) * 31 % window, size);
    client::SendCallback callback;
    if (sent % every == 0) {
      auto began = SteadyClock::now();
      callback = [&, began](const absl::Status& status,
                            const client::RecordMetadata&) {
        if (!status.ok()) {
          if (!failed.exchange(true)) failure = status;
          return;
        }
        latencies.Add(
            std::chrono::duration<double, std::micro>(SteadyClock::now() -
                                                      began)
                .count());
      };
    }
    absl::Status status = producer->Send(record, std::move(callback));
    if (!status.ok()) return status;
  }
  absl::Status flushed =
      producer->Flush(absl::Milliseconds(config.delivery_timeout_ms));
  Measured measured;
  measured.seconds =
      std::chrono::duration<double>(SteadyClock::now() - start).count();
  measured.own_cpu = ReadProcessUsage().cpu_seconds - own_before;
  measured.broker_cpu = BrokerCpu(options.broker_pids) - broker_before;
  client::ProducerStats stats = producer->Stats();
  (void)producer->Close(absl::ZeroDuration());
  if (failed) return failure;
  RETURN_IF_ERROR(flushed);
  if (stats.records_failed > 0) {
    return ErrorStatus(ErrorCode::REQUEST_TIMED_OUT,
                       std::to_string(stats.records_failed) +
                           " records were not delivered");
  }
  measured.records = sent;
  measured.bytes = sent * options.record_size;
  measured.latencies = &latencies;
  Print(context, options, measured);
  return absl::OkStatus();
}

absl::Status Consume(Context& context, const Options& options) {
  ASSIGN_OR_RETURN(
      client::Properties properties,
      context.MakeProperties(
          {{"auto.offset.reset", "earliest"}, {"enable.auto.commit", "false"}}));
  properties.emplace("max.poll.records", "10000");
  ASSIGN_OR_RETURN(client::ConsumerConfig config,
                   client::ConsumerConfig::FromProperties(properties));
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto topics, admin->DescribeTopics({options.topic}));
  RETURN_IF_ERROR(topics[0].status);
  std::vector<TopicPartition> ids;
  for (const client::PartitionInfo& partition : topics[0].partitions) {
    ids.push_back({options.topic, partition.partition});
  }
  ASSIGN_OR_RETURN(auto consumer, client::Consumer::Create(config));
  double own_before = ReadProcessUsage().cpu_seconds;
  double broker_before = BrokerCpu(options.broker_pids);
  auto start = SteadyClock::now();
  auto last = start;
  RETURN_IF_ERROR(consumer->Assign(ids));
  Measured measured;
  while (measured.records < options.records) {
    ASSIGN_OR_RETURN(client::ConsumerRecords records,
                     consumer->Poll(absl::Seconds(1)));
    auto now = SteadyClock::now();
    if (!records.empty()) last = now;
    for (const client::ConsumerRecord& record : records) {
      measured.bytes += static_cast<int64_t>(
          record.key.value_or("").size() + record.value.value_or("").size());
    }
    measured.records += static_cast<int64_t>(records.size());
    if (now - last > std::chrono::milliseconds(context.timeout_ms())) {
      absl::Status problem = consumer->LastProblem();
      if (!problem.ok()) return problem;
      std::fprintf(stderr, "the topic ended after %lld records\n",
                   static_cast<long long>(measured.records));
      break;
    }
  }
  measured.seconds = std::chrono::duration<double>(last - start).count();
  measured.own_cpu = ReadProcessUsage().cpu_seconds - own_before;
  measured.broker_cpu = BrokerCpu(options.broker_pids) - broker_before;
  if (measured.records == 0) {
    return ErrorStatus(ErrorCode::REQUEST_TIMED_OUT,
                       "no record in topic '" + options.topic + "'");
  }
  Print(context, options, measured);
  return absl::OkStatus();
}

}  // namespace

void RegisterBenchCommands(CLI::App& app, Context& context) {
  CLI::App* bench = app.add_subcommand("bench", "measure");
  bench->require_subcommand(1);
  bench->fallthrough();
  auto options = std::make_shared<Options>();
  auto common = [&](CLI::App* command) {
    command->fallthrough();
    command->add_option("-t,--topic", options->topic)->required();
    command->add_option("-n,--num-records", options->records)
        ->transform(CLI::AsNumberWithUnit(
            std::map<std::string, int64_t>{
                {"k", 1'000}, {"m", 1'000'000}, {"g", 1'000'000'000}},
            CLI::AsNumberWithUnit::CASE_INSENSITIVE))
        ->capture_default_str();
    command->add_option("--broker-pid", options->broker_pids,
                        "measure the CPU of these processes too")
        ->delimiter(',');
  };
  CLI::App* produce = bench->add_subcommand("produce", "send records");
  common(produce);
  produce->add_option("-s,--record-size", options->record_size, "bytes of value")
      ->check(CheckPositive)
      ->capture_default_str();
  produce->add_option("--rate", options->rate, "records a second; 0 = no limit")
      ->check(CheckNotNegative);
  produce->add_option("-z,--compression", options->codec)
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}));
  produce->add_option("--acks", options->acks)
      ->check(CLI::IsMember({"all", "-1", "0", "1"}));
  OnRun(produce, context,
        [&context, options] { return Produce(context, *options); });
  CLI::App* consume =
      bench->add_subcommand("consume", "read a topic from its start");
  common(consume);
  OnRun(consume, context,
        [&context, options] { return Consume(context, *options); });
  RegisterBenchCoordCommands(*bench, context);
  RegisterBenchSessionsCommand(*bench->get_subcommand("coord"), context);
}

}  // namespace sillok::tools
