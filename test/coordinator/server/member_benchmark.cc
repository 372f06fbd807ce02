// What many sessions cost one member: memory, time per tick, pings, reads and
// writes. Everything but the network. Not a test: run it by hand.
//
//   member_benchmark [sessions]
#include <malloc.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "test/coordinator/server/fake_ensemble.h"

namespace sillok::coord {
namespace {

// Of the processor, so that what else runs on the machine matters less.
class Timer {
 public:
  // Nanoseconds per item since construction or the last call.
  double Per(size_t items) {
    const double now = Now();
    return (now - std::exchange(start_, now)) / static_cast<double>(items);
  }

 private:
  static double Now() {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return 1e9 * static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_nsec);
  }
  double start_ = Now();
};

long RssKib() {
  malloc_trim(0);
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
  }
  return 0;
}

void Forget(const std::vector<FakeClient*>& clients) {
  for (FakeClient* client : clients) {
    client->received.clear();
    client->received.shrink_to_fit();
    client->taken = 0;
  }
}

void Run(int sessions) {
  FakeEnsemble::Options options;
  options.members = 1;
  options.tick_ms = 2'000;
  FakeEnsemble ensemble(options);
  ensemble.Elect();
  const auto count = static_cast<size_t>(sessions);
  const long before = RssKib();
  Timer timer;
  std::vector<FakeClient*> clients;
  for (int i = 0; i < sessions; ++i) {
    clients.push_back(ensemble.Open(1));
    ensemble.SendConnect(clients.back(), 0, "", 40'000, 0);
    if (i % 500 == 0) ensemble.Run();
  }
  ensemble.Run();
  std::printf("connect: %.0f ns\n", timer.Per(count));
  Forget(clients);
  std::printf("memory: %.0f bytes for each of %d sessions\n",
              1024.0 * static_cast<double>(RssKib() - before) / sessions,
              sessions);

  constexpr int kTicks = 100;
  timer.Per(1);
  ensemble.Advance(50 * kTicks);
  std::printf("a tick of %d idle sessions: %.0f ns\n", sessions,
              timer.Per(kTicks));
  for (FakeClient* client : clients) ensemble.Ping(client);
  ensemble.Run();
  std::printf("ping: %.0f ns\n", timer.Per(count));
  Forget(clients);
  timer.Per(1);
  ensemble.Advance(2'000);
  std::printf("their touches, reported and noted: %.0f ns each\n",
              timer.Per(count));

  ensemble.Call(clients[0], Create("/a", std::string(100, 'x')));
  constexpr int kRounds = 20;
  const auto read = [&](const char* what, const v1::CoordRequest& request) {
    double ns = 0;
    for (int round = 0; round < kRounds; ++round) {
      timer.Per(1);
      for (FakeClient* client : clients) ensemble.Send(client, request);
      ensemble.Run();
      ns += timer.Per(count);
      Forget(clients);
    }
    std::printf("%s: %.0f ns\n", what, ns / kRounds);
  };
  read("exists", Exists("/a"));
  read("get_data, 100 bytes", Get("/a"));
  read("get_children of /", Children("/"));
  read("set_data, committed by one member", Set("/a", std::string(100, 'y')));

  timer.Per(1);
  ensemble.Call(clients[0], Get("/a", true));
  for (FakeClient* client : clients) ensemble.Send(client, Get("/a", true));
  ensemble.Run();
  Forget(clients);
  timer.Per(1);
  ensemble.Call(clients[0], Set("/a", "fire"));
  std::printf("a watch that fires: %.0f ns\n", timer.Per(count));
}

}  // namespace
}  // namespace sillok::coord

int main(int argc, char** argv) {
  sillok::coord::Run(argc > 1 ? std::atoi(argv[1]) : 10'000);
}
