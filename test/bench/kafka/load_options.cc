#include "test/bench/kafka/load_options.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sillok::bench {
namespace {

constexpr char kManual[] = R"(usage: kafka_load COMMAND --brokers H:P,... --topic T [options]

One client, librdkafka, for every broker that speaks Kafka's protocol. Prints
one line of JSON; fails when a record was refused, lost or out of order.

  create   --partitions N --replicas N
  delete
  produce  --records N --size BYTES
  consume  --records N --size BYTES   all partitions, from the beginning
  paced    --records N --size BYTES --rate PER_SECOND [--warmup SECONDS]
           with a consumer of its own: time to acknowledgement and to receipt

  -P KEY=VALUE, -C KEY=VALUE   librdkafka setting of the producer, the consumer
  --server-pids PID,...        count the CPU of these processes
)";

[[noreturn]] void Refuse(const std::string& why) {
  fmt::print(stderr, "kafka_load: {} (--help)\n", why);
  std::exit(2);
}

double Number(std::string_view name, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || value < 0) {
    Refuse(fmt::format("{} wants a number, not '{}'", name, text));
  }
  return value;
}

void AddSetting(const std::string& text, Settings* settings) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    Refuse(fmt::format("'{}' is not KEY=VALUE", text));
  }
  settings->emplace_back(text.substr(0, equals), text.substr(equals + 1));
}

std::vector<int> Pids(const std::string& text) {
  std::vector<int> pids;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    pids.push_back(static_cast<int>(
        Number("--server-pids", text.substr(at, comma - at))));
    at = comma + 1;
  }
  return pids;
}

void Set(const std::string& name, const std::string& value,
         LoadOptions* options) {
  if (name == "--brokers") {
    options->brokers = value;
  } else if (name == "--topic") {
    options->topic = value;
  } else if (name == "--records") {
    options->records = static_cast<int64_t>(Number(name, value));
  } else if (name == "--size") {
    options->size_bytes = static_cast<int64_t>(Number(name, value));
  } else if (name == "--rate") {
    options->per_second = Number(name, value);
  } else if (name == "--warmup") {
    options->warmup_seconds = Number(name, value);
  } else if (name == "--partitions") {
    options->partitions = static_cast<int>(Number(name, value));
  } else if (name == "--replicas") {
    options->replicas = static_cast<int>(Number(name, value));
  } else if (name == "--server-pids") {
    options->server_pids = Pids(value);
  } else if (name == "-P") {
    AddSetting(value, &options->producer);
  } else if (name == "-C") {
    AddSetting(value, &options->consumer);
  } else {
    Refuse(fmt::format("unknown option '{}'", name));
  }
}

void CheckWhole(const LoadOptions& options) {
  const std::string& command = options.command;
  const bool loads =
      command == "produce" || command == "consume" || command == "paced";
  if (!loads && command != "create" && command != "delete") {
    Refuse(fmt::format("unknown command '{}'", command));
  }
  if (options.brokers.empty()) Refuse("--brokers is missing");
  if (options.topic.empty()) Refuse("--topic is missing");
  if (loads && options.records < 1) Refuse("--records is missing");
  if (loads && options.size_bytes < 1) Refuse("--size must be positive");
  if (command == "paced" && options.per_second <= 0) {
    Refuse("--rate must be positive");
  }
}

}  // namespace

LoadOptions ParseCommandLine(int argc, char** argv) {
  LoadOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") {
      fmt::print("{}", kManual);
      std::exit(0);
    }
    if (word[0] != '-') {
      if (!options.command.empty()) Refuse(fmt::format("what is '{}'", word));
      options.command = word;
      continue;
    }
    if (i + 1 == argc) Refuse(fmt::format("{} wants a value", word));
    Set(word, argv[++i], &options);
  }
  CheckWhole(options);
  return options;
}

}  // namespace sillok::bench
