// kafkajs, taken from npm as package-lock.json says.

#include <filesystem>
#include <string>

#include "test/compat/compat_cluster.h"

namespace sillok::compat_test {
namespace {

class KafkajsTest : public ProgramTest {
 protected:
  // The package with what it depends on, in the temporary folder.
  static void SetUpTestSuite() {
    CompatTest::SetUpTestSuite();
    std::string folder = TempPath("kafkajs");
    std::filesystem::create_directories(folder);
    for (const char* file : {"package.json", "package-lock.json", "client.js"}) {
      std::filesystem::copy_file(
          std::string("test/compat/kafkajs/") + file, folder + "/" + file,
          std::filesystem::copy_options::overwrite_existing);
    }
    ProgramOutcome installed = RunProgram(
        "npm-ci",
        "cd " + folder + " && HOME=" + folder +
            " npm ci --no-audit --no-fund --no-update-notifier");
    ASSERT_EQ(installed.code, std::optional<int>(0))
        << "npm ci (nodejs with npm, and a way to its registry, are needed):\n"
        << installed.out << installed.err;
  }
  static std::string Program() { return "node " + TempPath("kafkajs/client.js"); }
};

TEST_F(KafkajsTest, DoesAllItCan) {
  ProgramOutcome outcome = RunProgram(
      "kafkajs-checks", Program() + " checks " + Bootstrap(), "", 240);
  EXPECT_EQ(outcome.code, std::optional<int>(0)) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find(" checks, 0 failed"), std::string::npos)
      << outcome.out << outcome.err;
}

TEST_F(KafkajsTest, LosesAndDoublesNothingWhenABrokerDies) {
  ProduceAndFollowThroughAKill(Program(), "kafkajs-kill",
                               {.once_and_in_order = true});
}

}  // namespace
}  // namespace sillok::compat_test
