// The Python program of client/examples/python, run as its README says.

#include <filesystem>
#include <string>

#include "test/cluster/cluster_fixture.h"
#include "test/cluster/run_command.h"

namespace sillok::cluster_test {
namespace {

// Debian's, which has the gRPC packages; another one may be first in PATH.
constexpr char kPython[] = "/usr/bin/python3";

class PythonExampleTest : public ClusterTest {};

TEST_F(PythonExampleTest, TheExampleSendsThreeRecordsAndReadsThemBack) {
  StartCluster();
  std::string stubs = testing::TempDir() + "/stubs";
  std::filesystem::create_directories(stubs);
  CommandOutcome made = RunCommand(
      std::string(kPython) + " -m grpc_tools.protoc -I. --python_out=" + stubs +
      " --grpc_python_out=" + stubs + " proto/*.proto");
  ASSERT_EQ(made.code, 0) << made.err;

  auto run = [&](const tools::DevNode& broker) {
    return RunCommand("PYTHONPATH=" + stubs + " " + kPython +
                      " client/examples/python/produce_consume.py " +
                      broker.grpc_address());
  };
  CommandOutcome first = run(Node("broker-1"));
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.out, "0 k hello 0\n1 k hello 1\n2 k hello 2\n");
  // The topic is there now, and any broker will do to begin with.
  CommandOutcome second = run(Node("broker-2"));
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(second.out, "3 k hello 0\n4 k hello 1\n5 k hello 2\n");

  std::vector<std::pair<std::string, std::string>> records =
      ReadAll("python-example");
  ASSERT_EQ(records.size(), 6u);
  EXPECT_EQ(records[5].first, "k");
  EXPECT_EQ(records[5].second, "hello 2");
}

}  // namespace
}  // namespace sillok::cluster_test
