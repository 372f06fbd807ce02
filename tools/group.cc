// sillok group list | describe
#include <map>
#include <set>
#include <string>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/context.h"

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

// Everything known of one partition of a group.
struct Row {
  int64_t committed = -1;
  int64_t end = -1;  // -1 = not known
  const client::GroupMemberInfo* member = nullptr;

  int64_t lag() const {
    return committed < 0 || end < 0 ? -1 : std::max<int64_t>(end - committed, 0);
  }
};

absl::StatusOr<std::map<TopicPartition, Row>> CollectRows(
    client::Admin& admin, const client::GroupInfo& group) {
  std::map<TopicPartition, Row> rows;
  ASSIGN_OR_RETURN(auto committed, admin.ListGroupOffsets(group.group_id));
  for (const auto& [id, position] : committed) {
    rows[id].committed = position.offset;
  }
  for (const client::GroupMemberInfo& member : group.members) {
    for (const TopicPartition& id : member.assignment) {
      rows[id].member = &member;
    }
  }
  std::map<TopicPartition, int64_t> times;
  for (const auto& [id, row] : rows) times[id] = -1;
  ASSIGN_OR_RETURN(auto ends, admin.ListOffsets(times));
  for (const auto& [id, end] : ends) {
    if (end.status.ok()) rows[id].end = end.offset;
  }
  return rows;
}

std::string Known(int64_t number) {
  return number < 0 ? "-" : std::to_string(number);
}

absl::Status DescribeOne(Context& context, client::Admin& admin,
                         const std::string& name, Json* document) {
  ASSIGN_OR_RETURN(client::GroupInfo group, admin.DescribeGroup(name));
  ASSIGN_OR_RETURN(auto rows, CollectRows(admin, group));
  if (group.state == "Dead" && rows.empty()) {
    return ErrorStatus(ErrorCode::GROUP_ID_NOT_FOUND,
                       "group '" + name + "' does not exist");
  }
  Table table({"TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER-ID",
               "CLIENT-ID", "HOST"});
  Json partitions = Json::array();
  int64_t total = 0;
  for (const auto& [id, row] : rows) {
    total += std::max<int64_t>(row.lag(), 0);
    table.Add({id.topic, std::to_string(id.partition), Known(row.committed),
               Known(row.end), Known(row.lag()),
               row.member ? row.member->member_id : "",
               row.member ? row.member->client_id : "",
               row.member ? row.member->host : ""});
    auto number = [](int64_t n) { return n < 0 ? Json(nullptr) : Json(n); };
    partitions.push_back(
        {{"topic", id.topic},
         {"partition", id.partition},
         {"committed", number(row.committed)},
         {"end", number(row.end)},
         {"lag", number(row.lag())},
         {"member_id", row.member ? Json(row.member->member_id) : nullptr}});
  }
  if (!context.json) {
    fmt::print("GROUP {}   STATE {}   ASSIGNOR {}   COORDINATOR {}   "
               "MEMBERS {}   TOTAL-LAG {}\n{}",
               name, group.state,
               group.assignor.empty() ? "-" : group.assignor,
               group.coordinator, group.members.size(), total,
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
                       {"total_lag", total},
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
}

}  // namespace sillok::tools
