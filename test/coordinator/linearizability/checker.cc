#include "test/coordinator/linearizability/checker.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "test/coordinator/linearizability/search.h"

namespace sillok::linearizability {
namespace {

int64_t ZxidOf(const Operation& write) {
  switch (write.action) {
    case Action::kCreate:
      return write.czxid;
    case Action::kSet:
      return write.mzxid;
    default:
      return write.reply_zxid;  // a delete has no stat
  }
}

bool Acknowledged(const Operation& op) {
  return IsWrite(op) && op.outcome == Outcome::kOk;
}

void CheckTransactions(const History& history, Findings* findings) {
  std::unordered_map<int64_t, const Operation*> by_zxid;
  for (const Operation& op : history) {
    if (!Acknowledged(op)) continue;
    if (!by_zxid.emplace(ZxidOf(op), &op).second) {
      findings->Add("two writes in one transaction", op);
    }
    if (op.reply_zxid < ZxidOf(op)) {
      findings->Add("a reply from before its own write", op);
    }
  }
}

// Replies of writes by the time they came, with the largest zxid so far.
class Acknowledgements {
 public:
  explicit Acknowledgements(const History& history) {
    for (const Operation& op : history) {
      if (Acknowledged(op)) events_.push_back({op.returned_ns, ZxidOf(op)});
    }
    std::sort(events_.begin(), events_.end());
    int64_t largest = 0;
    for (auto& [ns, zxid] : events_) largest = zxid = std::max(zxid, largest);
  }
  // Of those that returned before `ns`.
  int64_t LargestBefore(int64_t ns) const {
    auto it = std::lower_bound(events_.begin(), events_.end(),
                               std::pair<int64_t, int64_t>(ns, INT64_MIN));
    return it == events_.begin() ? 0 : std::prev(it)->second;
  }

 private:
  std::vector<std::pair<int64_t, int64_t>> events_;
};

void CheckRealTime(const History& history, Findings* findings) {
  const Acknowledgements acknowledged(history);
  for (const Operation& op : history) {
    if (op.outcome == Outcome::kUnknown) continue;
    const int64_t before = acknowledged.LargestBefore(op.called_ns);
    if (Acknowledged(op) && ZxidOf(op) <= before) {
      findings->Add("a write before one that had returned", op);
    }
    if (op.action == Action::kSyncRead && op.reply_zxid < before) {
      findings->Add("sync+read has not seen a write that had returned", op);
    }
  }
}

void CheckSessions(const History& history, Findings* findings) {
  struct Seen {
    int64_t reply = 0;
    int64_t write = 0;
  };
  std::unordered_map<int64_t, Seen> sessions;
  for (const Operation& op : history) {
    if (op.outcome == Outcome::kUnknown) continue;
    Seen& seen = sessions[op.session];
    if (op.reply_zxid < seen.reply) findings->Add("a session went back", op);
    seen.reply = std::max(seen.reply, op.reply_zxid);
    if (!Acknowledged(op)) continue;
    if (ZxidOf(op) <= seen.write) {
      findings->Add("a session's writes changed places", op);
    }
    seen.write = ZxidOf(op);
  }
}

// What a session asked for and got no answer to does not happen after what it
// asked for later: a write, or a sync and read. `happened` has the zxids of
// those unknown writes that a read has shown.
void CheckForgotten(const History& history,
                    const std::unordered_map<int64_t, int64_t>& happened,
                    Findings* findings) {
  std::unordered_map<int64_t, int64_t> latest;  // by session
  for (const Operation& op : history) {
    if (op.outcome == Outcome::kUnknown) {
      auto it = IsWrite(op) ? happened.find(op.value) : happened.end();
      if (it == happened.end()) continue;
      int64_t& zxid = latest[op.session];
      zxid = std::max(zxid, it->second);
      continue;
    }
    auto it = latest.find(op.session);
    if (it == latest.end()) continue;
    if ((Acknowledged(op) && ZxidOf(op) < it->second) ||
        (op.action == Action::kSyncRead && op.reply_zxid < it->second)) {
      findings->Add("an unanswered write happened after a later request", op);
    }
  }
}

// One key's writes in zxid order.
class Replay {
 public:
  Replay(const History& of_key, Findings* findings) : findings_(findings) {
    for (const Operation& op : of_key) {
      if (!IsWrite(op)) continue;
      writes_of_value_.emplace(op.value, &op);
      if (Acknowledged(op)) known_.emplace(ZxidOf(op), op);
    }
    for (const Operation& op : of_key) Resolve(op);
    for (const Operation& op : of_key) {
      if (IsWrite(op) && op.outcome == Outcome::kUnknown &&
          resolved_.count(op.value) == 0) {
        open_since_.push_back(op.called_ns);
      }
    }
    Run();
    for (const Operation& op : of_key) CheckRead(op);
  }

  // Values of unknown writes that have been read, and their zxids.
  const std::unordered_map<int64_t, int64_t>& resolved() const {
    return resolved_;
  }
  // The operations with what was found out about the unknown ones.
  History WithResolved(History operations) const {
    for (Operation& op : operations) {
      auto it = resolved_.find(op.value);
      if (IsWrite(op) && it != resolved_.end()) op = known_.at(it->second);
    }
    return operations;
  }

