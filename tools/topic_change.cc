#include "tools/topic_change.h"

#include <chrono>
#include <map>
#include <memory>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/config_change.h"
#include "tools/offset_range.h"
#include "tools/partition_scope.h"

namespace sillok::tools {
namespace {

// ---- add-partitions

struct GrowOptions {
  std::string topic;
  int more = 0;
  int total = 0;
  std::string assign;
  bool dry_run = false;
};

absl::StatusOr<client::TopicInfo> FindTopic(client::Admin& admin,
                                            const std::string& name) {
  ASSIGN_OR_RETURN(auto topics, admin.DescribeTopics({name}));
  RETURN_IF_ERROR(topics[0].status);
  return topics[0];
}

absl::Status Grow(Context& context, const GrowOptions& options) {
  if ((options.more > 0) == (options.total > 0)) {
    context.UsageError("add-partitions takes either -n MORE or --to TOTAL");
    return absl::OkStatus();
  }
  client::PartitionsSpec spec{options.topic, options.total, {}};
  if (!options.assign.empty()) {
    ASSIGN_OR_RETURN(spec.assignments, ParseAssignment(options.assign));
  }
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  if (options.more > 0) {
    ASSIGN_OR_RETURN(auto topic, FindTopic(*admin, options.topic));
    spec.total = static_cast<int>(topic.partitions.size()) + options.more;
  }
  ASSIGN_OR_RETURN(auto outcomes,
                   admin->CreatePartitions({spec}, options.dry_run));
  const client::TopicOutcome& outcome = outcomes[0];
  context.ReportRefusal(outcome.status);
  std::string word = outcome.status.ok()
                         ? (options.dry_run ? "VALID" : "GROWN")
                         : ErrorName(ErrorCodeOf(outcome.status));
  Json partitions = outcome.status.ok() ? Json(spec.total) : Json(nullptr);
  if (context.json) {
    PrintJson(Json::array({{{"topic", options.topic},
                            {"partitions", partitions},
                            {"status", word}}}));
    return absl::OkStatus();
  }
  Table table({"TOPIC", "PARTITIONS", "STATUS"});
  table.Add({options.topic,
             outcome.status.ok() ? std::to_string(spec.total) : "-", word});
  table.Print();
  return absl::OkStatus();
}

// ---- delete-records

struct TrimOptions {
  std::string topic;
  std::string partitions;  // "" = all
  std::string before;      // end | N | @TIME
  bool yes = false;
};

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// The offsets before which records go.
absl::StatusOr<std::map<TopicPartition, int64_t>> Limits(
    client::Admin& admin, const std::string& before,
    const std::vector<TopicPartition>& ids) {
  std::map<TopicPartition, int64_t> limits;
  if (before.rfind('@', 0) == 0) {
    ASSIGN_OR_RETURN(int64_t time_ms, ParseTime(before.substr(1)));
    for (const TopicPartition& id : ids) limits[id] = time_ms;
    ASSIGN_OR_RETURN(auto found, admin.ListOffsets(limits));
    for (auto& [id, limit] : limits) {
      RETURN_IF_ERROR(found[id].status);
      // No record so late: everything is earlier. -1 = the high watermark.
      limit = found[id].offset;
    }
    return limits;
  }
  ASSIGN_OR_RETURN(OffsetRange range, ParseOffsetRange(before, NowMs()));
  bool end = range.from.kind == OffsetPoint::kEnd && range.from.number == 0;
  bool offset = range.from.kind == OffsetPoint::kOffset;
  if (range.until || (!end && !offset)) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       "--before takes end, an offset or @TIME, not '" +
                           before + "'");
  }
  for (const TopicPartition& id : ids) {
    limits[id] = end ? -1 : range.from.number;
  }
  return limits;
}

