// A checker that has never failed proves nothing: it is shown clean histories
// and histories of coordinators with a bug.
#include "test/coordinator/linearizability/checker.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/linearizability/search.h"

namespace sillok::linearizability {
namespace {

constexpr int kClients = 6;

// What a correct ensemble could have answered: writes take effect in zxid
// order between call and return, plain reads see a past that their session has
// not left behind.
class ModelEnsemble {
 public:
  explicit ModelEnsemble(uint64_t seed) : random_(seed) {}

  History Run(int operations, int unknown_percent) {
    struct Planned {
      Operation op;
      int64_t effect_ns;
    };
    std::vector<Planned> planned;
    std::vector<int64_t> free(kClients, 0);
    for (int i = 0; i < operations; ++i) {
      Planned one;
      one.op.client = Below(kClients);
      one.op.session = 100 + one.op.client;
      one.op.key = i / 60;
      one.op.value = i + 1;
      one.op.action = static_cast<Action>(Below(5));
      one.op.outcome = Outcome::kOk;
      int64_t& at = free[static_cast<size_t>(one.op.client)];
      at = std::max<int64_t>(at, i * 20) + 1 + Below(50);
      one.op.called_ns = at;
      one.effect_ns = at += 1 + Below(200);
      one.op.returned_ns = at += 1 + Below(200);
      if (Below(100) < unknown_percent) one.op.outcome = Outcome::kUnknown;
      planned.push_back(one);
    }
    std::stable_sort(planned.begin(), planned.end(),
                     [](const Planned& a, const Planned& b) {
                       return a.effect_ns < b.effect_ns;
                     });
    History history;
    for (Planned& one : planned) history.push_back(Do(one.op));
    return history;
  }

 private:
  struct Node {
    bool exists = false;
    int64_t czxid = 0, mzxid = 0, value = 0;
    int32_t version = 0;
  };

  int Below(int bound) {
    return static_cast<int>(random_() % static_cast<uint64_t>(bound));
  }

  Operation Do(Operation op) {
    const bool unknown = op.outcome == Outcome::kUnknown;
    if (IsWrite(op)) {
      if (!unknown || Below(2) == 0) Write(&op);
    } else {
      Read(&op);
    }
    if (unknown) {
      op.outcome = Outcome::kUnknown;
      op.reply_zxid = op.czxid = op.mzxid = op.version = 0;
    } else {
      seen_[op.session] = op.reply_zxid;
    }
    return op;
  }

  void Write(Operation* op) {
    Node node = Now(op->key);
    op->reply_zxid = zxid_;
    if (op->action != Action::kCreate && Below(2) == 0) {
      op->expected_version = Below(4) == 0 ? Below(5) : node.version;
    }
    const bool fits = op->expected_version == kAnyVersion ||
                      op->expected_version == node.version;
    if (op->action == Action::kCreate) {
      op->outcome = node.exists ? Outcome::kNodeExists : Outcome::kOk;
    } else {
      op->outcome = !node.exists ? Outcome::kNoNode
                    : fits       ? Outcome::kOk
                                 : Outcome::kBadVersion;
    }
    if (op->outcome != Outcome::kOk) return;
    op->reply_zxid = zxid_ += 1 + Below(3);
    if (op->action == Action::kCreate) {
      node = {true, zxid_, zxid_, op->value, 0};
    } else if (op->action == Action::kSet) {
      node.mzxid = zxid_;
      node.value = op->value;
      ++node.version;
    } else {
      node = {};
    }
    if (op->action != Action::kDelete) Show(node, op);
    past_[op->key][zxid_] = node;
  }

  void Read(Operation* op) {
    int64_t at = zxid_;
    if (op->action == Action::kRead) {
      at = std::max(seen_[op->session], zxid_ - Below(10));
    }
    op->reply_zxid = at;
    auto& past = past_[op->key];
    auto it = past.upper_bound(at);
    const Node node = it == past.begin() ? Node() : std::prev(it)->second;
    op->outcome = node.exists ? Outcome::kOk : Outcome::kNoNode;
    if (node.exists) Show(node, op);
  }

  static void Show(const Node& node, Operation* op) {
    op->czxid = node.czxid;
    op->mzxid = node.mzxid;
    op->version = node.version;
    op->value = node.value;
  }

  Node Now(int32_t key) {
    auto& past = past_[key];
    return past.empty() ? Node() : past.rbegin()->second;
  }

