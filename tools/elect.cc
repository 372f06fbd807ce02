// sillok elect, sillok leader elect
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "tools/context.h"
#include "tools/partition_scope.h"

namespace sillok::tools {
namespace {

struct ElectOptions {
  std::vector<std::string> topics;  // T or T:0,1
  bool all = false;
  bool unclean = false;
  bool yes = false;
};

absl::StatusOr<std::vector<TopicPartition>> FindPartitions(
    client::Admin& admin, const std::vector<std::string>& scopes) {
  std::vector<TopicPartition> ids;
  for (const std::string& text : scopes) {
    ASSIGN_OR_RETURN(TopicScope scope, ParseTopicScope(text));
    for (int32_t p : scope.partitions) ids.push_back({scope.topic, p});
    if (!scope.partitions.empty()) continue;
    ASSIGN_OR_RETURN(auto topics, admin.DescribeTopics({scope.topic}));
    RETURN_IF_ERROR(topics[0].status);
    for (const client::PartitionInfo& p : topics[0].partitions) {
      ids.push_back({scope.topic, p.partition});
    }
  }
  return ids;
}

absl::Status Elect(Context& context, const ElectOptions& options) {
  if (options.all == !options.topics.empty()) {
    context.UsageError("elect takes topics (T or T:0,1) or --all");
    return absl::OkStatus();
  }
  if (options.unclean &&
      !context.Confirm(options.yes,
                       "an unclean election may lose records; go on?")) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto ids, FindPartitions(*admin, options.topics));
  ASSIGN_OR_RETURN(auto outcomes,
                   admin->ElectLeaders(options.unclean
                                           ? client::ElectionType::kUnclean
                                           : client::ElectionType::kPreferred,
                                       ids));
  Table table({"TOPIC", "PARTITION", "STATUS"});
  Json document = Json::array();
  for (const auto& [id, status] : outcomes) {
    ErrorCode code = ErrorCodeOf(status);
    bool fine = code == ErrorCode::ELECTION_NOT_NEEDED;
    if (!fine) context.ReportRefusal(status);
    std::string word =
        status.ok() ? "ELECTED" : (fine ? "NOT-NEEDED" : ErrorName(code));
    table.Add({id.topic, std::to_string(id.partition), word});
    document.push_back({{"topic", id.topic},
                        {"partition", id.partition},
                        {"status", word}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

void AddElect(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ElectOptions>();
  CLI::App* elect = parent.add_subcommand(
      "elect", "makes the preferred replicas lead again");
  elect->fallthrough();
  elect->footer("  sillok elect --all\n"
                "  sillok elect orders:0,3 --unclean --yes");
  elect->add_option("TOPIC", options->topics, "T or T:0,1");
  elect->add_flag("--all", options->all, "all partitions that need it");
  elect->add_flag("--unclean", options->unclean,
                  "any live replica where no in-sync one lives");
  elect->add_flag("-y,--yes", options->yes, "do not ask");
  OnRun(elect, context,
        [&context, options] { return Elect(context, *options); });
}

}  // namespace

void RegisterElectCommands(CLI::App& app, Context& context) {
  AddElect(app, context);
  CLI::App* leader = app.add_subcommand("leader", "partition leaders");
  leader->require_subcommand(1);
  leader->fallthrough();
  AddElect(*leader, context);
}

}  // namespace sillok::tools
