// tools/round_trip.sh, which tools/up shows people: this repository's sources
// through a topic and back, with the `sillok` command.

#include <filesystem>
#include <string>

#include "test/cluster/cluster_fixture.h"
#include "test/cluster/run_command.h"

namespace sillok::cluster_test {
namespace {

class RoundTripTest : public ClusterTest {};

TEST_F(RoundTripTest, TheSourcesComeBackByteForByteAndInOrder) {
  StartCluster();
  // The checkout that the runfiles point to.
  std::string root =
      std::filesystem::canonical("tools/round_trip.sh").parent_path().parent_path();
  CommandOutcome outcome = RunCommand("bash tools/round_trip.sh tools/sillok " +
                                      cluster_->dir() + " " + root);
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  std::cout << outcome.out;
  EXPECT_NE(outcome.out.find("read back equal"), std::string::npos);
  // It was something worth the name.
  EXPECT_GT(std::stoi(outcome.out), 10'000);
}

TEST_F(RoundTripTest, ADifferenceIsFound) {
  StartCluster();
  std::string tree = testing::TempDir() + "/tree";
  std::filesystem::create_directories(tree);
  std::ofstream(tree + "/a.md") << "one\ntwo\nthree\n";
  // A `sillok` that loses the last record it reads.
  std::string liar = testing::TempDir() + "/liar";
  std::ofstream(liar) << "#!/bin/bash\n"
                         "if [ \"$1\" = consume ]; then\n"
                         "  tools/sillok \"$@\" | sed '$d'\n"
                         "else\n"
                         "  exec tools/sillok \"$@\"\n"
                         "fi\n";
  std::filesystem::permissions(liar, std::filesystem::perms::owner_all);
  std::string arguments = " " + cluster_->dir() + " " + tree;
  CommandOutcome honest =
      RunCommand("bash tools/round_trip.sh tools/sillok" + arguments);
  EXPECT_EQ(honest.code, 0) << honest.err;
  CommandOutcome lying =
      RunCommand("bash tools/round_trip.sh " + liar + arguments);
  EXPECT_EQ(lying.code, 1) << lying.out;
  EXPECT_NE(lying.err.find("sent 4 records, received 3"), std::string::npos)
      << lying.err;
}

}  // namespace
}  // namespace sillok::cluster_test
