// Runs a program as somebody at a terminal would, and keeps what it said.
#ifndef SILLOK_TEST_CLUSTER_RUN_COMMAND_H_
#define SILLOK_TEST_CLUSTER_RUN_COMMAND_H_

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace sillok::cluster_test {

struct CommandOutcome {
  int code = -1;  // -1 = did not end by itself
  std::string out;
  std::string err;
};

inline std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// `command` is for a shell; `input` is what it reads. Paths are relative to the
// test's runfiles.
inline CommandOutcome RunCommand(const std::string& command,
                                 const std::string& input = "") {
  std::string base =
      testing::TempDir() + "/command-" + std::to_string(getpid());
  std::ofstream(base + ".in", std::ios::binary) << input;
  int status = std::system(("(" + command + ") <" + base + ".in >" + base +
                            ".out 2>" + base + ".err")
                               .c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          ReadWholeFile(base + ".out"), ReadWholeFile(base + ".err")};
}

}  // namespace sillok::cluster_test

#endif  // SILLOK_TEST_CLUSTER_RUN_COMMAND_H_