absl::Status Trim(Context& context, const TrimOptions& options) {
  TopicScope scope{options.topic, {}};
  if (!options.partitions.empty()) {
    ASSIGN_OR_RETURN(scope.partitions, ParseNumbers(options.partitions));
  }
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto topic, FindTopic(*admin, options.topic));
  std::vector<TopicPartition> ids;
  if (scope.partitions.empty()) {
    for (const client::PartitionInfo& p : topic.partitions) {
      ids.push_back({topic.name, p.partition});
    }
  }
  for (int32_t p : scope.partitions) ids.push_back({topic.name, p});
  ASSIGN_OR_RETURN(auto limits, Limits(*admin, options.before, ids));
  if (!context.Confirm(options.yes,
                       fmt::format("delete the records of {} partition(s) of "
                                   "topic '{}' before {}?",
                                   ids.size(), topic.name, options.before))) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto outcomes, admin->DeleteRecords(limits));
  Table table({"TOPIC", "PARTITION", "LOG-START", "STATUS"});
  Json document = Json::array();
  for (const auto& [id, outcome] : outcomes) {
    context.ReportRefusal(outcome.status);
    int64_t start = outcome.status.ok() ? outcome.log_start_offset : -1;
    std::string word = outcome.status.ok()
                           ? "DELETED"
                           : ErrorName(ErrorCodeOf(outcome.status));
    table.Add({id.topic, std::to_string(id.partition), Known(start), word});
    document.push_back({{"topic", id.topic},
                        {"partition", id.partition},
                        {"log_start_offset", KnownJson(start)},
                        {"status", word}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

// ---- config

struct TopicConfigOptions {
  std::string topic;
  ConfigEdits edits;
};

}  // namespace

absl::StatusOr<std::vector<std::vector<int32_t>>> ParseAssignment(
    const std::string& text) {
  std::vector<std::vector<int32_t>> assignment;
  for (const std::string& part : CLI::detail::split(text, ',')) {
    std::vector<int32_t>& brokers = assignment.emplace_back();
    for (const std::string& broker : CLI::detail::split(part, ':')) {
      int32_t id = 0;
      if (!CLI::detail::lexical_cast(broker, id)) {
        return ErrorStatus(ErrorCode::INVALID_CONFIG,
                           "--assign takes 1:2,2:3,..., not '" + text + "'");
      }
      brokers.push_back(id);
    }
  }
  return assignment;
}

void RegisterTopicChanges(CLI::App& topic, Context& context) {
  auto grow = std::make_shared<GrowOptions>();
  CLI::App* add = topic.add_subcommand("add-partitions",
                                       "more partitions for a topic");
  add->fallthrough();
  add->footer("Keys go to other partitions from then on; records that are there "
              "stay.\n  sillok topic add-partitions orders --to 12");
  add->add_option("TOPIC", grow->topic)->required();
  add->add_option("-n,--more", grow->more, "how many more")
      ->check(CheckPositive);
  add->add_option("--to", grow->total, "how many in all")->check(CheckPositive);
  add->add_option("--assign", grow->assign,
                  "brokers of each new partition, 1:2,2:3,...");
  add->add_flag("--dry-run", grow->dry_run, "only check");
  OnRun(add, context, [&context, grow] { return Grow(context, *grow); });

  auto trim = std::make_shared<TrimOptions>();
  CLI::App* remove = topic.add_subcommand(
      "delete-records", "records before an offset, for good");
  remove->alias("trim");
  remove->fallthrough();
  remove->footer("  sillok topic delete-records orders --before 1000 -p 0\n"
                 "  sillok topic delete-records orders --before "
                 "@2026-11-01T00:00Z --yes");
  remove->add_option("TOPIC", trim->topic)->required();
  remove->add_option("--before", trim->before, "end, an offset or @TIME")
      ->required();
  remove->add_option("-p,--partitions", trim->partitions, "0,1,5 (all)");
  remove->add_flag("-y,--yes", trim->yes, "do not ask");
  OnRun(remove, context, [&context, trim] { return Trim(context, *trim); });

  auto edit = std::make_shared<TopicConfigOptions>();
  CLI::App* config = topic.add_subcommand(
      "config", "shows a topic's configuration, or changes it");
  config->fallthrough();
  config->footer("  sillok topic config orders --set retention.ms=604800000\n"
                 "See also `sillok config`, for brokers too.");
  config->add_option("TOPIC", edit->topic)->required();
  AddEditOptions(config, &edit->edits);
  OnRun(config, context, [&context, edit] {
    client::ConfigResource resource{client::ConfigResource::kTopic,
                                    edit->topic};
    return edit->edits.empty() ? ListConfig(context, resource, {})
                               : EditConfig(context, resource, edit->edits);
  });
}

}  // namespace sillok::tools
