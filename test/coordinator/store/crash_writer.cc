// Fills a store until it is killed, and says on its output what was reported
// durable: the zxid of each answered batch, one per line.
//
//   crash_writer DIRECTORY
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "test/coordinator/store/store_fixture.h"

namespace {

// Up to 300 bytes; the log can make those of every second round fewer.
std::string Data(int round, std::mt19937* random) {
  std::string data(round % 300, 'x');
  if (round % 2 == 0) return data;
  for (char& c : data) c = static_cast<char>((*random)());
  return data;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sillok;
  if (argc != 2) return 2;
  RocksStoreOptions options = Options(argv[1]);
  // Small, so that flushes and compactions happen within a short life.
  options.write_buffer_bytes = 64 * 1024;
  options.cache_bytes = 10'000;
  options.segment_bytes = 64 * 1024;
  auto opened = OpenRocksStore(options);
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
    return 3;
  }
  CoordinatorStore* store = opened->release();
  Leader leader;
  const absl::Status recovered = RecoverTree(store, &leader.tree);
  if (!recovered.ok()) {
    std::fprintf(stderr, "%s\n", recovered.ToString().c_str());
    return 4;
  }
  leader.last = std::max(leader.tree.applied(), Zxid(1, 0));
  if (store->recovered().fresh) {
    store->Persist(Epochs(1, 1), nullptr);
    leader.Take(leader.preparer.PrepareCreateSession(
        Origin(1), SessionId(1), "password", 1000, 0));
    leader.Prepare(Single(Create("/n")));
    CommitAll(&leader, store);
  }
  // Every txn adds one child to /n, so that the tree tells how many there were.
  std::mt19937 random(1);
  for (int i = 0;; ++i) {
    for (int j = 0; j <= i % 7; ++j) {
      leader.Prepare(Single(
          Create("/n/", Data(i, &random), v1::PERSISTENT_SEQUENTIAL)));
    }
    const uint64_t last = leader.last.value();
    CommitAll(&leader, store, [last](absl::Status status) {
      if (!status.ok()) std::_Exit(5);
      std::printf("%llu\n", static_cast<unsigned long long>(last));
      std::fflush(stdout);
    });
    if (i % 100 == 0) store->TrimLog(leader.last, 200);
    // Not too far ahead of the disk.
    if (i % 50 == 0 && !store->Flush().ok()) return 6;
  }
}
