// Golden scenarios: testdata/scenarios/*.txt hold commands and, below "----",
// what came of them. A changed rule shows as a diff of prose.
//
//   bazel run //test/broker/group:group_scenario_test -- --rewrite=$PWD/...dir
// writes the outcomes anew; review the diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "broker/group/group_table.h"

namespace sillok {
namespace {

constexpr char kFolder[] = "test/broker/group/testdata/scenarios";
std::string* rewrite_folder = nullptr;

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

// `name key=value flag`
struct Command {
  std::string verb;
  std::string who;
  std::map<std::string, std::string> options;

  bool has(const std::string& key) const { return options.count(key) > 0; }
  std::string get(const std::string& key, const std::string& other) const {
    const auto found = options.find(key);
    return found == options.end() ? other : found->second;
  }
  int number(const std::string& key, int other) const {
    return has(key) ? std::stoi(options.at(key)) : other;
  }
};

Command Parse(const std::string& line) {
  std::istringstream words(line);
  Command command;
  words >> command.verb;
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) {
      command.options[word.substr(0, equals)] = word.substr(equals + 1);
    } else if (command.who.empty()) {
      command.who = word;
    } else {
      command.options[word] = "";
    }
  }
  return command;
}

// One group "g" and clients by name, each of which remembers what it was told.
class Runner {
 public:
  Runner() : table_(&options_) {
    options_.initial_rebalance_delay_ms = 0;
    options_.max_size = 3;
  }

  std::string Run(const std::string& line) {
    out_.str("");
    const Command command = Parse(line);
    if (command.verb == "config") {
      options_.initial_rebalance_delay_ms =
          command.number("initial_delay", options_.initial_rebalance_delay_ms);
      options_.max_size = command.number("max_size", options_.max_size);
    } else if (command.verb == "join") {
      Join(command);
    } else if (command.verb == "sync") {
      Sync(command);
    } else if (command.verb == "heartbeat") {
      Heartbeat(command);
    } else if (command.verb == "leave") {
      Leave(command);
    } else if (command.verb == "commit") {
      Commit(command);
    } else if (command.verb == "fetch") {
      Fetch(command);
    } else if (command.verb == "written") {
      Written(command);
    } else if (command.verb == "advance") {
      now_ms_ += std::stoi(command.who);
      Then([&](TableOutput* out) { table_.OnTime(Now(), out); });
    } else if (command.verb == "keep_alive") {
      KeepAlive(command);
    } else if (command.verb == "expire") {
      Then([&](TableOutput* out) { table_.ExpireOffsets(Now(), out); });
    } else if (command.verb == "delete") {
      calls_[++next_call_] = "delete";
      Then([&](TableOutput* out) { table_.Delete(next_call_, "g", out); });
    } else if (command.verb == "delete_offsets") {
      DeleteOffsets(line);
    } else if (command.verb == "topics_deleted") {
      Then([&](TableOutput* out) {
        table_.OnTopicsDeleted({command.who}, out);
      });
    } else if (command.verb == "failover") {
      Failover();
    } else if (command.verb == "state") {
      State();
    } else {
      out_ << "unknown command\n";
    }
    return out_.str();
  }

 private:
  struct Client {
    std::string member_id;
    int generation = -1;
  };

  GroupTime Now() const { return {now_ms_, 1'000'000 + now_ms_}; }

  template <typename Do>
  void Then(const Do& act) {
    TableOutput out;
    act(&out);
    for (auto& [group_id, event] : out.events) PrintEvent(event);
    for (auto& [call, r] : out.joins) PrintJoin(calls_.at(call), r);
    for (auto& [call, r] : out.syncs) {
      out_ << calls_.at(call) << ": sync "
           << v1::ErrorCode_Name(r.error_code());
      if (r.error_code() == v1::NONE) {
        out_ << " assignment='" << r.assignment() << "'";
      }
      out_ << "\n";
    }
    for (auto& [call, r] : out.commits) {
      out_ << calls_.at(call) << ": commit "
           << v1::ErrorCode_Name(r.error_code());
      for (const auto& o : r.offsets()) {
        out_ << " " << o.topic() << "-" << o.partition() << "="
             << v1::ErrorCode_Name(o.error_code());
      }
      out_ << "\n";
    }
    for (auto& [call, r] : out.offset_deletions) {
      out_ << "delete_offsets " << v1::ErrorCode_Name(r.error_code());
      for (const auto& p : r.partitions()) {
        out_ << " " << p.topic() << "-" << p.partition() << "="
             << v1::ErrorCode_Name(p.error_code());
      }
      out_ << "\n";
    }
    for (auto& [call, error] : out.deletions) {
      out_ << calls_.at(call) << ": " << ErrorName(error) << "\n";
    }
    for (TableWrite& write : out.writes) {
      PrintWrite(write);
      writes_.push_back(std::move(write));
    }
  }

