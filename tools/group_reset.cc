// sillok group reset
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/group_change.h"
#include "tools/partition_scope.h"
#include "tools/reset_plan.h"

namespace sillok::tools {
namespace {

struct ResetOptions {
  std::string group;
  std::vector<std::string> topics;  // T or T:0,1
  bool all_topics = false;

  bool to_earliest = false;
  bool to_latest = false;
  bool to_current = false;
  std::optional<int64_t> to_offset;
  std::string to_datetime;
  std::string by_duration;
  std::optional<int64_t> shift_by;
  std::string from_file;

  bool execute = false;
  bool dry_run = false;
  std::string export_as;  // csv | json
};

absl::StatusOr<ResetScenario> ReadScenario(const ResetOptions& options) {
  using Kind = ResetScenario::Kind;
  std::vector<ResetScenario> wished;
  if (options.to_earliest) wished.push_back({Kind::kEarliest, 0});
  if (options.to_latest) wished.push_back({Kind::kLatest, 0});
  if (options.to_current) wished.push_back({Kind::kCurrent, 0});
  if (options.to_offset) wished.push_back({Kind::kOffset, *options.to_offset});
  if (options.shift_by) wished.push_back({Kind::kShift, *options.shift_by});
  if (!options.to_datetime.empty()) {
    ASSIGN_OR_RETURN(int64_t time_ms, ParseTime(options.to_datetime));
    wished.push_back({Kind::kTime, time_ms});
  }
  if (!options.by_duration.empty()) {
    ASSIGN_OR_RETURN(int64_t back_ms, ParseDurationMs(options.by_duration));
    wished.push_back({Kind::kTime, absl::ToUnixMillis(absl::Now()) - back_ms});
  }
  if (!options.from_file.empty()) wished.push_back({Kind::kFromPlan, 0});
  if (wished.size() == 1) return wished[0];
  return ErrorStatus(
      ErrorCode::INVALID_CONFIG,
      "reset takes one of --to-earliest, --to-latest, --to-current, "
      "--to-offset, --to-datetime, --by-duration, --shift-by, --from-file");
}

absl::StatusOr<OffsetPlan> ReadPlan(const std::string& path) {
  if (path.empty()) return OffsetPlan();
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG, "cannot read " + path);
  }
  return PlanFromCsv({std::istreambuf_iterator<char>(file), {}});
}

// The partitions meant, whether or not they exist.
absl::StatusOr<std::set<TopicPartition>> FindScope(
    client::Admin& admin, const ResetOptions& options, const OffsetPlan& plan,
    const std::map<TopicPartition, client::CommittedPosition>& committed) {
  std::set<TopicPartition> ids;
  if (options.all_topics) {
    for (const auto& [id, position] : committed) ids.insert(id);
  }
  for (const std::string& text : options.topics) {
    ASSIGN_OR_RETURN(TopicScope scope, ParseTopicScope(text));
    ASSIGN_OR_RETURN(auto topics, admin.DescribeTopics({scope.topic}));
    RETURN_IF_ERROR(topics[0].status);
    for (const client::PartitionInfo& p : topics[0].partitions) {
      if (scope.Has(p.partition)) ids.insert({scope.topic, p.partition});
    }
    for (int32_t p : scope.partitions) ids.insert({scope.topic, p});
  }
  for (const auto& [id, offset] : plan) ids.insert(id);
  return ids;
}

struct Change {
  int64_t current = -1;  // -1 = nothing committed
  int64_t next = 0;
};
using Changes = std::map<TopicPartition, Change>;

absl::StatusOr<std::map<TopicPartition, int64_t>> Offsets(
    client::Admin& admin, const std::set<TopicPartition>& ids, int64_t time) {
  std::map<TopicPartition, int64_t> times;
  for (const TopicPartition& id : ids) times[id] = time;
  ASSIGN_OR_RETURN(auto found, admin.ListOffsets(times));
  std::map<TopicPartition, int64_t> offsets;
  for (const auto& [id, offset] : found) {
    RETURN_IF_ERROR(offset.status);
    offsets[id] = offset.offset;
  }
  return offsets;
}

absl::StatusOr<Changes> MakeChanges(client::Admin& admin,
                                    const ResetOptions& options) {
  ASSIGN_OR_RETURN(ResetScenario scenario, ReadScenario(options));
  ASSIGN_OR_RETURN(OffsetPlan plan, ReadPlan(options.from_file));
  ASSIGN_OR_RETURN(auto committed, admin.ListGroupOffsets(options.group));
  ASSIGN_OR_RETURN(auto ids, FindScope(admin, options, plan, committed));
  ASSIGN_OR_RETURN(auto starts, Offsets(admin, ids, -2));
  ASSIGN_OR_RETURN(auto ends, Offsets(admin, ids, -1));
  std::map<TopicPartition, int64_t> at_time;
  if (scenario.kind == ResetScenario::kTime) {
    ASSIGN_OR_RETURN(at_time, Offsets(admin, ids, scenario.number));
  }
  Changes changes;
  for (const TopicPartition& id : ids) {
    PartitionState state;
    state.log_start = starts[id];
    state.log_end = ends[id];
    auto has = committed.find(id);
    if (has != committed.end()) state.committed = has->second.offset;
    auto at = at_time.find(id);
    if (at != at_time.end() && at->second >= 0) state.at_time = at->second;
    auto wish = plan.find(id);
    if (wish != plan.end()) state.planned = wish->second;
    absl::StatusOr<PlannedReset> planned = PlanReset(scenario, state);
    if (!planned.ok()) {
      return ErrorStatus(ErrorCodeOf(planned.status()),
                         id.ToString() + ": " +
                             std::string(planned.status().message()));
    }
    if (planned->clamped) {
      fmt::print(stderr, "note: {} has offsets {} to {}; taking {}\n",
                 id.ToString(), state.log_start, state.log_end,
                 planned->offset);
    }
    changes[id] = {state.committed.value_or(-1), planned->offset};
  }
  return changes;
}