  std::mt19937_64 random_;
  int64_t zxid_ = 1000;
  std::map<int32_t, std::map<int64_t, Node>> past_;
  std::map<int64_t, int64_t> seen_;
};

bool WriteWas(const Operation& op, Action action) {
  return op.action == action && op.outcome == Outcome::kOk;
}

// Applies a bug to the first operation it fits, from the middle on; false when
// it fits none.
using Bug = std::function<bool(History*, size_t)>;
bool Plant(const Bug& bug, History* history) {
  for (size_t i = history->size() / 2; i < history->size(); ++i) {
    if (bug(history, i)) return true;
  }
  return false;
}

// The write of this key that was the last before history[i], by zxid.
Operation* WriteBefore(History* history, size_t i) {
  Operation* last = nullptr;
  for (Operation& op : *history) {
    if (op.key != (*history)[i].key || !IsWrite(op)) continue;
    if (op.outcome != Outcome::kOk) continue;
    if (op.returned_ns >= (*history)[i].called_ns) continue;
    if (last == nullptr || op.reply_zxid > last->reply_zxid) last = &op;
  }
  return last;
}

const std::map<std::string, Bug>& Bugs() {
  static const auto* bugs = new std::map<std::string, Bug>{
      {"an acknowledged set is lost",
       [](History* h, size_t i) {
         // The next sync+read still shows what was before it.
         Operation& read = (*h)[i];
         if (!WriteWas(read, Action::kSyncRead)) return false;
         Operation* write = WriteBefore(h, i);
         if (write == nullptr || write->action != Action::kSet ||
             write->value != read.value) {
           return false;
         }
         for (const Operation& op : *h) {
           if (op.key == read.key && op.version == read.version - 1 &&
               op.czxid == read.czxid && op.outcome == Outcome::kOk) {
             read.value = op.value;
             read.version = op.version;
             read.mzxid = op.mzxid;
             return true;
           }
         }
         return false;
       }},
      {"an acknowledged create is lost",
       [](History* h, size_t i) {
         Operation& read = (*h)[i];
         if (!WriteWas(read, Action::kSyncRead)) return false;
         read.outcome = Outcome::kNoNode;
         return true;
       }},
      {"sync answers from a deposed leader",
       [](History* h, size_t i) {
         Operation& read = (*h)[i];
         if (read.action != Action::kSyncRead) return false;
         Operation* write = WriteBefore(h, i);
         if (write == nullptr || read.outcome != Outcome::kNoNode) return false;
         read.reply_zxid = write->reply_zxid - 1;
         return true;
       }},
      {"a session goes back",
       [](History* h, size_t i) {
         Operation& op = (*h)[i];
         if (op.action != Action::kRead || op.outcome == Outcome::kUnknown) {
           return false;
         }
         op.reply_zxid -= 50;
         return true;
       }},
      {"one zxid is used twice",
       [](History* h, size_t i) {
         Operation& op = (*h)[i];
         if (!WriteWas(op, Action::kCreate)) return false;
         for (size_t j = 0; j < i; ++j) {
           if ((*h)[j].key == op.key || !WriteWas((*h)[j], Action::kSet)) {
             continue;
           }
           op.czxid = op.mzxid = (*h)[j].mzxid;
           return true;
         }
         return false;
       }},
      {"a set is done twice",
       [](History* h, size_t i) {
         Operation& op = (*h)[i];
         if (!WriteWas(op, Action::kSet)) return false;
         ++op.version;
         return true;
       }},
      {"a compare-and-set does not compare",
       [](History* h, size_t i) {
         Operation& op = (*h)[i];
         if (!WriteWas(op, Action::kSet)) return false;
         op.expected_version = op.version + 3;
         return true;
       }},
      {"a refused write is there all the same",
       [](History* h, size_t i) {
         Operation& read = (*h)[i];
         if (!WriteWas(read, Action::kRead)) return false;
         for (const Operation& op : *h) {
           if (op.key == read.key && op.outcome == Outcome::kNodeExists) {
             read.value = op.value;
             return true;
           }
         }
         return false;
       }},
      {"a read of what nobody wrote",
       [](History* h, size_t i) {
         if (!WriteWas((*h)[i], Action::kRead)) return false;
         (*h)[i].value = 999'999'999;
         return true;
       }},
      {"writes are ordered against real time",
       [](History* h, size_t i) {
         Operation& op = (*h)[i];
         if (!WriteWas(op, Action::kDelete)) return false;
         op.reply_zxid = 1001;
         return true;
       }},
      {"a read shows half of a later write",
       [](History* h, size_t i) {
         Operation& op = (*h)[i];
         if (!WriteWas(op, Action::kRead)) return false;
         ++op.version;
         return true;
       }},
      {"a delete that was acknowledged did not happen",
       [](History* h, size_t i) {
         // Its place is taken by one that is told to have found nothing.
         Operation& op = (*h)[i];
         if (op.action != Action::kDelete || op.outcome != Outcome::kNoNode) {
           return false;
         }
         op.outcome = Outcome::kOk;
         op.reply_zxid += 1;
         return true;
       }},
  };
  return *bugs;
}

TEST(LinearizabilityCheckerTest, CleanHistoriesPass) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    for (int unknown : {0, 5}) {
      History history = ModelEnsemble(seed).Run(1200, unknown);
      Findings findings = Check(history);
      ASSERT_EQ(findings.violation_count, 0u)
          << "seed " << seed << ": " << findings.violations[0];
      EXPECT_GT(findings.acknowledged_writes, 100u);
      EXPECT_GT(findings.reads, 100u);
      EXPECT_LE(findings.undecided_keys, unknown == 0 ? 0u : 2u);
    }
  }
}

