// How long writes pause when the lead changes hands: by hand-over, by an orderly
// stop, by kill -9 of the leader and by its silence (SIGSTOP). Not a test: run it
// by hand, in the folder of the binaries.
//
//   failover_bench DIRECTORY [rounds]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/rpc/channel.h"
#include "coordinator/client/blocking_session.h"
#include "glog/logging.h"
#include "proto/coordinator_admin.grpc.pb.h"
#include "test/coordinator/server/coordinator_process.h"

namespace sillok::coord {
namespace {

using SteadyClock = std::chrono::steady_clock;

// One writer at each member, so that somebody always hears at once.
class Writers {
 public:
  explicit Writers(const ProcessEnsemble& ensemble) {
    for (int id = 1; id <= 3; ++id) {
      threads_.emplace_back([this, id, servers = ensemble.servers()] {
        Write(id, servers);
      });
    }
  }
  ~Writers() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  // Acknowledgements so far.
  size_t count() {
    std::lock_guard lock(mutex_);
    return acknowledged_.size();
  }
  // The longest time without any after `from`, in ms.
  double LongestPause(SteadyClock::time_point from) {
    std::lock_guard lock(mutex_);
    SteadyClock::duration longest{};
    SteadyClock::time_point last = from;
    for (SteadyClock::time_point at : acknowledged_) {
      if (at < from) continue;
      longest = std::max(longest, at - last);
      last = at;
    }
    return std::chrono::duration<double, std::milli>(longest).count();
  }

 private:
  void Write(int id, const std::string& servers) {
    SessionOptions options = *ParseConnectString(servers);
    options.session_timeout_ms = 10'000;
    auto session = BlockingSession::Connect(options, 30'000);
    CHECK(session.ok()) << session.status();
    const std::string path = "/writer-" + std::to_string(id);
    (*session)->Create(path, "");
    while (!stop_) {
      if ((*session)->SetData(path, "x").code != v1::OK) continue;
      std::lock_guard lock(mutex_);
      acknowledged_.push_back(SteadyClock::now());
    }
  }

  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<SteadyClock::time_point> acknowledged_;
  std::vector<std::thread> threads_;
};

bool HandOver(const ProcessEnsemble& ensemble, int leader) {
  auto stub = v1::CoordinatorAdmin::NewStub(
      rpc::NewChannel(ensemble.server(leader)));
  grpc::ClientContext context;
  v1::TransferLeadershipRequest request;
  request.set_to(-1);
  v1::TransferLeadershipResponse response;
  grpc::Status status =
      stub->TransferLeadership(&context, request, &response);
  if (!status.ok()) std::printf("%s\n", status.error_message().c_str());
  return status.ok();
}

// `disturb` takes the leader's id, `mend` makes all well again.
void Measure(const char* name, ProcessEnsemble* ensemble, int rounds,
             const std::function<bool(int)>& disturb,
             const std::function<void(int)>& mend) {
  std::vector<double> pauses;
  for (int round = 0; round < rounds; ++round) {
    const int leader = ensemble->WaitForLeader();
    Writers writers(*ensemble);
    ProcessEnsemble::Eventually([&] { return writers.count() > 200; });
    auto from = SteadyClock::now();
    if (!disturb(leader)) return;
    const size_t before = writers.count();
    ProcessEnsemble::Eventually(
        [&] { return writers.count() > before + 200; });
    pauses.push_back(writers.LongestPause(from));
    mend(leader);
    ensemble->WaitForLeader();
  }
  std::sort(pauses.begin(), pauses.end());
  std::printf("%-12s pause of writes: median %.0f ms, least %.0f, most %.0f "
              "(%zu rounds)\n",
              name, pauses[pauses.size() / 2], pauses.front(), pauses.back(),
              pauses.size());
}

void RunAll(const std::string& directory, int rounds) {
  ProcessEnsemble ensemble(directory, 3, {});
  auto nothing = [](int) {};
  Measure(
      "hand-over", &ensemble, rounds,
      [&](int leader) { return HandOver(ensemble, leader); }, nothing);
  auto start = [&](int id) { ensemble.Start(id); };
  Measure(
      "stop", &ensemble, rounds,
      [&](int leader) {
        ensemble.Terminate(leader);
        return true;
      },
      start);
  Measure(
      "kill -9", &ensemble, rounds,
      [&](int leader) {
        ensemble.Kill(leader);
        return true;
      },
      start);
  Measure(
      "silence", &ensemble, rounds,
      [&](int leader) {
        ensemble.Pause(leader);
        return true;
      },
      [&](int leader) { ensemble.Resume(leader); });
}

}  // namespace
}  // namespace sillok::coord

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: failover_bench DIRECTORY [rounds]\n");
    return 2;
  }
  std::filesystem::create_directories(argv[1]);
  sillok::coord::RunAll(argv[1], argc > 2 ? std::atoi(argv[2]) : 10);
  return 0;
}
