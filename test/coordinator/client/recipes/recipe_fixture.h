// Three real members for all tests of a program, sessions with them, directly
// and through networks that fail.
#ifndef SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_RECIPE_FIXTURE_H_
#define SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_RECIPE_FIXTURE_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/client/blocking_session.h"
#include "gtest/gtest.h"
#include "test/coordinator/client/recipes/recipe_process.h"
#include "test/coordinator/client/recipes/tcp_proxy.h"
#include "test/coordinator/server/coordinator_process.h"

namespace sillok::coord {

// One proxy for each member.
class Network {
 public:
  explicit Network(const ProcessEnsemble& ensemble) {
    for (int id = 1; id <= 3; ++id) {
      proxies_.push_back(std::make_unique<TcpProxy>(ensemble.server(id)));
    }
  }
  std::string servers() const {
    std::string all;
    for (const auto& proxy : proxies_) {
      all += (all.empty() ? "" : ",") + proxy->address();
    }
    return all;
  }
  void Cut() { Each(&TcpProxy::Cut); }
  void HoldAnswers() { Each(&TcpProxy::HoldAnswers); }
  void Heal() { Each(&TcpProxy::Heal); }
  void BreakConnections() { Each(&TcpProxy::BreakConnections); }

 private:
  void Each(void (TcpProxy::*what)()) {
    for (const auto& proxy : proxies_) (proxy.get()->*what)();
  }
  std::vector<std::unique_ptr<TcpProxy>> proxies_;
};

class RecipeTest : public ::testing::Test {
 protected:
  // Of sessions whose end a test waits for; the least the members allow is 1 s.
  static constexpr int64_t kShort = 1'500;

  static void SetUpTestSuite() {
    std::string directory = ::testing::TempDir() + "/recipes";
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    ensemble_ = std::make_unique<ProcessEnsemble>(
        directory, 3, std::vector<std::string>{"tickTime=500"});
  }
  static void TearDownTestSuite() { ensemble_ = nullptr; }

  void SetUp() override {
    root_ = std::string("/") +
            ::testing::UnitTest::GetInstance()->current_test_info()->name();
    observer_ = Connect();
    ASSERT_NE(observer_, nullptr);
  }

  static std::unique_ptr<BlockingSession> Connect(
      const std::string& servers = ensemble_->servers(),
      int64_t timeout_ms = 10'000) {
    SessionOptions options = *ParseConnectString(servers);
    options.session_timeout_ms = timeout_ms;
    auto session = BlockingSession::Connect(options, 30'000);
    EXPECT_TRUE(session.ok()) << session.status();
    return session.ok() ? *std::move(session) : nullptr;
  }
  static std::unique_ptr<RecipeProcess> StartProcess(int64_t timeout_ms = kShort) {
    auto process =
        std::make_unique<RecipeProcess>(ensemble_->servers(), timeout_ms);
    EXPECT_EQ(process->ReadLine(), "ready");
    return process;
  }
  static bool Eventually(const std::function<bool()>& done) {
    return ProcessEnsemble::Eventually(done);
  }
  // As of now, whichever member wrote last.
  size_t CountChildren(const std::string& path) {
    observer_->Sync();
    return observer_->GetChildren(path).children.size();
  }
  // "acquired 17" -> 17
  static uint64_t TokenOf(const std::string& line) {
    size_t space = line.find(' ');
    return space == std::string::npos ? 0 : std::stoull(line.substr(space));
  }

  static std::unique_ptr<ProcessEnsemble> ensemble_;
  std::string root_;  // a path for this test
  std::unique_ptr<BlockingSession> observer_;
};

inline std::unique_ptr<ProcessEnsemble> RecipeTest::ensemble_;

}  // namespace sillok::coord

#endif  // SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_RECIPE_FIXTURE_H_
