// Golden scenarios: testdata/*.txt hold commands and what they printed.
//
// To accept what the core does now, and then review the difference:
//   bazel run //test/coordinator/zab:scenario_test --
//       --rewrite=$PWD/test/coordinator/zab/testdata
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/zab/scenario.h"

namespace sillok::zab {
namespace {

constexpr char kFolder[] = "test/coordinator/zab/testdata";

// Where to write instead of comparing.
std::string& RewriteFolder() {
  static std::string folder;
  return folder;
}

// A file is blocks of a command, "----", output and an empty line; lines that
// begin with # go through. Gives it back with the output of now.
std::string Replayed(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  Scenario scenario;
  std::ostringstream now;
  bool in_output = false;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) {
      if (in_output) now << "\n";
      in_output = false;
    } else if (in_output) {
      continue;
    } else if (line[0] == '#') {
      now << line << "\n";
    } else if (line == "----") {
      in_output = true;
    } else {
      now << line << "\n----\n" << scenario.Run(line);
      in_output = true;
    }
  }
  if (in_output) now << "\n";
  return now.str();
}

class ZabScenario : public testing::TestWithParam<std::string> {};

TEST_P(ZabScenario, ComesOutAsWritten) {
  const std::string path = std::string(kFolder) + "/" + GetParam();
  const std::string now = Replayed(path);
  if (!RewriteFolder().empty()) {
    std::ofstream(RewriteFolder() + "/" + GetParam()) << now;
    return;
  }
  std::ifstream file(path);
  std::ostringstream written;
  written << file.rdbuf();
  EXPECT_EQ(now, written.str());
}

std::vector<std::string> Scenarios() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(kFolder)) {
    names.push_back(file.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(
    All, ZabScenario, testing::ValuesIn(Scenarios()), [](const auto& info) {
      return info.param.substr(0, info.param.find('.'));
    });

}  // namespace
}  // namespace sillok::zab

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string flag = "--rewrite=";
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument.rfind(flag, 0) == 0) {
      sillok::zab::RewriteFolder() = argument.substr(flag.size());
    }
  }
  return RUN_ALL_TESTS();
}