  void PrintJoin(const std::string& who, const v1::JoinGroupResponse& r) {
    out_ << who << ": join " << v1::ErrorCode_Name(r.error_code());
    Client& client = clients_[who];
    if (r.error_code() == v1::NONE) {
      client = {r.member_id(), r.generation_id()};
      out_ << " id=" << r.member_id() << " generation=" << r.generation_id()
           << " protocol=" << r.protocol_name() << " leader=" << r.leader();
      if (r.skip_assignment()) out_ << " skip_assignment";
      for (const auto& m : r.members()) {
        out_ << "\n    member " << m.member_id() << " '"
             << absl::CHexEscape(m.metadata()) << "'";
      }
    } else if (r.error_code() == v1::MEMBER_ID_REQUIRED) {
      client = {r.member_id(), -1};
      out_ << " id=" << r.member_id();
    } else if (r.error_code() == v1::UNKNOWN_MEMBER_ID) {
      client = {};
    }
    out_ << "\n";
  }

  void PrintEvent(const GroupEvent& event) {
    out_ << (event.kind == GroupEvent::Kind::kRebalance ? "rebalance"
                                                        : "put out");
    if (!event.member_id.empty()) out_ << " " << event.member_id;
    out_ << ": " << event.why;
    if (!event.client_reason.empty()) out_ << " (" << event.client_reason << ")";
    out_ << "\n";
  }

  void PrintWrite(const TableWrite& write) {
    out_ << "write";
    for (const JournalRecord& record : write.records) {
      const auto key = ParseKey(record.key);
      if (const auto* offset = std::get_if<OffsetKey>(&key)) {
        out_ << " " << offset->topic << "-" << offset->partition << "="
             << (record.value
                     ? std::to_string(ParseOffsetValue(*record.value)->offset)
                     : "deleted");
      } else if (!record.value.has_value()) {
        out_ << " group deleted";
      } else {
        const GroupValue value = *ParseGroupValue(*record.value);
        out_ << " group generation=" << value.generation
             << " leader=" << value.leader.value_or("-");
        for (const GroupMemberValue& m : value.members) {
          out_ << " " << m.member_id << "='" << m.assignment << "'";
        }
      }
    }
    out_ << "\n";
  }

  // "topics(t)" is a consumer's subscription to t; all else stands for itself.
  static std::string Metadata(const std::string& text) {
    if (text.rfind("topics(", 0) != 0) return text;
    const std::string topic = text.substr(7, text.size() - 8);
    std::string bytes("\0\0\0\0\0\1\0", 7);
    bytes += static_cast<char>(topic.size());
    return bytes + topic + std::string("\xff\xff\xff\xff", 4);
  }

  // Of partitions as in "delete_offsets t-0 u-1".
  void DeleteOffsets(const std::string& line) {
    v1::OffsetDeleteRequest request;
    request.set_group_id("g");
    for (const std::string& word : Split(line, ' ')) {
      const size_t dash = word.find('-');
      if (dash == std::string::npos) continue;
      v1::PartitionRef* partition = request.add_partitions();
      partition->set_topic(word.substr(0, dash));
      partition->set_partition(std::stoi(word.substr(dash + 1)));
    }
    Then([&](TableOutput* out) {
      table_.DeleteOffsets(++next_call_, request, topic_exists_, out);
    });
  }

