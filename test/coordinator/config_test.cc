#include "coordinator/config.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<CoordinatorOptions> Load(std::vector<std::string> sets) {
  ConfigSources sources;
  sources.sets = std::move(sets);
  absl::StatusOr<Config> config =
      Config::Load(CoordinatorConfigSpec(), sources);
  if (!config.ok()) return config.status();
  return MakeCoordinatorOptions(*config);
}

TEST(ParseServerTest, UnderstandsOurFormAndZooKeepers) {
  struct Case {
    std::string text, peer, client;
  };
  for (const Case& c : std::vector<Case>{
           {"h1:2888", "h1:2888", ""},
           {"h1:2888;2180", "h1:2888", "h1:2180"},
           {"h1:2888:3888", "h1:2888", ""},
           {"h1:2888:3888:participant;2181", "h1:2888", "h1:2181"},
           {"h1:2888;0.0.0.0:2181", "h1:2888", "h1:2181"},
           {"h1:2888;h2:2181", "h1:2888", "h2:2181"},
           {"[::1]:2888;2180", "[::1]:2888", "[::1]:2180"}}) {
    auto server = ParseServer(c.text);
    ASSERT_TRUE(server.ok()) << c.text;
    EXPECT_EQ(server->peer, c.peer) << c.text;
    EXPECT_EQ(server->client, c.client) << c.text;
  }
}

TEST(ParseServerTest, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "h1", "h1:", ":2888", "h1:x", "h1:70000",
                           "h1:2888;", "h1:2888;x", "h1:2888;a:b:1"}) {
    EXPECT_FALSE(ParseServer(text).ok()) << text;
  }
}

TEST(CoordinatorConfigTest, WithoutServersItIsAnEnsembleOfOne) {
  auto options = Load({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->node.peers.self, MemberId(1));
  EXPECT_EQ(options->node.member.zab.voters,
            std::vector<MemberId>{MemberId(1)});
  EXPECT_TRUE(options->node.peers.addresses.empty());
}

TEST(CoordinatorConfigTest, SessionTimeoutsDefaultToTwoAndTwentyTicks) {
  auto options = Load({"tickTime=500"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->node.member.min_session_timeout_ms, 1'000);
  EXPECT_EQ(options->node.member.max_session_timeout_ms, 10'000);
  EXPECT_THAT(Load({"minSessionTimeout=9000", "maxSessionTimeout=8000"})
                  .status()
                  .ToString(),
              HasSubstr("minSessionTimeout (9000)"));
}

TEST(CoordinatorConfigTest, TheIdComesFromTheKeyOrTheFile) {
  std::string directory = ::testing::TempDir() + "/config-test";
  std::filesystem::create_directories(directory);
  std::filesystem::remove(directory + "/myid");
  std::vector<std::string> sets = {"dataDir=" + directory,
                                   "server.1=a:1;11", "server.2=b:2;12"};
  EXPECT_THAT(Load(sets).status().ToString(), HasSubstr("/myid"));
  std::ofstream(directory + "/myid") << "2\n";
  auto options = Load(sets);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->node.peers.self, MemberId(2));
  EXPECT_EQ(options->node.peer_listen, "b:2");
  EXPECT_EQ(options->node.peers.addresses.at(MemberId(1)), "a:1");
  EXPECT_EQ(options->node.client_addresses.at(MemberId(1)), "a:11");
  sets.push_back("myid=3");
  EXPECT_THAT(Load(sets).status().ToString(),
              HasSubstr("there is no server.3"));
}

TEST(CoordinatorConfigTest, SilenceIsNeverLongerThanSyncLimit) {
  auto options = Load({"tickTime=100", "syncLimit=2", "peer.silence.ms=5000",
                       "peer.heartbeat.ms=20"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->node.member.zab.silence_ticks, 10);
}

TEST(CoordinatorConfigTest, ABadServerLineIsNamed) {
  EXPECT_THAT(Load({"server.1=nonsense"}).status().ToString(),
              HasSubstr("server.1"));
  EXPECT_THAT(Load({"server.900=a:1"}).status().ToString(),
              HasSubstr("server.900"));
}

}  // namespace
}  // namespace sillok
