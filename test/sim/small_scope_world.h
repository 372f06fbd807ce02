// The ensemble of a small scope: real ZAB cores, their disks and links.
#ifndef SILLOK_TEST_SIM_SMALL_SCOPE_WORLD_H_
#define SILLOK_TEST_SIM_SMALL_SCOPE_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/zab/zab.h"
#include "test/sim/small_scope.h"
#include "test/sim/zab_checkers.h"
#include "test/sim/zab_image.h"

namespace sillok::sim {

// One thing that can happen.
struct SmallStep {
  enum class Kind : uint8_t {
    kDeliver,
    kWrite,
    kCrash,
    kStart,
    kPropose,
    kTick,
  };
  Kind kind = Kind::kTick;
  uint8_t a = 0;  // the member
  uint8_t b = 0;  // kDeliver: the receiver. kCrash: writes that survive.
};

// A state. Copies share what they have in common: a member is copied when it
// moves.
class SmallWorld {
 public:
  SmallWorld(const SmallScopeOptions* options, Violation* violation,
             SmallScopeResult* result);

  // What is to be taken from here: all that can happen, or as much of it as says
  // the same.
  std::vector<SmallStep> Steps() const;
  std::vector<SmallStep> AllSteps() const;
  void Take(const SmallStep& step);
  std::string Describe(const SmallStep& step) const;
  // Runs in one order until nothing moves.
  void Calm();

  // Equal for states from which the same can follow; almost surely different for
  // others.
  uint64_t Hash();
  // The same, of states that are settled as of all others.
  uint64_t ExactHash();
  // As Hash, with a place for epochs in messages as well: slower, and equal for
  // more states.
  uint64_t CompleteHash();
  // No election can come any more, see small_scope.h.
  bool Settled() const { return leader_ != n_; }

  // Of those who are up: they serve and have delivered the same.
  bool Agrees() const;
  bool AllUp() const;
  // A majority is up.
  bool CanServe() const;

 private:
  // A message; none says that the sender is gone.
  struct Item {
    std::shared_ptr<const zab::Message> message;
  };
  using Link = std::vector<Item>;
  struct Member {
    Member() = default;
    Member(const Member& other);

    ZabImage image;
    std::unique_ptr<zab::Zab> core;  // null while down
    std::vector<zab::Persist> writes;
    size_t delivered = 0;
    // The epoch on disk when it started.
    uint32_t promised_before = 0;
    // Of all above; of a settled ensemble with these epochs, if there are any.
    // 0: to be computed.
    uint64_t hash = 0;
    std::vector<uint32_t> epochs;
  };
  struct Led {
    uint32_t epoch;
    size_t leader;
  };

  Member& Own(size_t i);
  Link& LinkOf(size_t from, size_t to) { return links_[from * n_ + to]; }
  const Link& LinkOf(size_t from, size_t to) const {
    return links_[from * n_ + to];
  }
  uint64_t HashWith(const std::vector<uint32_t>& epochs);
  size_t FindLeader() const;
  bool AddUndisturbed(std::vector<SmallStep>* steps) const;
  void AddMoves(std::vector<SmallStep>* steps) const;
  bool Serves(size_t i) const;
  void Start(size_t i);
  void Crash(size_t i, size_t kept);
  void Write(size_t i);
  void Propose(size_t i);
  void Give(size_t from, size_t to, const Item& item);
  void Settle();
  void Drive(size_t i);
  void OnLeads(size_t i, uint32_t epoch);
  void ForgetLeaders();
  void Deliver(size_t i, const zab::Entry& entry);
  void CheckKept();
  static uint64_t HashOf(Member* member, const std::vector<uint32_t>& epochs);
  std::vector<uint32_t> Epochs() const;

  const SmallScopeOptions* options_;
  Violation* violation_;
  SmallScopeResult* result_;
  size_t n_;
  std::vector<std::shared_ptr<Member>> members_;
  std::vector<Link> links_;
  // Votes and answers to heartbeats on their way; none between steps.
  struct Hint {
    size_t from, to;
    Item item;
  };
  std::vector<Hint> hints_;
  std::vector<zab::Entry> committed_;
  std::vector<Led> leaders_;
  int transactions_;
  int crashes_;
  // Of a settled ensemble; else there is none.
  size_t leader_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_SMALL_SCOPE_WORLD_H_