  void Join(const Command& command) {
    v1::JoinGroupRequest request;
    request.set_group_id("g");
    request.set_client_id(command.who);
    request.set_member_id(
        command.get("id", clients_[command.who].member_id));
    request.set_group_instance_id(command.get("instance", ""));
    request.set_protocol_type(command.get("type", "consumer"));
    request.set_reason(command.get("reason", ""));
    request.set_session_timeout_ms(command.number("session", 10'000));
    request.set_rebalance_timeout_ms(command.number("rebalance", 60'000));
    for (const auto& p : Split(command.get("protocols", "range:t"), ',')) {
      const auto parts = Split(p, ':');
      v1::GroupProtocol* protocol = request.add_protocols();
      protocol->set_name(parts[0]);
      if (parts.size() > 1) protocol->set_metadata(Metadata(parts[1]));
    }
    JoinInput input;
    input.call = ++next_call_;
    input.request = &request;
    input.client_host = "/127.0.0.1";
    input.require_known_member_id = !command.has("old_client");
    input.supports_skip_assignment = command.has("can_skip");
    input.new_member_id = command.who + std::to_string(++next_id_);
    calls_[input.call] = command.who;
    Then([&](TableOutput* out) { table_.Join(input, Now(), out); });
  }

  void Sync(const Command& command) {
    const Client& client = clients_[command.who];
    v1::SyncGroupRequest request;
    request.set_group_id("g");
    request.set_member_id(command.get("id", client.member_id));
    request.set_group_instance_id(command.get("instance", ""));
    request.set_generation_id(
        command.number("generation", client.generation));
    request.set_protocol_name(command.get("protocol", ""));
    for (const auto& a : Split(command.get("assign", ""), ',')) {
      const auto parts = Split(a, ':');
      v1::MemberAssignment* assignment = request.add_assignments();
      assignment->set_member_id(parts[0]);
      assignment->set_assignment(parts[1]);
    }
    calls_[++next_call_] = command.who;
    Then([&](TableOutput* out) {
      table_.Sync(next_call_, request, Now(), out);
    });
  }

  void Heartbeat(const Command& command) {
    const Client& client = clients_[command.who];
    v1::HeartbeatRequest request;
    request.set_group_id("g");
    request.set_member_id(command.get("id", client.member_id));
    request.set_group_instance_id(command.get("instance", ""));
    request.set_generation_id(
        command.number("generation", client.generation));
    out_ << command.who << ": heartbeat "
         << v1::ErrorCode_Name(table_.Heartbeat(request, Now()).error_code())
         << "\n";
  }

  // "keep_alive a 1000": so long, with heartbeats.
  void KeepAlive(const Command& command) {
    v1::HeartbeatRequest request;
    request.set_group_id("g");
    request.set_member_id(clients_[command.who].member_id);
    request.set_generation_id(clients_[command.who].generation);
    const int64_t until_ms =
        now_ms_ + std::stoll(command.options.begin()->first);
    while (now_ms_ < until_ms) {
      now_ms_ = std::min(now_ms_ + 1'000'000, until_ms);
      table_.Heartbeat(request, Now());
      Then([&](TableOutput* out) { table_.OnTime(Now(), out); });
    }
  }

  void Leave(const Command& command) {
    v1::LeaveGroupRequest request;
    request.set_group_id("g");
    v1::LeavingMember* member = request.add_members();
    member->set_member_id(
        command.get("id", clients_[command.who].member_id));
    member->set_group_instance_id(command.get("instance", ""));
    member->set_reason(command.get("reason", ""));
    Then([&](TableOutput* out) {
      const auto response = table_.Leave(request, Now(), out);
      out_ << command.who << ": leave "
           << v1::ErrorCode_Name(
                  static_cast<v1::ErrorCode>(response.members(0)))
           << "\n";
    });
    clients_[command.who] = {};
  }

  void Commit(const Command& command) {
    const Client& client = clients_[command.who];
    v1::OffsetCommitRequest request;
    request.set_group_id("g");
    request.set_member_id(command.get("id", client.member_id));
    request.set_group_instance_id(command.get("instance", ""));
    request.set_generation_id(
        command.number("generation", client.generation));
    v1::CommittedOffset* offset = request.add_offsets();
    offset->set_topic(command.get("topic", "t"));
    offset->set_partition(command.number("partition", 0));
    offset->set_offset(command.number("offset", 0));
    offset->set_metadata(command.get("metadata", ""));
    CommitInput input;
    input.call = ++next_call_;
    input.request = &request;
    input.retention_ms = command.number("retention", -1);
    input.topic_exists = &topic_exists_;
    calls_[input.call] = command.who;
    Then([&](TableOutput* out) { table_.Commit(input, Now(), out); });
  }

  void Fetch(const Command& command) {
    v1::OffsetFetchRequest request;
    request.set_group_id("g");
    request.set_all_partitions(true);
    out_ << "offsets";
    const v1::OffsetFetchResponse response = table_.FetchOffsets(request);
    for (const auto& o : response.offsets()) {
      out_ << " " << o.topic() << "-" << o.partition() << "=" << o.offset();
    }
    out_ << "\n";
  }

  // The oldest write is committed, or failed as error= says.
  void Written(const Command& command) {
    if (writes_.empty()) {
      out_ << "nothing to write\n";
      return;
    }
    const TableWrite write = std::move(writes_.front());
    writes_.pop_front();
    const ErrorCode error =
        ErrorCodeFromName(command.get("error", "NONE")).value();
    Offset base = kNoOffset;
    if (error == ErrorCode::NONE) {
      base = Offset(static_cast<int64_t>(log_.size()));
      for (const JournalRecord& record : write.records) {
        log_.push_back(record);
      }
    }
    table_.OnSettled(write.id, base);
    Then([&](TableOutput* out) {
      table_.OnReply(write.id, error, Now(), out);
    });
  }

  // Another broker takes over: all is dropped and read again.
  void Failover() {
    Then([&](TableOutput* out) {
      table_.Drop(ErrorCode::NOT_COORDINATOR, out);
    });
    writes_.clear();
    for (size_t i = 0; i < log_.size(); ++i) {
      ReplayedRecord record;
      record.offset = Offset(static_cast<int64_t>(i));
      record.key = log_[i].key;
      if (log_[i].value.has_value()) record.value = *log_[i].value;
      table_.Replay(record);
    }
    table_.OnLoaded(Now());
  }

  void State() {
    const Group* group = table_.FindGroup("g");
    if (group == nullptr) {
      out_ << "no group\n";
      return;
    }
    out_ << GroupStateName(group->state())
         << " generation=" << group->generation();
    if (!group->leader().empty()) out_ << " leader=" << group->leader();
    out_ << "\n";
    for (const auto& [id, member] : group->members()) {
      out_ << "    " << id;
      if (member.is_static()) out_ << " instance=" << member.instance_id;
      if (member.join_call) out_ << " joining";
      if (member.sync_call) out_ << " syncing";
      if (!member.assignment.empty()) out_ << " '" << member.assignment << "'";
      out_ << "\n";
    }
  }

  const TopicExists topic_exists_ = [](const std::string& topic) {
    return topic != "missing";
  };
  GroupOptions options_;
  GroupTable table_;
  int64_t now_ms_ = 0;
  CallId next_call_ = 0;
  int next_id_ = 0;
  std::map<CallId, std::string> calls_;
  std::map<std::string, Client> clients_;
  std::deque<TableWrite> writes_;
  std::vector<JournalRecord> log_;
  std::ostringstream out_;
};

// Runs the commands of a scenario and gives it back with the outcomes of now.
std::string Replayed(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  Runner runner;
  std::ostringstream now;
  bool in_outcome = false;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) {
      if (in_outcome) now << "\n";
      in_outcome = false;
      continue;
    }
    if (in_outcome) continue;
    if (line[0] == '#') {
      now << line << "\n";
    } else if (line == "----") {
      in_outcome = true;
    } else {
      now << line << "\n----\n" << runner.Run(line);
      in_outcome = true;
    }
  }
  if (in_outcome) now << "\n";
  return now.str();
}

class GroupScenarioTest : public testing::TestWithParam<std::string> {};

TEST_P(GroupScenarioTest, ComesOutAsWritten) {
  const std::string path = std::string(kFolder) + "/" + GetParam();
  const std::string now = Replayed(path);
  if (rewrite_folder != nullptr) {
    std::ofstream(*rewrite_folder + "/" + GetParam()) << now;
    return;
  }
  std::ifstream file(path);
  std::ostringstream written;
  written << file.rdbuf();
  EXPECT_EQ(now, written.str());
}

std::vector<std::string> Scenarios() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(
    All, GroupScenarioTest, testing::ValuesIn(Scenarios()),
    [](const auto& info) {
      return info.param.substr(0, info.param.find('.'));
    });

}  // namespace
}  // namespace sillok

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string flag = "--rewrite=";
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind(flag, 0) == 0) {
      sillok::rewrite_folder = new std::string(argument.substr(flag.size()));
    }
  }
  return RUN_ALL_TESTS();
}
