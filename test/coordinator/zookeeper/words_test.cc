#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "coordinator/zookeeper/admin_commands.h"
#include "coordinator/zookeeper/four_letter_words.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace sillok::coord {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class FakeSource final : public MonitorSource {
 public:
  FakeSource() {
    constant.version = "3.9.0-sillok-1.0";
    constant.member_id = 2;
    constant.config = {{"clientPort", "2181"}, {"tickTime", "2000"}};
    facts.members = 4;
    facts.voters = 3;
    facts.serving = true;
    facts.zxid = 0x1a;
    facts.znodes = 7;
    facts.connections = 1;
    facts.traffic.received = 5;
    facts.traffic.sent = 6;
    facts.traffic.Answered(1);
    facts.traffic.Answered(2);
  }
  const MonitorConstants& constants() const override { return constant; }
  MonitorFacts Facts() const override { return facts; }
  std::vector<std::string> Ensemble() const override {
    return {"server.1=a:1:2:participant", "version=0"};
  }
  std::vector<ConnectionFacts> Connections() const override {
    ConnectionFacts connection;
    connection.peer = "127.0.0.1:4000";
    connection.since_unix_ms = 1'700'000'000'000;
    connection.stream.session = SessionId(0x11);
    connection.stream.timeout_ms = 4'000;
    connection.stream.last_operation = "GETD";
    connection.stream.last_request_id = 3;
    connection.stream.traffic.received = 2;
    return {connection};
  }
  std::vector<SessionFacts> Sessions() const override {
    return {{SessionId(0x11), 4'000, {"/a", "/b"}},
            {SessionId(0x12), 6'000, {}}};
  }
  WatchCounts CountWatches() const override { return {1, 2, 3}; }
  std::map<std::string, std::set<SessionId>> WatchesByPath() const override {
    return {{"/a", {SessionId(0x11), SessionId(0x12)}}};
  }
  std::map<SessionId, std::set<std::string>> WatchesBySession()
      const override {
    return {{SessionId(0x11), {"/a", "/b"}}};
  }
  void ResetTraffic() override { facts.traffic = {}; }
  void ResetConnectionTraffic() override { ++resets; }
  int64_t DataDirectoryBytes() const override { return 1234; }
  std::pair<int64_t, int64_t> Descriptors() const override { return {10, 99}; }
  std::vector<std::pair<std::string, std::string>> Environment()
      const override {
    return {{"host.name", "h"}};
  }

  MonitorConstants constant;
  MonitorFacts facts;
  int resets = 0;
};

class WordsTest : public testing::Test {
 protected:
  std::string Say(const std::string& word) {
    return words_.Answer(word, "").value_or("none");
  }
  FakeSource source_;
  FourLetterWords words_{ParseWhitelist("*"), &source_};
};

TEST_F(WordsTest, SrvrIsLaidOutAsZooKeepers) {
  EXPECT_EQ(Say("srvr"),
            "Zookeeper version: 3.9.0-sillok-1.0\n"
            "Latency min/avg/max: 1/1.5000/2\n"
            "Received: 5\nSent: 6\nConnections: 1\nOutstanding: 0\n"
            "Zxid: 0x1a\nMode: follower\nNode count: 7\n");
}

TEST_F(WordsTest, StatAndConsListTheConnections) {
  EXPECT_THAT(Say("stat"),
              HasSubstr("\nClients:\n /127.0.0.1:4000[1](queued=0,recved=2,"
                        "sent=0)\n\nLatency"));
  EXPECT_THAT(Say("cons"),
              HasSubstr("sent=0,sid=0x11,lop=GETD,est=1700000000000,to=4000,"
                        "lcxid=0x3,"));
}

// What monitoring agents do with mntr: a key, a tab, a value.
TEST_F(WordsTest, MntrIsKeysTabsAndValues) {
  for (bool leading : {false, true}) {
    source_.facts.leading = leading;
    source_.facts.synced_voters = 3;
    std::map<std::string, std::string> values;
    std::istringstream lines(Say("mntr"));
    const std::regex shape("(zk_[a-z_]+)\t(\\S.*)");
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      ASSERT_TRUE(std::regex_match(line, match, shape)) << line;
      values[match[1]] = match[2];
    }
    EXPECT_EQ(values["zk_server_state"], leading ? "leader" : "follower");
    EXPECT_EQ(values["zk_znode_count"], "7");
    EXPECT_EQ(values["zk_open_file_descriptor_count"], "10");
    EXPECT_EQ(values.count("zk_synced_followers"), leading ? 1u : 0u);
    if (leading) {
      EXPECT_EQ(values["zk_synced_followers"], "2");
    }
  }
}

TEST_F(WordsTest, DumpAndWatchesNameTheirSessions) {
  EXPECT_THAT(Say("dump"), HasSubstr("Sessions with Ephemerals (1):\n"
                                     "0x11:\n\t/a\n\t/b\n"));
  EXPECT_EQ(Say("wchs"),
            "1 connections watching 2 paths\nTotal watches:3\n");
  EXPECT_EQ(Say("wchc"), "0x11\n\t/a\n\t/b\n");
  EXPECT_EQ(Say("wchp"), "/a\n\t0x11\n\t0x12\n");
}

TEST_F(WordsTest, TheRest) {
  EXPECT_EQ(Say("ruok"), "imok");
  EXPECT_EQ(Say("isro"), "rw");
  EXPECT_EQ(Say("conf"),
            "clientPort=2181\ntickTime=2000\npeerType=0\nmembership: \n"
            "server.1=a:1:2:participant\nversion=0\n");
  EXPECT_THAT(Say("envi"), HasSubstr("zookeeper.version=3.9.0-sillok-1.0\n"));
  EXPECT_EQ(Say("dirs"), "datadir_size: 1234\nlogdir_size: 0\n");
  EXPECT_EQ(Say("gtmk"), "306");
  EXPECT_EQ(words_.Answer("stmk", std::string("\0\0\0\0\0\0\1\2", 8)), "258");
  EXPECT_EQ(Say("gtmk"), "258");
  Say("crst");
  EXPECT_EQ(source_.resets, 1);
  Say("srst");
  EXPECT_EQ(source_.facts.traffic.received, 0u);
}

TEST_F(WordsTest, AMemberThatDoesNotServeSaysSo) {
  source_.facts.serving = false;
  EXPECT_EQ(Say("ruok"), "imok");
  EXPECT_EQ(Say("isro"), "null");
  for (const char* word : {"srvr", "stat", "mntr", "cons", "dump", "wchs"}) {
    EXPECT_EQ(Say(word),
              "This ZooKeeper instance is not currently serving requests\n");
  }
}

TEST_F(WordsTest, AReadOnlyMemberSaysSo) {
  source_.facts.read_only = true;
  EXPECT_EQ(Say("isro"), "ro");
  EXPECT_THAT(Say("srvr"), HasSubstr("\nMode: read-only\n"));
}

TEST_F(WordsTest, OnlyWordsOfTheListAreAnswered) {
  FourLetterWords few(ParseWhitelist("srvr, ruok,nope"), &source_);
  EXPECT_EQ(few.Answer("ruok", ""), "imok");
  EXPECT_EQ(few.Answer("mntr", ""),
            "mntr is not executed because it is not in the whitelist.\n");
  EXPECT_EQ(few.Answer("nope", ""), std::nullopt);
  EXPECT_EQ(words_.Answer("abcd", ""), std::nullopt);
}

TEST_F(WordsTest, EveryAdminCommandIsADocumentOfItsName) {
  for (const auto& [name, alias] : AdminCommandNames()) {
    for (const std::string& word : {name, alias}) {
      if (word.empty()) continue;
      auto json = nlohmann::json::parse(RunAdminCommand(word, &source_));
      EXPECT_EQ(json["command"], name);
      EXPECT_TRUE(json["error"].is_null()) << word;
    }
  }
  EXPECT_THAT(ListAdminCommands(), HasSubstr("\"monitor\""));
}

TEST_F(WordsTest, AdminCommandsHaveZooKeepersFields) {
  auto json = [&](const std::string& name) {
    return nlohmann::json::parse(RunAdminCommand(name, &source_));
  };
  EXPECT_EQ(json("mntr")["znode_count"], 7);
  EXPECT_EQ(json("stats")["server_stats"]["packets_received"], 5);
  EXPECT_EQ(json("connections")["connections"][0]["session_id"], 0x11);
  EXPECT_EQ(json("dump")["session_id_to_ephemeral_paths"]["17"],
            nlohmann::json({"/a", "/b"}));
  EXPECT_EQ(json("wchp")["path_to_session_ids"]["/a"],
            nlohmann::json({0x11, 0x12}));
  EXPECT_EQ(json("conf")["tickTime"], "2000");
}

TEST_F(WordsTest, AdminCommandsSayWhatIsWrong) {
  source_.facts.serving = false;
  EXPECT_THAT(RunAdminCommand("mntr", &source_),
              HasSubstr("not currently serving"));
  EXPECT_THAT(RunAdminCommand("ruok", &source_),
              Not(HasSubstr("not currently")));
  EXPECT_THAT(RunAdminCommand("ruok", nullptr), HasSubstr("stops"));
}

}  // namespace
}  // namespace sillok::coord
