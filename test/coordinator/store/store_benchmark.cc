// How many synced log entries a second the store takes, by how many are in
// flight; and what an idle one weighs. Not a test: run it by hand.
//
//   store_benchmark DIRECTORY [entry bytes] [sync 0|1]
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "coordinator/store/rocks_store.h"
#include "coordinator/tree/row_format.h"
#include "glog/logging.h"

namespace sillok {
namespace {

using SteadyClock = std::chrono::steady_clock;

double Seconds(SteadyClock::duration d) {
  return std::chrono::duration<double>(d).count();
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

long RssKib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
  }
  return 0;
}

// A row for each entry, as a tree with 30-byte paths would give.
TreeRows RowsFor(Zxid zxid, size_t bytes) {
  TreeRows rows;
  rows.applied = zxid;
  std::string key = NodeKey("/benchmark/folder/" +
                            std::to_string(1000000000 + zxid.counter()));
  NodeFields fields;
  const std::string data(bytes, 'x');
  fields.data = data;
  std::string value = EncodeNode(key, fields);
  rows.bytes = key.size() + value.size();
  rows.rows.push_back({std::move(key), std::move(value)});
  return rows;
}

void Run(CoordinatorStore* store, size_t in_flight, size_t bytes,
         Zxid* next) {
  std::mutex mutex;
  std::condition_variable wake;
  size_t outstanding = 0;
  std::vector<double> latencies;
  const double cpu = CpuSeconds();
  const auto start = SteadyClock::now();
  const auto end = start + std::chrono::milliseconds(1500);
  size_t count = 0;
  while (SteadyClock::now() < end) {
    {
      std::unique_lock<std::mutex> lock(mutex);
      wake.wait(lock, [&] { return outstanding < in_flight; });
      ++outstanding;
    }
    zab::Persist persist;
    persist.entries.push_back(zab::MakeEntry(*next, std::string(bytes, 'x')));
    const auto sent = SteadyClock::now();
    store->Persist(std::move(persist), [&, sent](absl::Status status) {
      CHECK(status.ok()) << status;
      std::lock_guard<std::mutex> lock(mutex);
      latencies.push_back(Seconds(SteadyClock::now() - sent));
      --outstanding;
      wake.notify_one();
    });
    store->Apply(RowsFor(*next, bytes));
    *next = next->Next();
    ++count;
  }
  CHECK(store->Flush().ok());
  const double seconds = Seconds(SteadyClock::now() - start);
  std::sort(latencies.begin(), latencies.end());
  std::printf(
      "in flight %5zu: %8.0f entries/s  p50 %7.0f us  p99 %7.0f us  "
      "cpu %5.1f us/entry\n",
      in_flight, count / seconds, 1e6 * latencies[latencies.size() / 2],
      1e6 * latencies[latencies.size() * 99 / 100],
      1e6 * (CpuSeconds() - cpu) / count);
  std::fflush(stdout);
}

}  // namespace
}  // namespace sillok

int main(int argc, char** argv) {
  using namespace sillok;
  CHECK_GT(argc, 1) << "which directory?";
  RocksStoreOptions options;
  options.directory = argv[1];
  const size_t bytes = argc > 2 ? std::atol(argv[2]) : 256;
  options.sync = argc <= 3 || std::atoi(argv[3]) != 0;
  std::printf("before: %ld KiB\n", RssKib());
  auto store = OpenRocksStore(options);
  CHECK(store.ok()) << store.status();
  std::printf("idle: %ld KiB\n", RssKib());
  zab::Persist epochs;
  epochs.hard_state = zab::HardState{1, 1};
  (*store)->Persist(std::move(epochs), nullptr);
  Zxid next(1, 1);
  for (const size_t in_flight : {1, 4, 16, 64, 256, 1024}) {
    Run(store->get(), in_flight, bytes, &next);
  }
  for (const size_t in_flight : {1, 16, 256}) {
    Run(store->get(), in_flight, bytes, &next);
  }
  std::printf("after: %ld KiB\n", RssKib());
}
