// Random scripts that mostly make sense: a rough picture of the tree is kept so
// that many operations meet a node, and some are wrong on purpose.
#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "test/differential/script.h"

namespace sillok::differential {
namespace {

using zk::Acl;
using zk::Op;

// digest ids of the users ann:secret and bob:hunter.
constexpr char kAnn[] = "ann:7RJfAeIvrl4zdj6sS2fXrQHDvHM=";
constexpr char kBob[] = "bob:jBusOVB4bKxz9Ba1E3fTeUpjT0c=";

// ZooKeeper 3.8 knows one kind of watch for a session and a path: a standard
// watch takes the place of a persistent one, and removing one kind removes the
// other. So one session has persistent watches, the others have standard ones.
constexpr int kPersistentSession = kSessions - 1;
int32_t PersistentMode(const std::string& path) {
  return path.empty() ? 0 : static_cast<unsigned char>(path.back()) % 2;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  Script Make(int steps) {
    Script script;
    while (static_cast<int>(script.size()) < steps) script.push_back(MakeStep());
    return script;
  }

 private:
  int Below(int bound) {
    return static_cast<int>(random_() % static_cast<uint64_t>(bound));
  }
  bool Chance(int percent) { return Below(100) < percent; }
  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(Below(static_cast<int>(from.size())))];
  }

  Step MakeStep();
  Op MakeOp();
  Op MakeCreate();
  Op MakeWrite();  // what a multi may have
  Op MakeMulti();
  Op MakeMultiRead();
  Op MakeSetWatches(int64_t since);
  Op MakeOdd();
  std::vector<Op> MakeBatch();
  std::string NewPath();
  std::string SomePath();
  std::string OddPath();
  std::optional<std::string> SomeData();
  std::optional<std::vector<Acl>> SomeAcls();
  int32_t SomeVersion(const std::string& path);
  void Remember(const Op& op);

  std::mt19937_64 random_;
  int session_ = 0;
  // Path to data version, as far as the script's author can know.
  std::map<std::string, int> nodes_;
  std::array<std::array<std::vector<std::string>, 5>, kSessions> watches_;
};

std::string Generator::NewPath() {
  static const std::vector<std::string> kNames = {"a", "b", "c", "d"};
  std::string parent = "~";
  if (!nodes_.empty() && Chance(60)) {
    auto it = nodes_.begin();
    std::advance(it, Below(static_cast<int>(nodes_.size())));
    if (std::count(it->first.begin(), it->first.end(), '/') < 3) {
      parent = it->first;
    }
  }
  return parent + "/" + Pick(kNames);
}

std::string Generator::SomePath() {
  if (Chance(2)) return OddPath();
  if (Chance(3)) return "~";
  if (nodes_.empty() || Chance(20)) return NewPath();
  auto it = nodes_.begin();
  std::advance(it, Below(static_cast<int>(nodes_.size())));
  return it->first;
}

std::string Generator::OddPath() {
  static const std::vector<std::string> kOdd = {
      "~/a/",       "~//a",     "~/./a",   "~/a/../b", "~/a/.",
      "~/..a",      "~/a\x01",  "relative", "",        "/zookeeper/x",
      "~/nope/a/b", "~/a\xc2\x85", "~/\xc3\xa9", std::string("~/n\0l", 5),
      "~/a b", "~/\xee\x80\x80"};
  return Pick(kOdd);
}

std::optional<std::string> Generator::SomeData() {
  const int kind = Below(20);
  if (kind == 0) return std::nullopt;
  if (kind <= 2) return "";
  if (kind == 3) return std::string(3000, 'x');
  return "v" + std::to_string(Below(1000));
}

std::optional<std::vector<Acl>> Generator::SomeAcls() {
  using List = std::vector<Acl>;
  static const std::vector<std::optional<List>> kLists = {
      List{{1, "world", "anyone"}},
      List{{0, "world", "anyone"}},
      List{{3, "world", "anyone"}, {28, "digest", kAnn}},
      List{{31, "auth", ""}},
      List{{31, "auth", "someone"}, {1, "world", "anyone"}},
      List{{31, "digest", kAnn}},
      List{{31, "digest", kAnn}, {1, "digest", kBob}},
      List{{31, "ip", "127.0.0.1"}},
      List{{31, "ip", "127.0.0.0/8"}},
      List{{31, "ip", "10.0.0.0/8"}, {1, "world", "anyone"}},
      List{{31, "world", "anyone"}, {31, "world", "anyone"}},
      // Wrong ones.
      List{{31, "nope", "x"}},
      List{{31, "world", "bob"}},
      List{{31, "digest", "x"}},
      List{{31, "ip", "300.1.1.1"}},
      List{{31, "", ""}},
      List{},
      std::nullopt,
  };
  if (Chance(85)) return List{Acl{}};
  return Pick(kLists);
}

