// Load for a coordinator ensemble: serial or pipelined writes or reads over a
// number of sessions. Prints one line of JSON.
//
//   coord_bench --servers=h:p,h:p --op=set|create|get --sessions=1 --window=1
//               --count=20000 --bytes=100
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/process.h"
#include "base/rpc/socket_tuning.h"
#include "base/strand.h"
#include "base/timer.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/session.h"

#include <chrono>

namespace sillok::coord {
namespace {

int64_t NowUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Plan {
  std::string op = "set";
  int window = 1;
  int64_t count = 20'000;
  std::string data;
};

// One session with a window of calls under way.
class Worker {
 public:
  Worker(SessionOptions options, const Plan& plan, int number, Executor* executor,
         Timer* timer)
      : plan_(plan),
        root_("/bench" + std::to_string(number)),
        strand_(executor),
        session_(std::move(options), executor, timer, &strand_, nullptr) {}

  void Start() {
    session_.Create(root_, "", v1::PERSISTENT, [this](const CreateResult&) {
      for (int i = 0; i < plan_.window; ++i) Next();
    });
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return finished_; });
  }
  std::vector<int64_t>& latencies() { return latencies_; }
  int64_t errors() const { return errors_; }

 private:
  void Next() {
    if (issued_ >= plan_.count) return;
    ++issued_;
    int64_t began = NowUs();
    auto done = [this, began](v1::CoordCode code) {
      latencies_.push_back(NowUs() - began);
      if (code != v1::OK) ++errors_;
      if (static_cast<int64_t>(latencies_.size()) == plan_.count) {
        std::lock_guard lock(mutex_);
        finished_ = true;
        done_.notify_all();
        return;
      }
      Next();
    };
    if (plan_.op == "create") {
      session_.Create(root_ + "/n", plan_.data, v1::PERSISTENT_SEQUENTIAL,
                      [done](const CreateResult& r) { done(r.code); });
    } else if (plan_.op == "get") {
      session_.Get(root_, nullptr, [done](const GetResult& r) { done(r.code); });
    } else {
      session_.SetData(root_, plan_.data, -1,
                       [done](const StatResult& r) { done(r.code); });
    }
  }

  const Plan plan_;
  const std::string root_;
  Strand strand_;
  int64_t issued_ = 0;
  int64_t errors_ = 0;
  std::vector<int64_t> latencies_;
  std::mutex mutex_;
  std::condition_variable done_;
  bool finished_ = false;
  Session session_;
};

int Main(int argc, char** argv) {
  TuneAllocator();
  rpc::SetTcpCongestion("auto");
  Plan plan;
  std::string servers;
  int sessions = 1, bytes = 100, threads = 1;
  CLI::App app("Load for a coordinator ensemble.", "coord_bench");
  app.add_option("--servers", servers)->required();
  app.add_option("--op", plan.op);
  app.add_option("--sessions", sessions);
  app.add_option("--window", plan.window);
  app.add_option("--count", plan.count, "calls per session");
  app.add_option("--bytes", bytes);
  app.add_option("--threads", threads);
  CLI11_PARSE(app, argc, argv);
  plan.data.assign(static_cast<size_t>(bytes), 'x');
  auto options = ParseConnectString(servers);
  if (!options.ok()) return 2;

  Executor executor("bench", threads);
  Timer timer;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < sessions; ++i) {
    workers.push_back(
        std::make_unique<Worker>(*options, plan, i, &executor, &timer));
  }
  double cpu = ReadProcessUsage().cpu_seconds;
  int64_t began = NowUs();
  for (auto& worker : workers) worker->Start();
  std::vector<int64_t> all;
  int64_t errors = 0;
  for (auto& worker : workers) {
    worker->Wait();
    errors += worker->errors();
    all.insert(all.end(), worker->latencies().begin(),
               worker->latencies().end());
  }
  double seconds = static_cast<double>(NowUs() - began) / 1e6;
  std::sort(all.begin(), all.end());
  auto at = [&](double q) {
    return static_cast<double>(all[static_cast<size_t>(
               q * static_cast<double>(all.size() - 1))]) /
           1e3;
  };
  printf("{\"op\": \"%s\", \"sessions\": %d, \"window\": %d, \"ops\": %zu, "
         "\"errors\": %lld, \"per_s\": %.0f, \"p50_ms\": %.3f, \"p99_ms\": "
         "%.3f, \"p999_ms\": %.3f, \"client_us_per_op\": %.1f}\n",
         plan.op.c_str(), sessions, plan.window, all.size(),
         static_cast<long long>(errors),
         static_cast<double>(all.size()) / seconds, at(0.5), at(0.99),
         at(0.999),
         (ReadProcessUsage().cpu_seconds - cpu) * 1e6 /
             static_cast<double>(all.size()));
  return errors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sillok::coord

int main(int argc, char** argv) { return sillok::coord::Main(argc, argv); }
