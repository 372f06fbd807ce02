// zkCli.sh, ZooKeeper's command line (the Java client).
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/compat/client_program.h"
#include "test/compat/zookeeper/zookeeper_fixture.h"

namespace sillok::compat_test {
namespace {

constexpr char kZkCli[] = "/usr/share/zookeeper/bin/zkCli.sh";

class ZkCliTest : public ZooKeeperClientTest {
 protected:
  void SetUp() override {
    const std::string missing = zk::Ensemble::DebianMissing();
    if (!missing.empty()) GTEST_SKIP() << missing;
  }

  // What each command said, from one session of the program. A command that
  // cannot succeed marks where the next one begins.
  static std::vector<std::string> Run(const std::vector<std::string>& commands,
                                      const std::string& servers) {
    std::string input;
    for (size_t i = 0; i < commands.size(); ++i) {
      input += commands[i] + "\nget /end-of-" + std::to_string(i) + "\n";
    }
    static int run = 0;
    ProgramOutcome outcome = RunProgram(
        "zkcli-" + std::to_string(++run),
        std::string("exec env CLIENT_JVMFLAGS='-Xmx256m "
                    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error' ") +
            kZkCli + " -waitforconnection -server " + servers + " 2>&1",
        input + "quit\n");
    std::vector<std::string> said;
    size_t from = 0;
    for (size_t i = 0; i < commands.size(); ++i) {
      const std::string mark =
          "Node does not exist: /end-of-" + std::to_string(i);
      const size_t end = outcome.out.find(mark, from);
      if (end == std::string::npos) {
        ADD_FAILURE() << "'" << commands[i] << "' did not end:\n"
                      << outcome.out;
        said.resize(commands.size());
        return said;
      }
      said.push_back(outcome.out.substr(from, end - from));
      from = end + mark.size();
    }
    return said;
  }
  static std::vector<std::string> Run(const std::vector<std::string>& commands) {
    return Run(commands, ensemble().servers());
  }
};

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

#define EXPECT_SAYS(text, part) EXPECT_TRUE(Has(text, part)) << text

TEST_F(ZkCliTest, NodesAreCreatedReadWrittenAndDeleted) {
  auto said = Run({"create /cli first", "create /cli second", "get -s /cli",
                   "set -v 0 /cli third", "set -v 0 /cli fourth", "get /cli",
                   "set -s /cli fifth", "stat /cli", "ls /", "create /cli/sub",
                   "ls -s /cli", "ls -R /cli", "delete /cli",
                   "delete -v 9 /cli/sub", "delete /cli/sub", "deleteall /cli",
                   "stat /cli"});
  EXPECT_SAYS(said[0], "Created /cli");
  EXPECT_SAYS(said[1], "Node already exists: /cli");
  EXPECT_SAYS(said[2], "first\n");
  EXPECT_SAYS(said[2], "dataVersion = 0");
  EXPECT_SAYS(said[2], "ephemeralOwner = 0x0");
  EXPECT_SAYS(said[4], "version No is not valid : /cli");
  EXPECT_SAYS(said[5], "third\n");
  EXPECT_SAYS(said[6], "dataVersion = 2");
  EXPECT_SAYS(said[7], "dataLength = 5");
  EXPECT_SAYS(said[8], "cli");
  EXPECT_SAYS(said[8], "zookeeper");
  EXPECT_SAYS(said[9], "Created /cli/sub");
  EXPECT_SAYS(said[10], "[sub]");
  EXPECT_SAYS(said[10], "numChildren = 1");
  EXPECT_SAYS(said[11], "/cli\n/cli/sub\n");
  EXPECT_SAYS(said[12], "Node not empty: /cli");
  EXPECT_SAYS(said[13], "version No is not valid : /cli/sub");
  EXPECT_SAYS(said[16], "Node does not exist: /cli");
}

TEST_F(ZkCliTest, EveryKindOfNodeCanBeCreated) {
  auto said = Run({"create /kinds", "create -s /kinds/s- x",
                   "create -s /kinds/s- x", "create -e /kinds/e x",
                   "create -s -e /kinds/se- x", "create -c /kinds/c",
                   "create -t 60000 /kinds/t x", "stat /kinds/e",
                   "getEphemerals /kinds", "getAllChildrenNumber /kinds",
                   "create /kinds/e/child"});
  EXPECT_SAYS(said[1], "Created /kinds/s-0000000000");
  EXPECT_SAYS(said[2], "Created /kinds/s-0000000001");
  EXPECT_SAYS(said[3], "Created /kinds/e");
  EXPECT_SAYS(said[4], "Created /kinds/se-0000000003");
  EXPECT_SAYS(said[5], "Created /kinds/c");
  EXPECT_SAYS(said[6], "Created /kinds/t");
  EXPECT_FALSE(Has(said[7], "ephemeralOwner = 0x0")) << said[7];
  EXPECT_SAYS(said[8], "/kinds/e");
  EXPECT_SAYS(said[8], "/kinds/se-0000000003");
  EXPECT_SAYS(said[9], "6");
  EXPECT_SAYS(said[10], "Ephemerals cannot have children: /kinds/e/child");
  // The session has ended, and the ephemerals with it.
  said = Run({"ls /kinds"});
  EXPECT_SAYS(said[0], "[c, s-0000000000, s-0000000001, t]");
}

TEST_F(ZkCliTest, WatchesAreTold) {
  auto said = Run({"create /w", "get -w /w", "set /w x", "addWatch -m PERSISTENT /w",
                   "set /w y", "create /w/a", "set /w z",
                   "removewatches /w", "set /w again",
                   "addWatch -m PERSISTENT_RECURSIVE /w", "create /w/a/b"});
  EXPECT_SAYS(said[2], "WatchedEvent state:SyncConnected type:NodeDataChanged "
                       "path:/w");
  EXPECT_SAYS(said[4], "type:NodeDataChanged path:/w");
  EXPECT_SAYS(said[5], "type:NodeChildrenChanged path:/w");
  EXPECT_SAYS(said[6], "type:NodeDataChanged path:/w");
  EXPECT_SAYS(said[7], "type:PersistentWatchRemoved path:/w");
  EXPECT_FALSE(Has(said[8], "NodeDataChanged")) << said[8];
  EXPECT_SAYS(said[10], "type:NodeCreated path:/w/a/b");
}

TEST_F(ZkCliTest, RightsAreThoseOfTheAcl) {
  auto said =
      Run({"create /acl x", "getAcl /acl", "addauth digest ann:secret",
           "setAcl -s /acl auth:ann:secret:cdrwa", "getAcl -s /acl", "get /acl",
           "whoami"});
  EXPECT_SAYS(said[1], "'world,'anyone\n: cdrwa");
  EXPECT_SAYS(said[3], "aclVersion = 1");
  EXPECT_SAYS(said[4], "'digest,'ann:7RJfAeIvrl4zdj6sS2fXrQHDvHM=\n: cdrwa");
  EXPECT_SAYS(said[5], "x\n");
  EXPECT_SAYS(said[6], "digest: ann");
  EXPECT_SAYS(said[6], "ip: 127.0.0.1");
  said = Run({"get /acl", "setAcl /acl world:anyone:r", "create /acl/b",
              "addauth digest ann:secret", "setAcl /acl world:anyone:r",
              "set /acl y", "setAcl /acl nonsense:x:r"});
  EXPECT_SAYS(said[0], "Insufficient permission : /acl");
  EXPECT_SAYS(said[1], "Insufficient permission : /acl");
  EXPECT_SAYS(said[2], "Insufficient permission : /acl/b");
  EXPECT_FALSE(Has(said[4], "nsufficient")) << said[4];
  EXPECT_SAYS(said[5], "Insufficient permission : /acl");
}

TEST_F(ZkCliTest, SyncQuotasAndTheConfigurationAreThere) {
  auto said = Run({"create /q", "sync /q", "setquota -n 10 /q",
                   "setquota -b 100 /q", "create /q/a 12345", "listquota /q",
                   "delquota /q", "config", "get /zookeeper/config",
                   "ls /zookeeper", "version"});
  EXPECT_SAYS(said[1], "Sync is OK");
  EXPECT_SAYS(said[5], "Output quota for /q ");
  EXPECT_SAYS(said[5], "count=10");
  EXPECT_SAYS(said[5], "bytes=100");
  EXPECT_SAYS(said[5], "Output stat for /q count=2,bytes=5");
  EXPECT_SAYS(said[7], ":participant");
  EXPECT_SAYS(said[7], "\nversion=");
  EXPECT_SAYS(said[8], "server.1=");
  EXPECT_SAYS(said[9], "[config, quota]");
  EXPECT_SAYS(said[10], "ZooKeeper CLI version: 3.8");
}

TEST_F(ZkCliTest, MembersAreAddedAndRemoved) {
  const std::string line = "server.9=127.0.0.1:1:2:observer;127.0.0.1:3";
  auto said = Run({"reconfig -add " + line, "addauth digest super:test",
                   "reconfig -add nonsense", "reconfig -v ff -add " + line,
                   "config", "reconfig -add " + line, "config",
                   "stat /zookeeper/config", "reconfig -remove 9",
                   "get /zookeeper/config", "reconfig -remove 1,2,3"});
  EXPECT_SAYS(said[0], "nsufficient permission");
  EXPECT_SAYS(said[2], "Arguments are not valid");
  EXPECT_SAYS(said[3], "version No is not valid");
  EXPECT_FALSE(Has(said[4], "server.9=")) << said[4];
  EXPECT_SAYS(said[5], "Committed new configuration:");
  EXPECT_SAYS(said[5], line + "\n");
  EXPECT_SAYS(said[5], "\nversion=");
  EXPECT_SAYS(said[6], line + "\n");
  EXPECT_SAYS(said[7], "dataVersion = -1");
  EXPECT_SAYS(said[8], "Committed new configuration:");
  EXPECT_FALSE(Has(said[8], line)) << said[8];
  EXPECT_FALSE(Has(said[9], line)) << said[9];
  EXPECT_SAYS(said[10], "Arguments are not valid");
}

TEST_F(ZkCliTest, ASessionGoesOnWhenTheLeaderDies) {
  ClientProgram program(
      "zkcli-kill",
      std::string("exec env CLIENT_JVMFLAGS='-Xmx256m "
                  "-Dorg.slf4j.simpleLogger.defaultLogLevel=error' ") +
          kZkCli + " -timeout 20000 -waitforconnection -server " +
          ensemble().servers() + " 2>&1");
  auto says = [&](const std::string& text) {
    return zk::Ensemble::Eventually([&] { return Has(program.Tail(), text); });
  };
  program.Write("create -e /cli-e before\ncreate /cli-k x\n");
  ASSERT_TRUE(says("Created /cli-k")) << program.Tail();
  ensemble().Kill(ensemble().WaitForLeader());
  // Commands that meet the gap fail with ConnectionLoss; the session stays.
  int attempt = 0;
  ASSERT_TRUE(zk::Ensemble::Eventually([&] {
    const std::string number = std::to_string(++attempt);
    program.Write("set /cli-k try-" + number + "\nget /cli-k\nget /done-" +
                  number + "\n");
    says("/done-" + number + "\n");
    return Has(program.Tail(), "\ntry-" + number + "\n");
  })) << program.Tail();
  program.Write("get /cli-e\nquit\n");
  program.CloseInput();
  EXPECT_EQ(program.Wait(60), std::optional<int>(0)) << program.Tail();
  EXPECT_TRUE(Has(program.Tail(), "\nbefore\n")) << program.Tail();
}

}  // namespace
}  // namespace sillok::compat_test
