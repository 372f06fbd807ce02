// sillok group delete | offset-delete
#include "tools/group_change.h"

#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/partition_scope.h"

namespace sillok::tools {
namespace {

absl::Status Delete(Context& context, const std::vector<std::string>& names,
                    bool yes) {
  if (!context.Confirm(yes, fmt::format("delete {} group(s) and their offsets?",
                                        names.size()))) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto outcomes, admin->DeleteGroups(names));
  Table table({"GROUP", "STATUS"});
  Json document = Json::array();
  for (const client::GroupOutcome& outcome : outcomes) {
    context.ReportRefusal(outcome.status);
    std::string word = outcome.status.ok()
                           ? "DELETED"
                           : ErrorName(ErrorCodeOf(outcome.status));
    table.Add({outcome.group_id, word});
    document.push_back({{"group", outcome.group_id}, {"status", word}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

struct OffsetDeleteOptions {
  std::string group;
  std::vector<std::string> topics;  // T or T:0,1
  bool yes = false;
};

absl::Status DeleteOffsets(Context& context,
                           const OffsetDeleteOptions& options) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto committed, admin->ListGroupOffsets(options.group));
  std::vector<TopicPartition> ids;
  for (const std::string& text : options.topics) {
    ASSIGN_OR_RETURN(TopicScope scope, ParseTopicScope(text));
    for (const auto& [id, position] : committed) {
      if (id.topic == scope.topic && scope.Has(id.partition)) ids.push_back(id);
    }
  }
  if (ids.empty()) {
    return ErrorStatus(ErrorCode::INVALID_REQUEST,
                       "group '" + options.group +
                           "' has no offsets of what was named");
  }
  if (!context.Confirm(options.yes,
                       fmt::format("forget {} offset(s) of group '{}'?",
                                   ids.size(), options.group))) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto outcomes,
                   admin->DeleteGroupOffsets(options.group, ids));
  Table table({"GROUP", "TOPIC", "PARTITION", "STATUS"});
  Json document = Json::array();
  for (const auto& [id, status] : outcomes) {
    context.ReportRefusal(status);
    std::string word =
        status.ok() ? "DELETED" : ErrorName(ErrorCodeOf(status));
    table.Add({options.group, id.topic, std::to_string(id.partition), word});
    document.push_back({{"group", options.group},
                        {"topic", id.topic},
                        {"partition", id.partition},
                        {"status", word}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

}  // namespace

void RegisterGroupDelete(CLI::App& group, Context& context) {
  auto names = std::make_shared<std::vector<std::string>>();
  auto yes = std::make_shared<bool>(false);
  CLI::App* remove =
      group.add_subcommand("delete", "groups without members, and offsets");
  remove->fallthrough();
  remove->add_option("GROUP", *names)->required();
  remove->add_flag("-y,--yes", *yes, "do not ask");
  OnRun(remove, context,
        [&context, names, yes] { return Delete(context, *names, *yes); });

  auto options = std::make_shared<OffsetDeleteOptions>();
  CLI::App* offsets = group.add_subcommand(
      "offset-delete", "offsets of topics that no member reads");
  offsets->fallthrough();
  offsets->add_option("GROUP", options->group)->required();
  offsets->add_option("-t,--topic", options->topics, "T or T:0,1")
      ->required()
      ->allow_extra_args(false);
  offsets->add_flag("-y,--yes", options->yes, "do not ask");
  OnRun(offsets, context,
        [&context, options] { return DeleteOffsets(context, *options); });
}

}  // namespace sillok::tools
