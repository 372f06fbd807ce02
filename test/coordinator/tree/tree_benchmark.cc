// What a znode weighs, and what preparing, applying, saving and loading cost.
// Not a test: run it by hand.
//
//   tree_benchmark [znodes] [data bytes] [different ACLs]
#include <malloc.h>
#include <time.h>

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

class Bench {
 public:
  Bench() : preparer_(tree_) {
    origin_.set_session_id(1);
    Apply(preparer_.PrepareCreateSession(origin_, SessionId(1), "p", 1000, 0));
    Create("/benchmark", "");
    for (int i = 0; i < 1000; ++i) {
      char path[32];
      std::snprintf(path, sizeof(path), "/benchmark/d%03d", i);
      Create(path, "");
    }
    tree_.TakeRows();
  }

  // Every znode with an ACL of three rules, one of `acls` different ones; 0 =
  // without.
  void Run(size_t count, size_t bytes, size_t acls);

 private:
  void Apply(Prepared prepared) {
    v1::Txn* txn = std::get_if<v1::Txn>(&prepared);
    CHECK(txn != nullptr);
    zxid_ = zxid_.Next();
    preparer_.Proposed(zxid_);
    CHECK(tree_.Apply(zxid_, *txn).ok());
    preparer_.Applied(zxid_);
  }
  void Create(const std::string& path, const std::string& data,
              size_t acl = 0) {
    v1::CoordRequest request;
    v1::CreateOp* create = request.mutable_write()->mutable_create();
    create->set_path(path);
    create->set_data(data);
    for (const uint32_t permissions : {1, 3, 31}) {
      if (acl == 0) break;
      v1::Acl* rule = create->add_acl();
      rule->set_permissions(permissions);
      rule->set_scheme("digest");
      rule->set_id("user" + std::to_string(acl) +
                   ":xQJmxLMiHGwaqBvst5y6rkB6HQs=");
    }
    Apply(preparer_.PrepareWrite(origin_, request, 1));
  }
  void Read(const char* what, size_t count, const v1::CoordRequest& shape);

  ZnodeTree tree_;
  Preparer preparer_;
  Zxid zxid_{1, 0};
  v1::TxnOrigin origin_;
};

void Bench::Read(const char* what, size_t count,
                 const v1::CoordRequest& shape) {
  IdentityList who;
  v1::Identity* identity = who.Add();
  identity->set_scheme("super");
  const Requester requester{SessionId(1), &who};
  v1::CoordRequest request = shape;
  v1::CoordResponse response;
  std::vector<std::string> paths;
  for (size_t i = 0; i < 1'000'000; ++i) {
    paths.push_back(PathOf(i * 7919 % count));
  }
  Timer timer;
  for (const std::string& path : paths) {
    if (request.has_exists()) request.mutable_exists()->set_path(path);
    if (request.has_get_data()) request.mutable_get_data()->set_path(path);
    if (request.has_get_children()) {
      request.mutable_get_children()->set_path(path);
    }
    response.Clear();
    tree_.Read(request, requester, &response);
    CHECK_EQ(response.code(), v1::OK);
  }
  std::printf("%s, random: %.0f ns\n", what, timer.Per(paths.size()));
}

void Bench::Run(size_t count, size_t bytes, size_t acls) {
  const std::string data(bytes, 'x');
  malloc_trim(0);
  const long before = RssKib();
  Timer timer;
  for (size_t i = 0; i < count; ++i) {
    Create(PathOf(i), data, acls == 0 ? 0 : 1 + i % acls);
    if (i % 1000 == 0) tree_.TakeRows();
  }
  std::printf("prepare + apply + rows of a create: %.0f ns\n",
              timer.Per(count));
  tree_.TakeRows();
  malloc_trim(0);
  std::printf("memory: %.0f bytes for each of %zu znodes with %zu bytes\n",
              1024.0 * (RssKib() - before) / count, count, bytes);
  v1::CoordRequest request;
  request.mutable_exists();
  Read("exists", count, request);
  request.mutable_get_data();
  Read("get_data", count, request);
  request.mutable_get_children();
  Read("get_children of none", count, request);
  Timer check;
  CHECK(tree_.CheckEphemerals().ok());
  CHECK(tree_.CheckInvariants().ok());
  std::printf("check of all invariants: %.0f ns a znode\n",
              check.Per(count));
}

}  // namespace
}  // namespace sillok

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::atol(argv[1]) : 1'000'000;
  const size_t bytes = argc > 2 ? std::atol(argv[2]) : 100;
  sillok::Bench().Run(count, bytes, argc > 3 ? std::atol(argv[3]) : 0);
}