int32_t Generator::SomeVersion(const std::string& path) {
  if (Chance(35)) return -1;
  auto it = nodes_.find(path);
  if (it != nodes_.end() && Chance(75)) return it->second;
  return Below(4);
}

Op Generator::MakeCreate() {
  Op op;
  op.path = Chance(80) ? NewPath() : SomePath();
  op.data = SomeData();
  op.acls = SomeAcls();
  static const std::vector<int32_t> kFlags = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                                              1, 1, 2, 2, 3, 3, 4, 5, 6};
  op.flags = Chance(2) ? Below(12) - 2 : Pick(kFlags);
  op.op = Chance(50) ? zk::kCreate : zk::kCreate2;
  if (op.flags == 4 && Chance(90)) op.op = zk::kCreateContainer;
  if ((op.flags == 5 || op.flags == 6) && Chance(90)) {
    op.op = zk::kCreateTtl;
    op.ttl = Chance(80) ? 1'000'000 + Below(1000) : Below(3) - 1;
  }
  if (op.flags == 2 && Chance(5)) op.path = *op.path + "/";
  return op;
}

Op Generator::MakeWrite() {
  const int kind = Below(10);
  if (kind < 4) return MakeCreate();
  Op op;
  op.op = kind < 6 ? zk::kDelete : zk::kSetData;
  op.path = SomePath();
  op.data = SomeData();
  op.version = SomeVersion(*op.path);
  return op;
}

Op Generator::MakeMulti() {
  Op multi;
  multi.op = zk::kMulti;
  multi.path = std::nullopt;
  for (int left = Below(5); left >= 0; --left) {
    if (Chance(25)) {
      Op check;
      check.op = zk::kCheck;
      check.path = SomePath();
      check.version = SomeVersion(*check.path);
      multi.parts.push_back(check);
    } else {
      multi.parts.push_back(MakeWrite());
    }
  }
  if (Chance(3)) multi.parts.clear();
  return multi;
}

Op Generator::MakeMultiRead() {
  Op multi;
  multi.op = zk::kMultiRead;
  multi.path = std::nullopt;
  for (int left = Below(4); left >= 0; --left) {
    Op part;
    part.op = Chance(50) ? zk::kGetData : zk::kGetChildren;
    part.path = SomePath();
    multi.parts.push_back(part);
  }
  return multi;
}

Op Generator::MakeSetWatches(int64_t since) {
  Op op;
  op.op = Chance(50) ? zk::kSetWatches : zk::kSetWatches2;
  op.path = std::nullopt;
  op.relative_zxid = since;
  const bool persistent = session_ == kPersistentSession;
  if (persistent) op.op = zk::kSetWatches2;
  for (auto& list : watches_[static_cast<size_t>(session_)]) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    op.watches.push_back(list);
  }
  if (op.op == zk::kSetWatches) op.watches.resize(3);
  if (Chance(30) && !persistent) {
    op.watches[static_cast<size_t>(Below(3))] = {NewPath()};
  }
  return op;
}

// What a client would hardly send.
Op Generator::MakeOdd() {
  if (Chance(60)) {
    Op op = Chance(30) ? MakeMulti() : Chance(50) ? MakeWrite() : MakeOp();
    op.cut = 1 + Below(12);
    return op;
  }
  static const std::vector<int32_t> kUnknown = {10, 50, 99, 110, 1000};
  Op op;
  op.op = Pick(kUnknown);
  op.path = std::nullopt;
  return op;
}