void Print(const Context& context, const ResetOptions& options,
           const Changes& changes, const std::string& word) {
  Table table({"GROUP", "TOPIC", "PARTITION", "CURRENT", "NEW", "DELTA"});
  Json document = Json::array();
  for (const auto& [id, change] : changes) {
    bool moves = change.current >= 0;
    int64_t delta = change.next - change.current;
    table.Add({options.group, id.topic, std::to_string(id.partition),
               Known(change.current), std::to_string(change.next),
               moves ? std::to_string(delta) : "-"});
    document.push_back({{"group", options.group},
                        {"topic", id.topic},
                        {"partition", id.partition},
                        {"current", KnownJson(change.current)},
                        {"new", change.next},
                        {"delta", moves ? Json(delta) : Json(nullptr)},
                        {"status", word}});
  }
  context.json || options.export_as == "json" ? PrintJson(document)
                                              : table.Print();
}

absl::Status Reset(Context& context, const ResetOptions& options) {
  if (options.execute && options.dry_run) {
    context.UsageError("reset takes --dry-run or --execute, not both");
    return absl::OkStatus();
  }
  bool scoped = options.all_topics || !options.topics.empty();
  if (scoped == !options.from_file.empty()) {
    context.UsageError(
        "reset takes --topic T[:0,1] or --all-topics (or --from-file, which "
        "names its partitions)");
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(ReadScenario(options).status());
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto group, admin->DescribeGroup(options.group));
  bool active = !group.members.empty();
  if (active && options.execute) {
    return ErrorStatus(ErrorCode::NON_EMPTY_GROUP,
                       fmt::format("group '{}' is {} with {} member(s): stop "
                                   "them first",
                                   options.group, group.state,
                                   group.members.size()));
  }
  ASSIGN_OR_RETURN(Changes changes, MakeChanges(*admin, options));
  if (changes.empty()) {
    return ErrorStatus(ErrorCode::INVALID_REQUEST,
                       "group '" + options.group + "' has no offsets");
  }
  std::map<TopicPartition, int64_t> offsets;
  for (const auto& [id, change] : changes) offsets[id] = change.next;
  if (options.execute) {
    RETURN_IF_ERROR(admin->SetGroupOffsets(options.group, offsets));
  }
  if (options.export_as == "csv" && !context.json) {
    std::string csv = PlanToCsv(offsets);
    std::fwrite(csv.data(), 1, csv.size(), stdout);
  } else {
    Print(context, options, changes, options.execute ? "RESET" : "PLANNED");
  }
  if (options.execute) return absl::OkStatus();
  fmt::print(stderr,
             "dry run: nothing changed; add --execute to apply, --export "
             "csv|json to save the plan{}\n",
             active ? " (the group has members now, and would be refused)"
                    : "");
  return absl::OkStatus();
}

}  // namespace

void RegisterGroupReset(CLI::App& group, Context& context) {
  auto options = std::make_shared<ResetOptions>();
  CLI::App* reset =
      group.add_subcommand("reset", "moves the offsets of a group at rest");
  reset->fallthrough();
  reset->footer(
      "Without --execute it only shows what it would do.\n"
      "  sillok group reset billing --all-topics --to-earliest\n"
      "  sillok group reset billing -t orders:0,1 --to-datetime "
      "2026-11-19T00:00Z --execute\n"
      "  sillok group reset billing -t orders --shift-by -100 --execute");
  reset->add_option("GROUP", options->group)->required();
  reset->add_option("-t,--topic", options->topics, "T or T:0,1")
      ->allow_extra_args(false);
  reset->add_flag("--all-topics", options->all_topics,
                  "everything that it has offsets of");
  reset->add_flag("--to-earliest", options->to_earliest, "the logs' starts");
  reset->add_flag("--to-latest", options->to_latest, "the logs' ends");
  reset->add_flag("--to-current", options->to_current,
                  "what is committed, brought inside the log");
  reset->add_option("--to-offset", options->to_offset, "this offset");
  reset->add_option("--to-datetime", options->to_datetime,
                    "first record at or after a time, 2026-11-19T00:00Z");
  reset->add_option("--by-duration", options->by_duration,
                    "first record of the last PT1H30M, 1h30m");
  reset->add_option("--shift-by", options->shift_by,
                    "N records on, or back if negative");
  reset->add_option("--from-file", options->from_file,
                    "a plan: lines of topic,partition,offset");
  reset->add_flag("--execute", options->execute, "do it");
  reset->add_flag("-n,--dry-run", options->dry_run, "only show (the default)");
  reset->add_option("--export", options->export_as,
                    "print the plan as csv or json")
      ->check(CLI::IsMember({"csv", "json"}));
  OnRun(reset, context,
        [&context, options] { return Reset(context, *options); });
}

}  // namespace sillok::tools