TEST(LinearizabilityCheckerTest, EveryPlantedBugIsFoundInEveryHistory) {
  for (const auto& [name, bug] : Bugs()) {
    int planted = 0;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
      History history = ModelEnsemble(seed).Run(1200, 0);
      if (!Plant(bug, &history)) continue;
      ++planted;
      EXPECT_GT(Check(history).violation_count, 0u)
          << name << ", seed " << seed;
    }
    EXPECT_GE(planted, 20) << name;
  }
}

TEST(LinearizabilityCheckerTest, TheSearchAloneFindsWhatZxidsWouldShow) {
  // Without zxids a lost write can only be found by trying all orders.
  int planted = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    History history = ModelEnsemble(seed).Run(1200, 0);
    if (!Plant(Bugs().at("an acknowledged set is lost"), &history)) continue;
    ++planted;
    std::map<int32_t, History> by_key;
    for (const Operation& op : history) by_key[op.key].push_back(op);
    EXPECT_TRUE(std::any_of(by_key.begin(), by_key.end(), [](const auto& key) {
      return SearchOrder(key.second) == Verdict::kViolation;
    })) << seed;
  }
  EXPECT_GE(planted, 20);
}

TEST(LinearizabilityCheckerTest, AnUnansweredWriteMustNotHappenLate) {
  auto op = [](int64_t session, Action action, Outcome outcome, int64_t value,
               int64_t zxid, int64_t at) {
    Operation made;
    made.session = session;
    made.action = action;
    made.outcome = outcome;
    made.value = value;
    made.called_ns = at;
    made.returned_ns = at + 5;
    made.reply_zxid = made.mzxid = zxid;
    made.czxid = 1;
    return made;
  };
  for (const bool late : {false, true}) {
    History history = {
        op(1, Action::kCreate, Outcome::kOk, 1, 1, 10),
        op(2, Action::kSet, Outcome::kUnknown, 2, 0, 20),
        op(2, Action::kSyncRead, Outcome::kOk, late ? 1 : 2, late ? 3 : 5, 30),
        op(1, Action::kSyncRead, Outcome::kOk, 2, 5, 40),
    };
    if (late) history[2].mzxid = 1;
    history[2].version = late ? 0 : 1;
    history[3].version = 1;
    history[3].mzxid = late ? 4 : 5;
    if (!late) history[2].mzxid = 5;
    const Findings findings = Check(history);
    EXPECT_EQ(findings.violation_count, late ? 1u : 0u);
  }
}

TEST(SearchTest, AnUnknownWriteMayHaveHappenedOrNot) {
  auto op = [](Action action, Outcome outcome, int64_t value, int32_t version,
               int64_t from, int64_t to) {
    Operation made;
    made.action = action;
    made.outcome = outcome;
    made.value = value;
    made.version = version;
    made.called_ns = from;
    made.returned_ns = to;
    return made;
  };
  History history = {
      op(Action::kCreate, Outcome::kOk, 1, 0, 0, 10),
      op(Action::kSet, Outcome::kUnknown, 2, 0, 20, 0),
      op(Action::kSyncRead, Outcome::kOk, 1, 0, 30, 40),
  };
  EXPECT_EQ(SearchOrder(history), Verdict::kLinearizable);
  history.push_back(op(Action::kSyncRead, Outcome::kOk, 2, 1, 50, 60));
  EXPECT_EQ(SearchOrder(history), Verdict::kLinearizable);
  history.push_back(op(Action::kSyncRead, Outcome::kOk, 1, 0, 70, 80));
  EXPECT_EQ(SearchOrder(history), Verdict::kViolation);
}

TEST(SearchTest, ItGivesUpInsteadOfGuessing) {
  History history = ModelEnsemble(7).Run(60, 0);
  EXPECT_EQ(SearchOrder(history, 3), Verdict::kUndecided);
}

}  // namespace
}  // namespace sillok::linearizability
