// sillok produce TOPIC: records from stdin or a file.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/producer.h"
#include "tools/context.h"
#include "tools/record_format.h"

namespace sillok::tools {
namespace {

struct Options {
  std::string topic;
  std::string format = "%v\\n";
  std::string key;
  bool has_key = false;
  std::vector<std::string> headers;  // key:value
  std::string codec = "none";
  std::string acks = "all";
  std::string file;
  int32_t partition = -1;
  bool tombstone = false;
};

// Counts answers; callbacks come from the producer's thread.
class Tally {
 public:
  void Add(const absl::Status& status, const client::RecordMetadata& metadata) {
    std::lock_guard lock(mutex_);
    if (!status.ok()) {
      if (failed_++ == 0) first_failure_ = status;
      return;
    }
    Part& part = parts_[metadata.partition];
    ++part.records;
    part.last = std::max(part.last, metadata.offset);
    if (part.first < 0 || metadata.offset < part.first) {
      part.first = metadata.offset;
    }
    ++produced_;
  }
  bool failed() {
    std::lock_guard lock(mutex_);
    return failed_ != 0;
  }
  // After the producer is closed.
  absl::Status Summary(Context& context, const std::string& topic) {
    std::lock_guard lock(mutex_);
    if (context.json) {
      Json partitions = Json::array();
      for (const auto& [number, part] : parts_) {
        partitions.push_back({{"partition", number},
                              {"records", part.records},
                              {"first_offset", part.first},
                              {"last_offset", part.last}});
      }
      PrintJson({{"topic", topic},
                 {"produced", produced_},
                 {"failed", failed_},
                 {"partitions", partitions}});
    } else if (produced_ > 0 || failed_ == 0) {
      std::fprintf(stderr, "produced %lld record(s) to %s\n",
                   static_cast<long long>(produced_), topic.c_str());
    }
    if (failed_ > 1) {
      std::fprintf(stderr, "%lld record(s) failed, the first with:\n",
                   static_cast<long long>(failed_));
    }
    return first_failure_;
  }

 private:
  struct Part {
    int64_t records = 0;
    int64_t first = -1;
    int64_t last = -1;
  };
  std::mutex mutex_;
  std::map<int32_t, Part> parts_;
  int64_t produced_ = 0;
  int64_t failed_ = 0;
  absl::Status first_failure_;
};

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseHeaders(
    const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const std::string& text : texts) {
    size_t colon = text.find(':');
    if (colon == std::string::npos) {
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         "-H takes key:value, not '" + text + "'");
    }
    headers.emplace_back(text.substr(0, colon), text.substr(colon + 1));
  }
  return headers;
}

void SendOne(client::Producer& producer, const Options& options,
             const ParsedRecord& parsed,
             const std::vector<std::pair<std::string, std::string>>& headers,
             Tally* tally) {
  client::ProducerRecord record;
  record.topic = parsed.topic ? std::string_view(*parsed.topic)
                              : std::string_view(options.topic);
  if (options.partition >= 0) record.partition = options.partition;
  if (parsed.partition) record.partition = parsed.partition;
  if (options.has_key) record.key = options.key;
  if (parsed.key) record.key = *parsed.key;
  std::string_view value = parsed.value ? *parsed.value : std::string_view();
  if (!options.tombstone || !value.empty()) record.value = value;
  record.timestamp_ms = parsed.timestamp_ms;
  for (const auto& [key, value] : headers) record.headers.push_back({key, value});
  for (const auto& [key, value] : parsed.headers) {
    record.headers.push_back({key, value});
  }
  (void)producer.Send(record, [tally](const absl::Status& status,
                                      const client::RecordMetadata& metadata) {
    tally->Add(status, metadata);
  });
}

absl::Status Produce(Context& context, const Options& options) {
  ASSIGN_OR_RETURN(auto headers, ParseHeaders(options.headers));
  std::FILE* input = stdin;
  if (!options.file.empty() && options.file != "-") {
    input = std::fopen(options.file.c_str(), "rb");
    if (input == nullptr) {
      context.UsageError("cannot read " + options.file + ": " +
                         std::strerror(errno));
      return absl::OkStatus();
    }
  }
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> close(
      input, [](std::FILE* f) { return f == stdin ? 0 : std::fclose(f); });
  // read() rather than fread(): what somebody types goes out line by line.
  ASSIGN_OR_RETURN(
      RecordParser parser,
      RecordParser::Create(options.format, [input](char* buffer, size_t size) {
        ssize_t got = ::read(fileno(input), buffer, size);
        return got > 0 ? static_cast<size_t>(got) : 0;
      }));
  ASSIGN_OR_RETURN(
      client::Properties properties,
      context.MakeProperties({{"acks", options.acks},
                              {"compression.type", options.codec}}));
  properties.emplace("max.block.ms", std::to_string(context.timeout_ms()));
  properties.emplace("delivery.timeout.ms",
                     std::to_string(context.timeout_ms()));
  ASSIGN_OR_RETURN(client::ProducerConfig config,
                   client::ProducerConfig::FromProperties(properties));
  ASSIGN_OR_RETURN(auto producer, client::Producer::Create(config));
  // Also makes an unreachable cluster known before any input is read.
  if (auto count = producer->PartitionCount(options.topic); !count.ok()) {
    return count.status();
  }
  Tally tally;
  absl::Status broken;
  ParsedRecord parsed;
  while (!tally.failed()) {
    absl::StatusOr<bool> more = parser.Next(&parsed);
    if (!more.ok()) broken = more.status();
    if (!more.ok() || !*more) break;
    SendOne(*producer, options, parsed, headers, &tally);
  }
  absl::Status closed = producer->Close(absl::Milliseconds(
      config.delivery_timeout_ms + config.request_timeout_ms));
  absl::Status failed = tally.Summary(context, options.topic);
  if (!broken.ok()) return broken;
  return failed.ok() ? closed : failed;
}

}  // namespace

void RegisterProduceCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* produce =
      app.add_subcommand("produce", "send records from stdin or a file");
  produce->alias("p");
  produce->fallthrough();
  produce->add_option("TOPIC", options->topic)->required();
  produce->add_option("-f,--format", options->format,
                      "how records are read; like '%k\\t%v\\n'")
      ->capture_default_str();
  CLI::Option* key = produce->add_option("-k,--key", options->key,
                                         "key of every record");
  produce->add_option("-H,--header", options->headers, "key:value")
      ->allow_extra_args(false);
  produce->add_option("-z,--compression", options->codec)
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}))
      ->capture_default_str();
  produce->add_option("-p,--partition", options->partition)
      ->check(CheckNotNegative);
  produce->add_option("--acks", options->acks)
      ->check(CLI::IsMember({"all", "-1", "0", "1"}))
      ->capture_default_str();
  produce->add_flag("-Z,--tombstone", options->tombstone,
                    "empty values are null");
  produce->add_option("--file", options->file, "instead of stdin");
  OnRun(produce, context, [&context, options, key] {
    options->has_key = key->count() > 0;
    return Produce(context, *options);
  });
}

}  // namespace sillok::tools
