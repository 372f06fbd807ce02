// What a znode weighs, and what preparing, applying, saving and loading cost.
// Not a test: run it by hand.
//
//   tree_benchmark [znodes] [data bytes]
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "coordinator/tree/prepare.h"
#include "coordinator/tree/znode_tree.h"
#include "glog/logging.h"

namespace sillok {
namespace {

class Timer {
 public:
  // Nanoseconds per item since construction or the last call.
  double Per(size_t items) {
    const auto now = std::chrono::steady_clock::now();
    const double ns =
        std::chrono::duration<double, std::nano>(now - start_).count();
    start_ = std::chrono::steady_clock::now();
    return ns / items;
  }

 private:
  std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
};

long RssKib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
  }
  return 0;
}

// 30 bytes: "/benchmark/d042/node-000000123".
std::string PathOf(size_t i) {
  char path[64];
  std::snprintf(path, sizeof(path), "/benchmark/d%03zu/node-%09zu", i % 1000,
                i);
  return path;
}

void Run(size_t count, size_t bytes) {
  ZnodeTree tree;
  Preparer preparer(tree);
  Zxid zxid(1, 0);
  v1::TxnOrigin origin;
  origin.set_session_id(1);
  const auto apply = [&](Prepared prepared) {
    v1::Txn* txn = std::get_if<v1::Txn>(&prepared);
    CHECK(txn != nullptr);
    zxid = zxid.Next();
    preparer.Proposed(zxid);
    CHECK(tree.Apply(zxid, *txn).ok());
    preparer.Applied(zxid);
  };
  apply(preparer.PrepareCreateSession(origin, SessionId(1), "p", 1000, 0));
  const auto create = [&](const std::string& path, const std::string& data) {
    v1::CoordRequest request;
    request.mutable_write()->mutable_create()->set_path(path);
    request.mutable_write()->mutable_create()->set_data(data);
    apply(preparer.PrepareWrite(origin, request, 1));
  };
  create("/benchmark", "");
  for (int i = 0; i < 1000; ++i) {
    char path[32];
    std::snprintf(path, sizeof(path), "/benchmark/d%03d", i);
    create(path, "");
  }
  tree.TakeRows();
  const std::string data(bytes, 'x');
  malloc_trim(0);
  const long before = RssKib();
  Timer timer;
  for (size_t i = 0; i < count; ++i) {
    create(PathOf(i), data);
    if (i % 1000 == 0) tree.TakeRows();
  }
  std::printf("prepare + apply + rows of a create: %.0f ns\n",
              timer.Per(count));
  tree.TakeRows();
  malloc_trim(0);
  std::printf("memory: %.0f bytes for each of %zu znodes with %zu bytes\n",
              1024.0 * (RssKib() - before) / count, count, bytes);
  timer.Per(1);
  v1::Stat stat;
  std::string value;
  for (size_t i = 0; i < count; ++i) {
    CHECK_EQ(tree.GetData(PathOf(i * 7919 % count), &value, &stat), v1::OK);
  }
  std::printf("get_data, random: %.0f ns\n", timer.Per(count));
}

}  // namespace
}  // namespace sillok

int main(int argc, char** argv) {
  sillok::Run(argc > 1 ? std::atol(argv[1]) : 1'000'000,
              argc > 2 ? std::atol(argv[2]) : 100);
}
