#include "coordinator/zoo_cfg.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/config.h"
#include "coordinator/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

absl::StatusOr<CoordinatorOptions> Load(const ZooCfg& cfg) {
  ConfigSources sources;
  sources.sets = cfg.sets;
  auto config = Config::Load(CoordinatorConfigSpec(), sources);
  if (!config.ok()) return config.status();
  return MakeCoordinatorOptions(*config);
}

TEST(ZooCfgTest, AFileAsZooKeepersOwnToolsWriteItIsUnderstood) {
  const std::string data = testing::TempDir() + "/zoo_cfg_data";
  std::filesystem::create_directories(data);
  std::ofstream(data + "/myid") << "2\n";
  const std::string path = Write("zoo.cfg",
                                 "# a comment\n"
                                 "tickTime=500\n"
                                 "initLimit = 4\n"
                                 "syncLimit=2\r\n"
                                 "dataDir=" + data + "\n"
                                 "clientPort=21811\n"
                                 "maxClientCnxns=0\n"
                                 "autopurge.purgeInterval=1\n"
                                 "zookeeper.skipACL=yes\n"
                                 "4lw.commands.whitelist=*\n"
                                 "admin.serverPort=0\n"
                                 "\n"
                                 "server.1=127.0.0.1:2001:2002\n"
                                 "server.2=127.0.0.1:2011:2012\n"
                                 "server.3=127.0.0.1:2021:2022:observer\n");
  auto cfg = ReadZooCfg(path);
  ASSERT_TRUE(cfg.ok()) << cfg.status();
  EXPECT_THAT(cfg->ignored, ElementsAre("autopurge.purgeInterval"));
  auto options = Load(*cfg);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->data_dir, data);
  EXPECT_EQ(options->node.peers.self, MemberId(2));
  EXPECT_EQ(options->node.peer_listen, "127.0.0.1:2011");
  EXPECT_EQ(options->node.member.zab.voters.size(), 2u);
  EXPECT_EQ(options->node.member.zab.observers,
            std::vector<MemberId>{MemberId(3)});
  EXPECT_EQ(options->node.member.tick_ms, 500);
  EXPECT_TRUE(options->node.member.prepare.skip_acl);
  ASSERT_TRUE(options->zookeeper.has_value());
  EXPECT_EQ(options->zookeeper->port, 21811);
  EXPECT_EQ(options->zookeeper->host, "");  // all, as ZooKeeper
  EXPECT_EQ(options->zookeeper->max_connections_per_ip, 0);
  EXPECT_EQ(options->words_whitelist, "*");
  EXPECT_EQ(options->node.client_listen, "127.0.0.1:0");
  EXPECT_EQ(options->http_listen, "127.0.0.1:0");
}

TEST(ZooCfgTest, MistakesAreNamed) {
  EXPECT_THAT(ReadZooCfg("/no/such/file").status().ToString(),
              HasSubstr("/no/such/file"));
  const std::string path = Write("bad.cfg", "tickTime=1\nnonsense\n");
  EXPECT_THAT(ReadZooCfg(path).status().ToString(), HasSubstr("bad.cfg:2"));
}

}  // namespace
}  // namespace sillok
