// sillok consume TOPIC...: prints records.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <map>
#include <set>
#include <string>

#include "CLI/CLI.hpp"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/consumer.h"
#include "tools/context.h"
#include "tools/offset_range.h"
#include "tools/record_format.h"

namespace sillok::tools {
namespace {

struct Options {
  std::vector<std::string> topics;
  std::string group;
  std::string offset = "end";
  bool has_offset = false;
  std::vector<int32_t> partitions;
  std::string format = "%v\\n";
  int64_t count = 0;  // 0 = no end
  bool exit_at_end = false;
};

std::atomic<bool> interrupted{false};

// Where reading starts and stops in each partition.
struct Plan {
  std::map<TopicPartition, int64_t> from;
  std::map<TopicPartition, int64_t> until;  // absent: no end
};

// The offsets that `point` means in each partition. Times past the last record
// mean the end.
absl::StatusOr<std::map<TopicPartition, int64_t>> Resolve(
    client::Admin& admin, const std::set<TopicPartition>& ids,
    const OffsetPoint& point) {
  std::map<TopicPartition, int64_t> result;
  if (point.kind == OffsetPoint::kOffset) {
    for (const TopicPartition& id : ids) result[id] = point.number;
    return result;
  }
  std::map<TopicPartition, int64_t> starts, ends, times;
  for (const TopicPartition& id : ids) {
    starts[id] = client::kEarliestTimestamp;
    ends[id] = client::kLatestTimestamp;
    times[id] = point.number;
  }
  ASSIGN_OR_RETURN(auto first, admin.ListOffsets(starts));
  ASSIGN_OR_RETURN(auto last, admin.ListOffsets(ends));
  std::map<TopicPartition, client::ListedOffset> found;
  if (point.kind == OffsetPoint::kTime) {
    ASSIGN_OR_RETURN(found, admin.ListOffsets(times));
  }
  for (const TopicPartition& id : ids) {
    RETURN_IF_ERROR(first[id].status);
    RETURN_IF_ERROR(last[id].status);
    int64_t low = first[id].offset;
    int64_t high = last[id].offset;
    int64_t offset = high;
    if (point.kind == OffsetPoint::kStart) offset = low + point.number;
    if (point.kind == OffsetPoint::kEnd) offset = high + point.number;
    if (point.kind == OffsetPoint::kTime) {
      RETURN_IF_ERROR(found[id].status);
      offset = found[id].offset < 0 ? high : found[id].offset;
    }
    result[id] = std::clamp(offset, low, high);
  }
  return result;
}

absl::StatusOr<std::set<TopicPartition>> FindPartitions(
    client::Admin& admin, const Options& options) {
  ASSIGN_OR_RETURN(auto topics, admin.DescribeTopics(options.topics));
  std::set<TopicPartition> ids;
  for (const client::TopicInfo& topic : topics) {
    RETURN_IF_ERROR(topic.status);
    for (const client::PartitionInfo& partition : topic.partitions) {
      ids.insert({topic.name, partition.partition});
    }
  }
  if (options.partitions.empty()) return ids;
  std::set<TopicPartition> wanted;
  for (const std::string& topic : options.topics) {
    for (int32_t number : options.partitions) {
      TopicPartition id{topic, number};
      if (ids.count(id) == 0) {
        return ErrorStatus(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                           "topic '" + topic + "' has no partition " +
                               std::to_string(number));
      }
      wanted.insert(id);
    }
  }
  return wanted;
}

absl::StatusOr<Plan> MakePlan(client::Admin& admin, const Options& options,
                              const OffsetRange& range) {
  ASSIGN_OR_RETURN(std::set<TopicPartition> ids,
                   FindPartitions(admin, options));
  Plan plan;
  if (options.group.empty()) {
    ASSIGN_OR_RETURN(plan.from, Resolve(admin, ids, range.from));
  }
  if (range.until) {
    ASSIGN_OR_RETURN(plan.until, Resolve(admin, ids, *range.until));
  }
  if (options.exit_at_end) {
    ASSIGN_OR_RETURN(auto ends,
                     Resolve(admin, ids, {OffsetPoint::kEnd, 0}));
    for (const auto& [id, end] : ends) {
      auto [it, fresh] = plan.until.emplace(id, end);
      if (!fresh) it->second = std::min(it->second, end);
    }
  }
  return plan;
}

// Writes what was asked for, and knows when that is all.
class Output {
 public:
  Output(RecordPrinter printer, bool array, int64_t limit)
      : printer_(std::move(printer)), array_(array), limit_(limit) {
    if (array_) text_ = "[";
  }
  void Add(const client::ConsumerRecord& record) {
    if (full()) return;
    if (array_) {
      text_ += count_ == 0 ? "\n" : ",\n";
      text_ += RecordToJson(record);
    } else {
      printer_.Print(record, &text_);
    }
    ++count_;
  }
  bool full() const { return limit_ > 0 && count_ >= limit_; }
  // False when nobody reads any more.
  bool Flush() {
    bool written =
        std::fwrite(text_.data(), 1, text_.size(), stdout) == text_.size() &&
        std::fflush(stdout) == 0;
    text_.clear();
    return written;
  }
  void Close() {
    if (array_) text_ += "\n]\n";
    Flush();
  }

