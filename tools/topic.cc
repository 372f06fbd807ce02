// sillok topic create | list | describe | delete
#include <map>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/context.h"
#include "tools/topic_change.h"

namespace sillok::tools {
namespace {

struct CreateOptions {
  std::vector<std::string> names;
  int partitions = 0;
  int replicas = 0;
  std::vector<std::string> configs;
  std::string assign;
  bool if_not_exists = false;
  bool dry_run = false;
};

absl::Status Create(Context& context, const CreateOptions& options) {
  client::TopicSpec spec;
  spec.partitions = options.partitions;
  spec.replication_factor = options.replicas;
  for (const std::string& config : options.configs) {
    size_t equals = config.find('=');
    if (equals == std::string::npos) {
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         "-c takes key=value, not '" + config + "'");
    }
    spec.configs[config.substr(0, equals)] = config.substr(equals + 1);
  }
  if (!options.assign.empty()) {
    ASSIGN_OR_RETURN(auto assignments, ParseAssignment(options.assign));
    for (size_t p = 0; p < assignments.size(); ++p) {
      spec.assignments[static_cast<int32_t>(p)] = assignments[p];
    }
  }
  std::vector<client::TopicSpec> specs;
  for (const std::string& name : options.names) {
    specs.push_back(spec);
    specs.back().name = name;
  }
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto outcomes, admin->CreateTopics(specs, options.dry_run));
  Table table({"TOPIC", "PARTITIONS", "REPLICAS", "STATUS"});
  Json document = Json::array();
  for (const client::TopicOutcome& outcome : outcomes) {
    ErrorCode code = ErrorCodeOf(outcome.status);
    bool fine = code == ErrorCode::NONE ||
                (options.if_not_exists &&
                 code == ErrorCode::TOPIC_ALREADY_EXISTS);
    if (!fine) context.ReportRefusal(outcome.status);
    std::string word = code == ErrorCode::NONE
                           ? (options.dry_run ? "VALID" : "CREATED")
                           : (fine ? "EXISTS" : ErrorName(code));
    table.Add({outcome.name, std::to_string(outcome.partitions),
               std::to_string(outcome.replication_factor), word});
    document.push_back({{"topic", outcome.name},
                        {"partitions", outcome.partitions},
                        {"replicas", outcome.replication_factor},
                        {"topic_id", outcome.topic_id},
                        {"status", word}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

absl::Status List(Context& context, bool internal) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto topics, admin->ListTopics());
  Table table({"TOPIC", "PARTITIONS", "REPLICAS"});
  Json document = Json::array();
  for (const client::TopicInfo& topic : topics) {
    if (topic.internal && !internal) continue;
    size_t replicas =
        topic.partitions.empty() ? 0 : topic.partitions[0].replicas.size();
    table.Add({topic.name, std::to_string(topic.partitions.size()),
               std::to_string(replicas)});
    document.push_back({{"topic", topic.name},
                        {"topic_id", topic.topic_id},
                        {"partitions", topic.partitions.size()},
                        {"replicas", replicas},
                        {"internal", topic.internal}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

// Log start and end of every partition that has a leader.
struct Ends {
  std::map<TopicPartition, client::ListedOffset> starts;
  std::map<TopicPartition, client::ListedOffset> ends;
};

absl::StatusOr<Ends> FindEnds(client::Admin& admin,
                              const client::TopicInfo& topic) {
  std::map<TopicPartition, int64_t> starts;
  std::map<TopicPartition, int64_t> ends;
  for (const client::PartitionInfo& partition : topic.partitions) {
    if (partition.leader < 0) continue;
    starts[{topic.name, partition.partition}] = -2;
    ends[{topic.name, partition.partition}] = -1;
  }
  Ends found;
  ASSIGN_OR_RETURN(found.starts, admin.ListOffsets(starts));
  ASSIGN_OR_RETURN(found.ends, admin.ListOffsets(ends));
  return found;
}

std::string OffsetText(const std::map<TopicPartition, client::ListedOffset>& of,
                       const TopicPartition& id) {
  auto found = of.find(id);
  return found == of.end() || !found->second.status.ok()
             ? "?"
             : std::to_string(found->second.offset);
}

Json OffsetJson(const std::map<TopicPartition, client::ListedOffset>& of,
                const TopicPartition& id) {
  auto found = of.find(id);
  if (found == of.end() || !found->second.status.ok()) return nullptr;
  return found->second.offset;
}

absl::Status DescribeOne(Context& context, client::Admin& admin,
                         const client::TopicInfo& topic, Json* document) {
  ASSIGN_OR_RETURN(Ends ends, FindEnds(admin, topic));
  Table table({"PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "OFFLINE",
               "LOG-START", "HIGH-WATERMARK"});
  Json partitions = Json::array();
  size_t replicas = 0;
  for (const client::PartitionInfo& p : topic.partitions) {
    TopicPartition id{topic.name, p.partition};
    replicas = std::max(replicas, p.replicas.size());
    table.Add({std::to_string(p.partition), std::to_string(p.leader),
               std::to_string(p.leader_epoch), ListOf(p.replicas),
               ListOf(p.isr), ListOf(p.offline), OffsetText(ends.starts, id),
               OffsetText(ends.ends, id)});
    partitions.push_back({{"partition", p.partition},
                          {"leader", p.leader},
                          {"leader_epoch", p.leader_epoch},
                          {"replicas", p.replicas},
                          {"isr", p.isr},
                          {"offline", p.offline},
                          {"log_start_offset", OffsetJson(ends.starts, id)},
                          {"high_watermark", OffsetJson(ends.ends, id)}});
  }
  ASSIGN_OR_RETURN(auto configs,
                   admin.DescribeConfig(
                       {client::ConfigResource::kTopic, topic.name}));
  Table config_table({"KEY", "VALUE", "SOURCE"});
  Json config_json = Json::array();
  for (const client::ConfigValue& config : configs) {
    config_table.Add({config.name, config.value, config.source});
    config_json.push_back({{"name", config.name},
                           {"value", config.value},
                           {"source", config.source}});
  }
  if (context.json) {
    document->push_back({{"topic", topic.name},
                         {"topic_id", topic.topic_id},
                         {"internal", topic.internal},
                         {"partitions", partitions},
                         {"configs", config_json}});
    return absl::OkStatus();
  }
  fmt::print("SUMMARY\nNAME {}   ID {}   PARTITIONS {}   REPLICAS {}   "
             "INTERNAL {}\nPARTITIONS\n{}CONFIGS\n{}",
             topic.name, topic.topic_id, topic.partitions.size(), replicas,
             topic.internal, table.ToString(), config_table.ToString());
  return absl::OkStatus();
}

absl::Status Describe(Context& context, const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto topics, admin->DescribeTopics(names));
  Json document = Json::array();
  for (const client::TopicInfo& topic : topics) {
    context.Report(topic.status.ok()
                       ? DescribeOne(context, *admin, topic, &document)
                       : topic.status);
  }
  if (context.json) PrintJson(document);
  return absl::OkStatus();
}

absl::Status Delete(Context& context, const std::vector<std::string>& names,
                    bool yes) {
  if (!context.Confirm(yes, fmt::format("delete {} topic(s) and their records?",
                                        names.size()))) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto outcomes, admin->DeleteTopics(names));
  Table table({"TOPIC", "STATUS"});
  Json document = Json::array();
  for (const client::TopicOutcome& outcome : outcomes) {
    context.ReportRefusal(outcome.status);
    std::string word = outcome.status.ok()
                           ? "DELETED"
                           : ErrorName(ErrorCodeOf(outcome.status));
    table.Add({outcome.name, word});
    document.push_back({{"topic", outcome.name}, {"status", word}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

}  // namespace

void RegisterTopicCommands(CLI::App& app, Context& context) {
  CLI::App* topic = app.add_subcommand("topic", "topics");
  topic->alias("t");
  topic->require_subcommand(1);
  topic->fallthrough();

  auto create_options = std::make_shared<CreateOptions>();
  CLI::App* create = topic->add_subcommand("create", "make topics");
  create->fallthrough();
  create->add_option("TOPIC", create_options->names)->required();
  create->add_option("-p,--partitions", create_options->partitions,
                     "0 = the cluster's default")
      ->check(CheckNotNegative);
  create->add_option("-r,--replicas", create_options->replicas,
                     "0 = the cluster's default")
      ->check(CheckNotNegative);
  create->add_option("-c,--config", create_options->configs, "key=value")
      ->allow_extra_args(false);
  create->add_option("--assign", create_options->assign,
                     "brokers of each partition, 1:2,2:3,...");
  create->add_flag("--if-not-exists", create_options->if_not_exists,
                   "a topic that is there is no error");
  create->add_flag("-n,--dry-run", create_options->dry_run, "only check");
  OnRun(create, context,
        [&context, create_options] { return Create(context, *create_options); });

  auto internal = std::make_shared<bool>(false);
  CLI::App* list = topic->add_subcommand("list", "names and sizes");
  list->alias("ls");
  list->fallthrough();
  list->add_flag("-i,--internal", *internal, "internal topics too");
  OnRun(list, context,
        [&context, internal] { return List(context, *internal); });

  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* describe =
      topic->add_subcommand("describe", "partitions, offsets, configuration");
  describe->fallthrough();
  describe->add_option("TOPIC", *names)->required();
  OnRun(describe, context,
        [&context, names] { return Describe(context, *names); });

  auto gone = std::make_shared<std::vector<std::string>>();
  auto yes = std::make_shared<bool>(false);
  CLI::App* remove = topic->add_subcommand("delete", "topics and records");
  remove->fallthrough();
  remove->add_option("TOPIC", *gone)->required();
  remove->add_flag("-y,--yes", *yes, "do not ask");
  OnRun(remove, context,
        [&context, gone, yes] { return Delete(context, *gone, *yes); });

  RegisterTopicChanges(*topic, context);
}

}  // namespace sillok::tools
