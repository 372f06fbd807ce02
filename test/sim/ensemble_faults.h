// What befalls the machines of a simulated ensemble and its operator does to them,
// whatever runs on the machines: drawn here for all simulations of ensembles.
#ifndef SILLOK_TEST_SIM_ENSEMBLE_FAULTS_H_
#define SILLOK_TEST_SIM_ENSEMBLE_FAULTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/membership.h"
#include "test/sim/keyed_random.h"
#include "test/sim/mercy.h"
#include "test/sim/network.h"

namespace sillok::sim {

constexpr int64_t kSecond = 1000000;

// Kinds of random choices; those of the network follow from 100.
enum Choice : uint64_t {
  kSwarm = 1, kWhen, kHow, kSyncTime, kLazy, kAfterPersist, kSurvives,
  kPauseTime, kDownTime, kSnapshotTime, kBatch, kReturn, kSeed, kWipe, kSkew,
  kLinkTime, kBreakTime, kClient, kStreamTime, kLoadTime, kNetwork = 100,
};

// What a seed has drawn. How often: the mean time in between, 0 = never.
struct Troubles {
  size_t nodes = 3;
  size_t observers = 0;
  // Machines that are no members at the start.
  size_t spares = 0;
  int64_t tick_us = 50000;
  NetworkOptions network;
  double crash_mean_us = 0;
  double pause_mean_us = 0;
  double cut_mean_us = 0;
  double trim_mean_us = 0;
  double resign_mean_us = 0;
  double transfer_mean_us = 0;
  double reconfigure_mean_us = 0;
  // Probabilities.
  double crash_on_persist = 0;
  double slow_sync = 0;
  double lazy = 0;
  bool peer_lost_hints = false;
  bool small_windows = false;

  void BeMerciful(const Mercy& mercy);
};

// The fate of a snapshot on its way. The sender may notice that it has failed, or
// believe that it has not.
struct SnapshotFate {
  int64_t took_us = 0;
  bool lost = false;
  bool noticed = false;
};

// `about` and `ordinal` name the choice.
int64_t SyncTime(const KeyedRandom& random, double slow_sync, size_t node,
                 uint64_t ordinal);
int64_t DownTime(const KeyedRandom& random, size_t node, uint64_t ordinal);
int64_t PauseTime(const KeyedRandom& random, size_t node, uint64_t ordinal);
SnapshotFate DrawSnapshotFate(const KeyedRandom& random, bool faults_over,
                              size_t node, uint64_t ordinal);

// Cuts one direction of one link, or the network in two: often one node alone,
// often the leader. Gives what it has done.
std::string CutSome(Network* network, size_t nodes,
                    std::optional<size_t> leader, uint64_t random);

// What an operator might want next: one comes or goes or changes what it is,
// voters and observers change places, everybody comes, anything. Of the machines
// `first_id` to `first_id + machines - 1`.
zab::Membership NextMembership(const zab::Membership& now, int32_t first_id,
                               size_t machines, uint64_t random);

// Whom each node's shell can talk to; node n is member `first_id` + n.
class Contacts {
 public:
  Contacts(size_t nodes, int32_t first_id)
      : first_id_(first_id), known_(nodes) {}
  void Set(size_t node, const std::vector<zab::EnsembleMember>& members) {
    known_[node] = 0;
    for (const zab::EnsembleMember& member : members) {
      known_[node] |= uint64_t{1} << (member.id.value() - first_id_);
    }
  }
  bool Knows(size_t node, size_t other) const {
    return (known_[node] >> other) & 1;
  }
  // While `node` was away all it knows have left, and all whom those know: it
  // cannot find `leader`, nor any of `members` that could tell.
  bool IsStranded(size_t node, size_t leader,
                  const zab::Membership& members) const;

 private:
  int32_t first_id_;
  std::vector<uint64_t> known_;
};

// What is on its way, by a number that an event can carry.
template <typename T>
class Slots {
 public:
  uint32_t Keep(T what) {
    if (free_.empty()) {
      kept_.push_back(std::move(what));
      return static_cast<uint32_t>(kept_.size() - 1);
    }
    const uint32_t slot = free_.back();
    free_.pop_back();
    kept_[slot] = std::move(what);
    return slot;
  }
  T Take(uint32_t slot) {
    free_.push_back(slot);
    return std::exchange(kept_[slot], T());
  }

 private:
  std::vector<T> kept_;
  std::vector<uint32_t> free_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_ENSEMBLE_FAULTS_H_