 private:
  RecordPrinter printer_;
  const bool array_;
  const int64_t limit_;
  int64_t count_ = 0;
  std::string text_;
};

// True when every partition is read as far as the plan says. In a group only the
// partitions of this member count.
bool Finished(client::Consumer& consumer, const Plan& plan,
              const std::map<TopicPartition, int64_t>& read_to, bool group) {
  if (plan.until.empty()) return false;
  std::vector<TopicPartition> mine = consumer.Assignment();
  if (mine.empty()) return false;
  for (const TopicPartition& id : mine) {
    auto until = plan.until.find(id);
    if (until == plan.until.end()) return false;
    auto read = read_to.find(id);
    if (read != read_to.end() && read->second >= until->second) continue;
    // Positions pass transaction markers and holes that no record shows.
    if (!group) {
      auto from = plan.from.find(id);
      if (from != plan.from.end() && from->second >= until->second) continue;
    }
    auto position = consumer.Position(id);
    if (!position.ok() || *position < until->second) return false;
  }
  return true;
}

absl::Status Run(Context& context, const Options& options,
                 const OffsetRange& range, client::Consumer& consumer,
                 const Plan& plan) {
  bool array = context.json;
  ASSIGN_OR_RETURN(RecordPrinter printer,
                   RecordPrinter::Create(array ? "json" : options.format));
  Output output(std::move(printer), array, options.count);
  (void)range;
  std::map<TopicPartition, int64_t> read_to;
  absl::Status status;
  std::string told;
  while (!interrupted && !output.full()) {
    if (Finished(consumer, plan, read_to, !options.group.empty())) break;
    auto records = consumer.Poll(absl::Milliseconds(200));
    if (!records.ok()) {
      status = records.status();
      break;
    }
    TopicPartition id;
    for (const client::ConsumerRecord& record : *records) {
      if (record.topic != id.topic || record.partition != id.partition) {
        id = {std::string(record.topic), record.partition};
      }
      auto until = plan.until.find(id);
      if (until != plan.until.end() && record.offset >= until->second) continue;
      output.Add(record);
    }
    for (const TopicPartition& mine : consumer.Assignment()) {
      if (records->empty()) break;
      auto position = consumer.Position(mine);
      if (position.ok()) read_to[mine] = *position;
    }
    if (!output.Flush()) return absl::OkStatus();  // the reader has gone
    std::string problem(consumer.LastProblem().message());
    if (!problem.empty() && problem != told) {
      std::fprintf(stderr, "sillok: still trying: %s\n", problem.c_str());
    }
    told = problem;
  }
  output.Close();
  return status;
}

absl::Status Consume(Context& context, const Options& options) {
  ASSIGN_OR_RETURN(OffsetRange range,
                   ParseOffsetRange(options.offset,
                                    Clock::Real().WallMs()));
  if (!options.group.empty() && !options.partitions.empty()) {
    context.UsageError("-p and -g do not go together: a group divides the "
                       "partitions itself");
    return absl::OkStatus();
  }
  // Before anything is asked of the cluster: is the format one?
  RETURN_IF_ERROR(RecordPrinter::Create(options.format).status());
  client::Properties more;
  if (!options.group.empty()) {
    bool start = options.has_offset && range.from.kind == OffsetPoint::kStart;
    more = {{"group.id", options.group},
            {"auto.offset.reset", start ? "earliest" : "latest"}};
  } else {
    more = {{"auto.offset.reset", "earliest"}, {"enable.auto.commit", "false"}};
  }
  ASSIGN_OR_RETURN(client::Properties properties, context.MakeProperties(more));
  properties.emplace("max.poll.records", "5000");
  ASSIGN_OR_RETURN(client::ConsumerConfig config,
                   client::ConsumerConfig::FromProperties(properties));
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(Plan plan, MakePlan(*admin, options, range));
  ASSIGN_OR_RETURN(auto consumer, client::Consumer::Create(config));
  if (options.group.empty()) {
    std::vector<TopicPartition> ids;
    for (const auto& [id, offset] : plan.from) {
      auto until = plan.until.find(id);
      bool nothing = until != plan.until.end() && offset >= until->second;
      if (!nothing) ids.push_back(id);
    }
    if (ids.empty() && !plan.until.empty()) {
      if (context.json) PrintJson(Json::array());
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(consumer->Assign(ids));
    for (const TopicPartition& id : ids) {
      RETURN_IF_ERROR(consumer->Seek(id, plan.from[id]));
    }
  } else {
    RETURN_IF_ERROR(consumer->Subscribe(options.topics));
  }
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });
  absl::Status status = Run(context, options, range, *consumer, plan);
  absl::Status closed = consumer->Close(absl::Seconds(5));
  return status.ok() ? closed : status;
}

}  // namespace

void RegisterConsumeCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* consume = app.add_subcommand("consume", "print records");
  consume->alias("c");
  consume->fallthrough();
  consume->add_option("TOPIC", options->topics)->required();
  consume->add_option("-g,--group", options->group,
                      "as a member of this group, committing");
  CLI::Option* offset =
      consume
          ->add_option("-o,--offset", options->offset,
                       "start, end, n, +n, -n, a:b, :end, @time, @t1:t2")
          ->capture_default_str();
  consume->add_option("-p,--partitions", options->partitions, "like 0,2")
      ->delimiter(',')
      ->allow_extra_args(false);
  consume->add_option("-f,--format", options->format,
                      "like '%t-%p@%o %k %v\\n', or json")
      ->capture_default_str();
  consume->add_option("-n,--num", options->count, "stop after so many records")
      ->check(CheckNotNegative);
  consume->add_flag("-e,--exit", options->exit_at_end,
                    "stop at the end there is now");
  OnRun(consume, context, [&context, options, offset] {
    options->has_offset = offset->count() > 0;
    return Consume(context, *options);
  });
}

}  // namespace sillok::tools
