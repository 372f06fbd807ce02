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

TEST(CoordinatorConfigTest, WithoutServersItIsAnEnsembleOfOne) {
  auto options = Load({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->node.peers.self, MemberId(1));
  EXPECT_EQ(options->node.member.zab.voters,
            std::vector<MemberId>{MemberId(1)});
  EXPECT_TRUE(options->node.peers.addresses.empty());
  // Others could not find it.
  EXPECT_TRUE(options->node.member.ensemble.empty());
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
  ASSERT_EQ(options->node.member.ensemble.size(), 2u);
  EXPECT_EQ(options->node.member.ensemble[0].client_address(), "a:11");
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

TEST(CoordinatorConfigTest, ASilentLeaderIsSuspectedWithinHalfASecond) {
  auto options = Load({});
  ASSERT_TRUE(options.ok());
  const int ticks = options->node.member.zab.silence_ticks;
  // Followers add up to a quarter.
  EXPECT_LE((ticks + ticks / 4) * options->node.zab_tick_ms, 500);
}

TEST(CoordinatorConfigTest, ObserversDoNotVote) {
  auto options = Load({"myid=3", "server.1=a:1", "server.2=b:2",
                       "server.3=c:3:observer"});
  ASSERT_TRUE(options.ok()) << options.status();
  const zab::Options& zab = options->node.member.zab;
  EXPECT_EQ(zab.voters, (std::vector<MemberId>{MemberId(1), MemberId(2)}));
  EXPECT_EQ(zab.observers, std::vector<MemberId>{MemberId(3)});
  EXPECT_TRUE(zab.observes());
  EXPECT_FALSE(Load({"myid=1", "server.1=a:1:observer"}).ok());
}

TEST(CoordinatorConfigTest, MembersMayBeChangedUnlessTheKeySaysNo) {
  EXPECT_TRUE(Load({})->node.member.prepare.reconfig_enabled);
  EXPECT_FALSE(Load({"reconfigEnabled=false"})
                   ->node.member.prepare.reconfig_enabled);
}

TEST(CoordinatorConfigTest, ZooKeepersPortIsWhereTheKeyOrTheServerLineSays) {
  auto standard = Load({});
  ASSERT_TRUE(standard.ok() && standard->zookeeper.has_value());
  EXPECT_EQ(standard->zookeeper->host, "127.0.0.1");
  EXPECT_EQ(standard->zookeeper->port, 2181);
  auto line = Load({"myid=1", "server.1=h1:2888:3888;h2:21811"});
  ASSERT_TRUE(line.ok() && line->zookeeper.has_value());
  EXPECT_EQ(line->zookeeper->host, "h2");
  EXPECT_EQ(line->zookeeper->port, 21811);
  auto both = Load({"myid=1", "server.1=h1:2888:3888;21811", "clientPort=0",
                    "clientPortAddress=*"});
  ASSERT_TRUE(both.ok() && both->zookeeper.has_value());
  EXPECT_EQ(both->zookeeper->host, "");
  EXPECT_EQ(both->zookeeper->port, 0);
  EXPECT_FALSE(Load({"clientPort=-1"})->zookeeper.has_value());
}

TEST(CoordinatorConfigTest, ZooKeepersKeysGetWhereTheyCount) {
  auto options = Load({"maxClientCnxns=7", "jute.maxbuffer=4096",
                       "enforceQuota=true", "extendedTypesEnabled=false",
                       "skipACL=true",
                       "DigestAuthenticationProvider.superDigest=super:x",
                       "znode.container.checkIntervalMs=100"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->zookeeper->max_connections_per_ip, 7);
  EXPECT_EQ(options->zookeeper->max_frame_bytes, 4096);
  const coord::MemberOptions& member = options->node.member;
  EXPECT_EQ(member.prepare.max_data_bytes, 4096);
  EXPECT_TRUE(member.prepare.enforce_quota);
  EXPECT_FALSE(member.prepare.ttl_enabled);
  EXPECT_TRUE(member.prepare.skip_acl);
  EXPECT_EQ(member.super_digest, "super:x");
  EXPECT_EQ(member.reaper.check_interval_ms, 100);
}

TEST(CoordinatorConfigTest, ABadServerLineIsNamed) {
  EXPECT_THAT(Load({"server.1=nonsense"}).status().ToString(),
              HasSubstr("server.1"));
  EXPECT_THAT(Load({"server.900=a:1"}).status().ToString(),
              HasSubstr("server.900"));
}

}  // namespace
}  // namespace sillok
