// Runs test programs with a bug planted into what they test: they have to fail.
#ifndef SILLOK_TEST_SUPPORT_PLANTED_BUGS_RUN_PLANTED_H_
#define SILLOK_TEST_SUPPORT_PLANTED_BUGS_RUN_PLANTED_H_

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace sillok {

// The names in a list that plant_bugs.py reads.
inline std::vector<std::string> PlantedBugs(const std::string& list_path) {
  std::vector<std::string> names;
  std::ifstream list(list_path);
  for (std::string line; std::getline(list, line);) {
    std::istringstream words(line);
    std::string mark, name;
    if (words >> mark >> name && mark == "===") names.push_back(name);
  }
  return names;
}

// Runs a test program (its path in the runfiles) with `bug` planted; true when
// it says that tests failed. A crash counts too, a program that does not run
// does not.
inline bool FailsWithBug(const std::string& program, const std::string& bug) {
  const std::string command = "PLANTED_BUG=" + bug +
                              " GTEST_FAIL_FAST=1 GTEST_OUTPUT= "
                              "TEST_SHARD_STATUS_FILE= ./" +
                              program + " >/dev/null 2>&1";
  const int status = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(status)) << program;
  const int code = WEXITSTATUS(status);
  EXPECT_TRUE(code == 0 || code == 1 || code > 128) << program << " " << code;
  return code != 0;
}

// True when one of the programs does.
inline bool AnyFailsWithBug(const std::vector<std::string>& programs,
                            const std::string& bug) {
  for (const std::string& program : programs) {
    if (FailsWithBug(program, bug)) return true;
  }
  return false;
}

}  // namespace sillok

#endif  // SILLOK_TEST_SUPPORT_PLANTED_BUGS_RUN_PLANTED_H_
