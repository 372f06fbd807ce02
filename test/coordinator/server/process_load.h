// Clients of real coordinator processes, for tests that are hard on these: calls
// that are tried until their outcome is known, and writers in the background.
#ifndef SILLOK_TEST_COORDINATOR_SERVER_PROCESS_LOAD_H_
#define SILLOK_TEST_COORDINATOR_SERVER_PROCESS_LOAD_H_

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/client/blocking_session.h"
#include "gtest/gtest.h"
#include "test/coordinator/server/coordinator_process.h"

namespace sillok::coord::process_test {

// Session timeouts from 1 to 10 s.
inline const std::vector<std::string> kSettings = {"tickTime=500"};

inline std::string TestDirectory() {
  std::string name =
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::string directory = ::testing::TempDir() + "/ensemble-" + name;
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  return directory;
}

inline std::unique_ptr<BlockingSession> Connect(const std::string& servers,
                                         int64_t timeout_ms = 10'000) {
  SessionOptions options = *ParseConnectString(servers);
  options.session_timeout_ms = timeout_ms;
  auto session = BlockingSession::Connect(options, 30'000);
  EXPECT_TRUE(session.ok()) << session.status();
  return session.ok() ? *std::move(session) : nullptr;
}

// Retries what may be retried: a create whose fate was unknown is there or not.
inline v1::CoordCode CreateSurely(BlockingSession& session, const std::string& path,
                           const std::string& data) {
  for (bool unknown = false;;) {
    v1::CoordCode code = session.Create(path, data).code;
    if (code == v1::NODE_EXISTS && unknown) return v1::OK;
    if (code != v1::CONNECTION_LOSS && code != v1::OPERATION_TIMEOUT) {
      return code;
    }
    unknown = true;
  }
}

inline v1::CoordCode ExistsSurely(BlockingSession& session, const std::string& path) {
  while (true) {
    v1::CoordCode code = session.Exists(path).code;
    if (code != v1::CONNECTION_LOSS && code != v1::OPERATION_TIMEOUT) {
      return code;
    }
  }
}

// Writers that create numbered znodes and keep what was acknowledged.
class Load {
 public:
  Load(const std::string& servers, int writers) {
    for (int i = 0; i < writers; ++i) {
      threads_.emplace_back([this, servers, i] { Write(servers, i); });
    }
  }
  ~Load() { Stop(); }
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  size_t acknowledged_count() {
    std::lock_guard lock(mutex_);
    return acknowledged_.size();
  }
  std::vector<std::string> acknowledged() {
    std::lock_guard lock(mutex_);
    return acknowledged_;
  }
  void WaitForMore(size_t count) {
    size_t from = acknowledged_count();
    EXPECT_TRUE(ProcessEnsemble::Eventually(
        [&] { return acknowledged_count() >= from + count; }));
  }

 private:
  void Write(const std::string& servers, int writer) {
    auto session = Connect(servers);
    for (int n = 0; !stop_ && session != nullptr; ++n) {
      std::string path =
          "/w" + std::to_string(writer) + "-" + std::to_string(n);
      if (session->Create(path, path).code != v1::OK) continue;
      std::lock_guard lock(mutex_);
      acknowledged_.push_back(path);
    }
  }

  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::string> acknowledged_;
  std::vector<std::thread> threads_;
};

inline void ExpectAllThere(BlockingSession& session,
                    const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    GetResult got = session.Get(path);
    ASSERT_EQ(got.code, v1::OK) << path;
    ASSERT_EQ(got.data, path);
  }
}

}  // namespace sillok::coord::process_test

#endif  // SILLOK_TEST_COORDINATOR_SERVER_PROCESS_LOAD_H_
