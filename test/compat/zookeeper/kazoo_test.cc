// python3-kazoo against three members: every recipe, and recipes at work while
// members are killed.

#include <string>

#include "gtest/gtest.h"
#include "test/compat/client_program.h"
#include "test/compat/zookeeper/zookeeper_fixture.h"

namespace sillok::compat_test {
namespace {

// Debian's, which has the client; another one may be first in PATH.
constexpr char kProgram[] =
    "exec env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "
    "test/compat/zookeeper/kazoo_recipes.py ";

class KazooTest : public ZooKeeperClientTest {};

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) {
    ++count;
  }
  return count;
}

TEST_F(KazooTest, AllCallsAndRecipesWork) {
  ProgramOutcome outcome =
      RunProgram("kazoo-checks",
                 kProgram + ("checks " + ensemble().servers()), "", 240);
  EXPECT_EQ(outcome.code, std::optional<int>(0)) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find(" checks, 0 failed"), std::string::npos)
      << outcome.out << outcome.err;
}

TEST_F(KazooTest, RecipesGoOnWhenMembersDie) {
  ClientProgram program("kazoo-kill",
                        kProgram + ("kill " + ensemble().servers()));
  auto says = [&](const std::string& text, size_t times) {
    return zk::Ensemble::Eventually(
        [&] { return Count(program.Tail(), text) >= times; });
  };
  ASSERT_TRUE(says("at work\n", 1)) << program.Tail();
  for (size_t round = 1; round <= 4; ++round) {
    const int leader = ensemble().WaitForLeader();
    // The leader and, every other time, another one.
    const int victim = round % 2 == 1 ? leader : 1 + leader % 3;
    ensemble().Kill(victim);
    program.Write("killed\n");
    ASSERT_TRUE(says("went on\n", round)) << program.Tail();
    ensemble().Start(victim);
  }
  program.CloseInput();
  EXPECT_EQ(program.Wait(120), std::optional<int>(0)) << program.Tail();
  EXPECT_NE(program.Tail().find(" increments, "), std::string::npos)
      << program.Tail();
}

}  // namespace
}  // namespace sillok::compat_test
