// How many synced log entries a second the store takes, by how many are in
// flight and how many come in one write; what they cost in CPU and bytes written
// to the disk; and what an idle store weighs. Not a test: run it by hand.
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
#include <random>
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

// Handed to the disk so far.
double WrittenBytes() {
  std::ifstream in("/proc/self/io");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("write_bytes:", 0) == 0) {
      return std::atof(line.c_str() + 12);
    }
  }
  return 0;
}

// Half of it random, so that it compresses as text does.
std::string Payload(size_t bytes) {
  static std::mt19937_64 random(1);
  std::string data(bytes, 'x');
  for (size_t i = 0; i < bytes / 2; ++i) data[i] = static_cast<char>(random());
  return data;
}

// The rows of the entries up to `last`: a tree with 30-byte paths.
TreeRows RowsFor(Zxid last, size_t count, size_t bytes) {
  TreeRows rows;
  rows.applied = last;
  const auto add = [&](std::string key, std::string value) {
    rows.bytes += key.size() + value.size();
    rows.rows.push_back({std::move(key), std::move(value)});
  };
  for (size_t i = 0; i < count; ++i) {
    std::string key =
        NodeKey("/benchmark/folder/" +
                std::to_string(1000000000 + last.counter() - i));
    NodeFields fields;
    const std::string data = Payload(bytes);
    fields.data = data;
    std::string value = EncodeNode(key, fields);
    add(std::move(key), std::move(value));
  }
  add(MetaKey(), EncodeMeta({last.value(), last.counter(), 0, 0}));
  return rows;
}

// `in_flight` writes of `batch` entries each at a time.
void Run(CoordinatorStore* store, size_t in_flight, size_t batch,
         size_t bytes, Zxid* next) {
  std::mutex mutex;
  std::condition_variable wake;
  size_t outstanding = 0;
  std::vector<double> latencies;
  const double cpu = CpuSeconds();
  const double written = WrittenBytes();
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
    Zxid last;
    for (size_t i = 0; i < batch; ++i) {
      persist.entries.push_back(zab::MakeEntry(*next, Payload(bytes)));
      last = *next;
      *next = next->Next();
    }
    const auto sent = SteadyClock::now();
    store->Persist(std::move(persist), [&, sent](absl::Status status) {
      CHECK(status.ok()) << status;
      std::lock_guard<std::mutex> lock(mutex);
      latencies.push_back(Seconds(SteadyClock::now() - sent));
      --outstanding;
      wake.notify_one();
    });
    store->Apply(RowsFor(last, batch, bytes));
    count += batch;
    if (count / 10'000 != (count - batch) / 10'000) {
      store->TrimLog(last, 100'000);
    }
  }
  CHECK(store->Flush().ok());
  const double seconds = Seconds(SteadyClock::now() - start);
  std::sort(latencies.begin(), latencies.end());
  std::printf(
      "in flight %5zu of %3zu: %8.0f entries/s  p50 %7.0f us  p99 %7.0f us  "
      "cpu %5.1f us/entry  disk %6.0f B/entry\n",
      in_flight, batch, count / seconds, 1e6 * latencies[latencies.size() / 2],
      1e6 * latencies[latencies.size() * 99 / 100],
      1e6 * (CpuSeconds() - cpu) / count,
      (WrittenBytes() - written) / count);
  std::fflush(stdout);
}

}  // namespace
}  // namespace sillok

int main(int argc, char** argv) {
  using namespace sillok;
  CHECK_GT(argc, 1) << "which directory?";
  RocksStoreOptions options;
  options.directory = argv[1];
  const size_t bytes = argc > 2 ? std::atol(argv[2]) : 100;
  options.sync = argc <= 3 || std::atoi(argv[3]) != 0;
  std::printf("before: %ld KiB\n", RssKib());
  auto store = OpenRocksStore(options);
  CHECK(store.ok()) << store.status();
  std::printf("idle: %ld KiB\n", RssKib());
  zab::Persist epochs;
  epochs.hard_state = zab::HardState{1, 1};
  (*store)->Persist(std::move(epochs), nullptr);
  Zxid next(1, 1);
  for (int round = 0; round < 2; ++round) {
    for (const size_t in_flight : {1, 4, 16, 64, 256, 1024}) {
      Run(store->get(), in_flight, 1, bytes, &next);
    }
    for (const size_t batch : {16, 256}) {
      Run(store->get(), 1, batch, bytes, &next);
    }
  }
  std::printf("after: %ld KiB\n", RssKib());
}