 private:
  struct State {
    bool exists = false;
    int64_t czxid = 0;
    int64_t mzxid = 0;
    int32_t version = 0;
    int64_t value = 0;
  };

  // A read that shows the value of an unknown write tells when it happened.
  void Resolve(const Operation& read) {
    if (IsWrite(read) || read.outcome != Outcome::kOk) return;
    auto it = writes_of_value_.find(read.value);
    if (it == writes_of_value_.end()) {
      findings_->Add("read what nobody wrote", read);
      return;
    }
    if (it->second->outcome == Outcome::kOk) return;
    if (it->second->outcome != Outcome::kUnknown) {
      findings_->Add("read what was refused", read);
      return;
    }
    if (!resolved_.emplace(read.value, read.mzxid).second) return;
    Operation write = *it->second;
    write.czxid = read.czxid;
    write.mzxid = read.mzxid;
    write.version = read.version;
    write.outcome = Outcome::kOk;
    // When it returned nobody knows; whoever saw it came later.
    write.returned_ns = read.returned_ns;
    if (!known_.emplace(read.mzxid, write).second) {
      findings_->Add("two writes in one transaction", read);
    }
  }

  // Whether a write of unknown outcome that was called before `ns` may have
  // come in between.
  bool Excused(int64_t ns) const {
    const bool excused =
        std::any_of(open_since_.begin(), open_since_.end(),
                    [ns](int64_t since) { return since <= ns; });
    if (excused) ++findings_->excused;
    return excused;
  }

  void Expect(bool holds, const char* rule, const Operation& op) {
    if (!holds && !Excused(op.returned_ns)) findings_->Add(rule, op);
  }

  void Run() {
    State state;
    for (const auto& [zxid, op] : known_) {
      if (op.action == Action::kCreate) {
        Expect(!state.exists, "created what was there", op);
        state = {true, zxid, zxid, 0, op.value};
      } else if (op.action == Action::kSet) {
        Expect(state.exists, "set what was not there", op);
        Expect(!state.exists || op.version == state.version + 1,
               "a version was left out or given twice", op);
        Expect(!state.exists || op.czxid == state.czxid,
               "set another node than the one that was there", op);
        if (op.expected_version != kAnyVersion &&
            op.version != op.expected_version + 1) {
          findings_->Add("set in spite of its version", op);
        }
        state = {true, op.czxid, zxid, op.version, op.value};
      } else {
        Expect(state.exists, "deleted what was not there", op);
        Expect(!state.exists || op.expected_version == kAnyVersion ||
                   op.expected_version == state.version,
               "deleted in spite of its version", op);
        state = {};
      }
      states_.emplace(zxid, state);
    }
  }

  void CheckRead(const Operation& read) {
    if (IsWrite(read) || read.outcome == Outcome::kUnknown) return;
    auto it = states_.upper_bound(read.reply_zxid);
    const State state = it == states_.begin() ? State() : std::prev(it)->second;
    if (read.outcome == Outcome::kNoNode) {
      Expect(!state.exists, "did not read what was there", read);
      return;
    }
    if (read.mzxid > read.reply_zxid) {
      findings_->Add("read newer than its reply says", read);
    }
    Expect(state.exists, "read what was deleted or not yet there", read);
    Expect(!state.exists ||
               (state.mzxid == read.mzxid && state.czxid == read.czxid &&
                state.version == read.version && state.value == read.value),
           "read another state than that of its zxid", read);
  }

  Findings* findings_;
  std::unordered_map<int64_t, const Operation*> writes_of_value_;
  std::map<int64_t, Operation> known_;  // by zxid
  std::unordered_map<int64_t, int64_t> resolved_;  // value to zxid
  std::vector<int64_t> open_since_;
  std::map<int64_t, State> states_;
};

}  // namespace

void Findings::Add(const std::string& rule, const Operation& operation) {
  ++violation_count;
  if (violations.size() < 100) {
    violations.push_back(rule + ": " + Describe(operation));
  }
}

Findings Check(const History& history) {
  Findings findings;
  std::map<int32_t, History> by_key;
  for (const Operation& op : history) {
    by_key[op.key].push_back(op);
    findings.acknowledged_writes += Acknowledged(op);
    findings.reads += !IsWrite(op) && op.outcome != Outcome::kUnknown;
    findings.unknown += op.outcome == Outcome::kUnknown;
  }
  findings.keys = by_key.size();
  CheckTransactions(history, &findings);
  CheckRealTime(history, &findings);
  CheckSessions(history, &findings);
  std::unordered_map<int64_t, int64_t> happened;
  for (const auto& [key, operations] : by_key) {
    const Replay replay(operations, &findings);
    const Verdict verdict = SearchOrder(replay.WithResolved(operations));
    if (verdict == Verdict::kViolation) {
      findings.Add("no order explains this key, which begins with",
                   operations.front());
    }
    findings.undecided_keys += verdict == Verdict::kUndecided;
    happened.insert(replay.resolved().begin(), replay.resolved().end());
  }
  CheckForgotten(history, happened, &findings);
  return findings;
}

}  // namespace sillok::linearizability
