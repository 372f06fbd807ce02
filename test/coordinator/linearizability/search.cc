#include "test/coordinator/linearizability/search.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <unordered_set>
#include <vector>

namespace sillok::linearizability {
namespace {

struct Znode {
  bool exists = false;
  int32_t version = 0;
  int64_t value = 0;
};

// Whether the operation, done at once on `node`, gives its answer; `node` is
// then what it leaves. An unknown one always does.
bool Step(const Operation& op, Znode* node) {
  const bool version_fits = op.expected_version == kAnyVersion ||
                            op.expected_version == node->version;
  Outcome outcome = Outcome::kOk;
  Znode after = *node;
  switch (op.action) {
    case Action::kCreate:
      if (node->exists) outcome = Outcome::kNodeExists;
      after = {true, 0, op.value};
      break;
    case Action::kSet:
      if (!node->exists) {
        outcome = Outcome::kNoNode;
      } else if (!version_fits) {
        outcome = Outcome::kBadVersion;
      }
      after.version += 1;
      after.value = op.value;
      break;
    case Action::kDelete:
      if (!node->exists) {
        outcome = Outcome::kNoNode;
      } else if (!version_fits) {
        outcome = Outcome::kBadVersion;
      }
      after = {};
      break;
    default:
      if (!node->exists) outcome = Outcome::kNoNode;
      break;
  }
  if (op.outcome == Outcome::kUnknown) {
    if (outcome == Outcome::kOk && IsWrite(op)) *node = after;
    return true;
  }
  if (outcome != op.outcome) return false;
  if (outcome != Outcome::kOk) return true;
  if (op.action == Action::kSyncRead) {
    return node->value == op.value && node->version == op.version;
  }
  if (op.action == Action::kSet && after.version != op.version) return false;
  *node = after;
  return true;
}

// A call or a return, in a list from which pairs are lifted out.
struct Entry {
  size_t operation = 0;
  Entry* match = nullptr;  // of a call: its return
  Entry* before = nullptr;
  Entry* next = nullptr;
};

class Search {
 public:
  explicit Search(const History& operations) : operations_(operations) {
    entries_.resize(2 * operations.size());
    done_.resize((operations.size() + 7) / 8, '\0');
    struct At {
      int64_t ns;
      bool is_return;
      size_t operation;
    };
    std::vector<At> order;
    for (size_t i = 0; i < operations.size(); ++i) {
      const Operation& op = operations[i];
      order.push_back({op.called_ns, false, i});
      order.push_back({op.outcome == Outcome::kUnknown
                           ? std::numeric_limits<int64_t>::max()
                           : op.returned_ns,
                       true, i});
    }
    std::sort(order.begin(), order.end(), [](const At& a, const At& b) {
      // At the same instant they are taken to overlap.
      return a.ns != b.ns ? a.ns < b.ns : a.is_return < b.is_return;
    });
    Entry* last = &head_;
    for (size_t i = 0; i < order.size(); ++i) {
      Entry* entry = &entries_[2 * order[i].operation + order[i].is_return];
      entry->operation = order[i].operation;
      if (!order[i].is_return) {
        entry->match = &entries_[2 * order[i].operation + 1];
      }
      entry->before = last;
      last->next = entry;
      last = entry;
    }
  }

  Verdict Run(int64_t budget) {
    Znode node;
    Entry* entry = head_.next;
    while (head_.next != nullptr) {
      if (--budget < 0) return Verdict::kUndecided;
      if (entry != nullptr && entry->match != nullptr) {
        Znode after = node;
        if (Step(operations_[entry->operation], &after) &&
            Remember(entry->operation, after)) {
          taken_.push_back({entry, node});
          node = after;
          Lift(entry);
          entry = head_.next;
        } else {
          entry = entry->next;
        }
        continue;
      }
      // A return whose call could not be placed before it: take one back.
      if (taken_.empty()) return Verdict::kViolation;
      entry = taken_.back().call;
      node = taken_.back().node;
      taken_.pop_back();
      Flip(entry->operation);
      Unlift(entry);
      entry = entry->next;
    }
    return Verdict::kLinearizable;
  }

 private:
  struct Taken {
    Entry* call;
    Znode node;  // before it
  };

  void Flip(size_t operation) {
    done_[operation / 8] =
        static_cast<char>(done_[operation / 8] ^ (1 << (operation % 8)));
  }

  // False when this set of operations has led to this znode before.
  bool Remember(size_t operation, const Znode& node) {
    Flip(operation);
    std::string key = done_;
    key.append(reinterpret_cast<const char*>(&node.value), sizeof(node.value));
    key.append(reinterpret_cast<const char*>(&node.version),
               sizeof(node.version));
    key += static_cast<char>(node.exists);
    if (seen_.insert(std::move(key)).second) return true;
    Flip(operation);
    return false;
  }

  static void Unlink(Entry* entry) {
    entry->before->next = entry->next;
    if (entry->next != nullptr) entry->next->before = entry->before;
  }
  static void Link(Entry* entry) {
    entry->before->next = entry;
    if (entry->next != nullptr) entry->next->before = entry;
  }
  static void Lift(Entry* call) {
    Unlink(call);
    Unlink(call->match);
  }
  static void Unlift(Entry* call) {
    Link(call->match);
    Link(call);
  }

  const History& operations_;
  std::vector<Entry> entries_;
  Entry head_;
  std::vector<Taken> taken_;
  std::string done_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

Verdict SearchOrder(const History& of_one_key, int64_t budget) {
  History operations;
  for (const Operation& op : of_one_key) {
    if (op.action == Action::kRead) continue;
    if (op.action == Action::kSyncRead && op.outcome == Outcome::kUnknown) {
      continue;
    }
    operations.push_back(op);
  }
  return Search(operations).Run(budget);
}

}  // namespace sillok::linearizability