Op Generator::MakeOp() {
  static const std::vector<std::pair<int, int32_t>> kWeights = {
      {34, zk::kCreate},       {10, zk::kGetData},   {9, zk::kExists},
      {4, zk::kGetChildren},   {5, zk::kGetChildren2}, {3, zk::kGetAcl},
      {5, zk::kSetAcl},        {9, zk::kMulti},      {3, zk::kMultiRead},
      {5, zk::kAddWatch},      {3, zk::kRemoveWatches},
      {2, zk::kCheckWatches},  {2, zk::kGetEphemerals},
      {2, zk::kGetAllChildrenNumber}, {1, zk::kWhoAmI}, {1, zk::kSync},
      {2, zk::kSetWatches}};
  int left = Below(100);
  int32_t kind = zk::kGetData;
  for (const auto& [weight, op] : kWeights) {
    kind = op;
    if ((left -= weight) < 0) break;
  }
  if (kind == zk::kCreate) return MakeWrite();
  if (kind == zk::kMulti) return MakeMulti();
  if (kind == zk::kMultiRead) return MakeMultiRead();
  if (kind == zk::kSetWatches) return MakeSetWatches(kSinceNow);
  Op op;
  op.op = kind;
  op.path = SomePath();
  if (kind == zk::kGetAllChildrenNumber && Chance(50)) op.path = "~";
  if (kind == zk::kWhoAmI) op.path = std::nullopt;
  if (kind == zk::kGetEphemerals) {
    static const std::vector<std::optional<std::string>> kPrefixes = {
        std::nullopt, "", "/", "~", "~/a", "relative"};
    op.path = Pick(kPrefixes);
  }
  op.watch = (kind == zk::kGetData || kind == zk::kExists ||
              kind == zk::kGetChildren || kind == zk::kGetChildren2) &&
             Chance(40);
  if (session_ == kPersistentSession) {
    op.watch = false;
  } else if (kind == zk::kAddWatch) {
    op.op = zk::kExists;
    op.watch = true;
  }
  if (op.op == zk::kAddWatch) {
    op.mode = Chance(4) ? 2 + Below(2) : PersistentMode(*op.path);
  }
  if (kind == zk::kRemoveWatches || kind == zk::kCheckWatches) {
    op.mode = session_ == kPersistentSession ? 3 : 1 + Below(3);
    if (Chance(3)) op.mode = 7;
  }
  if (kind == zk::kSetAcl) {
    op.acls = SomeAcls();
    op.version = Chance(60) ? -1 : Below(3);
  }
  return op;
}

// Keeps the picture, as if there were no access rights.
void Generator::Remember(const Op& op) {
  for (const Op& part : op.parts) Remember(part);
  if (!op.path.has_value() || op.cut > 0) return;
  const std::string& path = *op.path;
  auto& watches = watches_[static_cast<size_t>(session_)];
  switch (op.op) {
    case zk::kCreate:
    case zk::kCreate2:
    case zk::kCreateContainer:
    case zk::kCreateTtl: {
      std::string parent = path.substr(0, path.rfind('/'));
      if (parent != "~" && nodes_.count(parent) == 0) return;
      if (op.flags == 2 || op.flags == 3 || op.flags == 6) {
        nodes_.emplace(path + "000000000" + std::to_string(Below(4)), 0);
      } else {
        nodes_.emplace(path, 0);
      }
      return;
    }
    case zk::kDelete:
      if (Chance(90)) nodes_.erase(path);
      return;
    case zk::kSetData:
      if (auto it = nodes_.find(path); it != nodes_.end()) ++it->second;
      return;
    case zk::kAddWatch:
      if (op.mode < 0 || op.mode > 1 || path.empty()) return;
      watches[op.mode == 0 ? 3 : 4].push_back(path);
      return;
    default:
      // A watch on no path at all is the root's.
      if (!op.watch || path.empty()) return;
      watches[op.op == zk::kGetData ? 0 : op.op == zk::kExists ? 1 : 2]
          .push_back(path);
      return;
  }
}

std::vector<Op> Generator::MakeBatch() {
  if (Chance(3)) {
    Op auth;
    auth.op = zk::kAuth;
    auth.path = std::nullopt;
    auth.scheme = Chance(85) ? "digest" : Chance(50) ? "nope" : "ip";
    auth.data = Chance(50) ? "ann:secret" : "bob:hunter";
    return {auth};
  }
  if (Chance(1)) return {MakeOdd()};
  if (Chance(1)) {
    // Alone: its answer may overtake those of other requests.
    Op ping;
    ping.op = zk::kPing;
    ping.path = std::nullopt;
    return {ping};
  }
  std::vector<Op> ops;
  for (int left = Chance(60) ? 0 : Below(5); left >= 0; --left) {
    ops.push_back(MakeOp());
    // ZooKeeper judges what comes right behind by the old rights or the new
    // ones, as it happens.
    if (ops.back().op == zk::kSetAcl) break;
  }
  return ops;
}

Step Generator::MakeStep() {
  Step step;
  step.session = session_ = Below(kSessions);
  const int kind = Below(100);
  if (kind < 2) {
    step.kind = Step::Kind::kClose;
    watches_[static_cast<size_t>(session_)] = {};
  } else if (kind < 5) {
    step.kind = Step::Kind::kReattach;
    if (Chance(80)) {
      step.ops.push_back(
          MakeSetWatches(Chance(80) ? kSinceLastSeen : kSinceEver));
    }
  } else {
    step.ops = MakeBatch();
    for (const Op& op : step.ops) Remember(op);
  }
  return step;
}

}  // namespace

Script GenerateScript(uint64_t seed, int steps) {
  return Generator(seed).Make(steps);
}

}  // namespace sillok::differential
