// sillok group list | describe | lag
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/context.h"
#include "tools/group_change.h"
#include "tools/group_lag.h"

namespace sillok::tools {
namespace {

absl::Status List(Context& context) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto groups, admin->ListGroups());
  Table table({"GROUP", "STATE", "PROTOCOL", "COORDINATOR"});
  Json document = Json::array();
  for (const client::GroupListing& group : groups) {
    table.Add({group.group_id, group.state, group.protocol_type,
               std::to_string(group.coordinator)});
    document.push_back({{"group", group.group_id},
                        {"state", group.state},
                        {"protocol_type", group.protocol_type},
                        {"coordinator", group.coordinator}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

absl::Status DescribeOne(Context& context, client::Admin& admin,
                         const std::string& name, Json* document) {
  GroupPicture picture;
  RETURN_IF_ERROR(LookAt(admin, name, &picture));
  const client::GroupInfo& group = picture.info;
  Table table({"TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER-ID",
               "CLIENT-ID", "HOST"});
  Json partitions = Json::array();
  for (const auto& [id, row] : picture.rows) {
    table.Add({id.topic, std::to_string(id.partition), Known(row.committed),
               Known(row.end), Known(row.lag()),
               row.member ? row.member->member_id : "",
               row.member ? row.member->client_id : "",
               row.member ? row.member->host : ""});
    partitions.push_back(
        {{"topic", id.topic},
         {"partition", id.partition},
         {"committed", KnownJson(row.committed)},
         {"end", KnownJson(row.end)},
         {"lag", KnownJson(row.lag())},
         {"member_id", row.member ? Json(row.member->member_id) : nullptr}});
  }
  if (!context.json) {
    fmt::print("GROUP {}   STATE {}   ASSIGNOR {}   COORDINATOR {}   "
               "MEMBERS {}   TOTAL-LAG {}\n{}",
               name, group.state,
               group.assignor.empty() ? "-" : group.assignor,
               group.coordinator, group.members.size(), picture.total_lag,
               table.ToString());
    return absl::OkStatus();
  }
  Json members = Json::array();
  for (const client::GroupMemberInfo& member : group.members) {
    members.push_back({{"member_id", member.member_id},
                       {"instance_id", member.instance_id},
                       {"client_id", member.client_id},
                       {"host", member.host},
                       {"topics", member.topics}});
  }
  document->push_back({{"group", name},
                       {"state", group.state},
                       {"assignor", group.assignor},
                       {"coordinator", group.coordinator},
                       {"total_lag", picture.total_lag},
                       {"members", members},
                       {"partitions", partitions}});
  return absl::OkStatus();
}

absl::Status Describe(Context& context, const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  Json document = Json::array();
  for (const std::string& name : names) {
    context.Report(DescribeOne(context, *admin, name, &document));
  }
  if (context.json) PrintJson(document);
  return absl::OkStatus();
}

struct LagOptions {
  std::vector<std::string> groups;
  std::optional<int64_t> fail_above;
};

// One line a group and topic.
absl::Status Lag(Context& context, LagOptions options) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  if (options.groups.empty()) {
    ASSIGN_OR_RETURN(auto all, admin->ListGroups());
    for (const auto& group : all) options.groups.push_back(group.group_id);
  }
  Table table({"GROUP", "STATE", "TOPIC", "PARTITIONS", "LAG", "MAX-LAG"});
  Json document = Json::array();
  for (const std::string& name : options.groups) {
    GroupPicture picture;
    absl::Status status = LookAt(*admin, name, &picture);
    context.Report(status);
    if (!status.ok()) continue;
    struct Sum {
      int partitions = 0;
      int64_t lag = 0;
      int64_t max_lag = 0;
    };
    std::map<std::string, Sum> topics;
    for (const auto& [id, row] : picture.rows) {
      Sum& sum = topics[id.topic];
      ++sum.partitions;
      sum.lag += std::max<int64_t>(row.lag(), 0);
      sum.max_lag = std::max(sum.max_lag, row.lag());
    }
    Json list = Json::array();
    for (const auto& [topic, sum] : topics) {
      table.Add({name, picture.info.state, topic,
                 std::to_string(sum.partitions), std::to_string(sum.lag),
                 std::to_string(sum.max_lag)});
      list.push_back({{"topic", topic},
                      {"partitions", sum.partitions},
                      {"lag", sum.lag},
                      {"max_lag", sum.max_lag}});
    }
    document.push_back({{"group", name},
                        {"state", picture.info.state},
                        {"total_lag", picture.total_lag},
                        {"max_lag", picture.max_lag},
                        {"topics", list}});
    if (options.fail_above && picture.total_lag > *options.fail_above) {
      context.Report(ErrorStatus(
          ErrorCode::POLICY_VIOLATION,
          fmt::format("group '{}' is {} records behind, more than {}", name,
                      picture.total_lag, *options.fail_above)));
    }
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

}  // namespace

void RegisterGroupCommands(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("group", "consumer groups");
  group->alias("g");
  group->require_subcommand(1);
  group->fallthrough();
  CLI::App* list = group->add_subcommand("list", "groups and their state");
  list->alias("ls");
  list->fallthrough();
  OnRun(list, context, [&context] { return List(context); });
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* describe = group->add_subcommand("describe", "members and lag");
  describe->fallthrough();
  describe->add_option("GROUP", *names)->required();
  OnRun(describe, context,
        [&context, names] { return Describe(context, *names); });
  auto lag_options = std::make_shared<LagOptions>();
  CLI::App* lag =
      group->add_subcommand("lag", "how far behind groups are, by topic");
  lag->fallthrough();
  lag->add_option("GROUP", lag_options->groups, "all when none is named");
  lag->add_option("--fail-above", lag_options->fail_above,
                  "exit 1 when a group is more records behind");
  OnRun(lag, context,
        [&context, lag_options] { return Lag(context, *lag_options); });
  RegisterGroupReset(*group, context);
  RegisterGroupDelete(*group, context);
}

}  // namespace sillok::tools
