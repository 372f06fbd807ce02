// A simulated coordinator ensemble: the real ZAB core on a virtual clock, network
// and disks that do their worst.
#ifndef SILLOK_TEST_SIM_ZAB_WORLD_H_
#define SILLOK_TEST_SIM_ZAB_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/zab.h"
#include "test/sim/disk.h"
#include "test/sim/ensemble_faults.h"
#include "test/sim/event_queue.h"
#include "test/sim/keyed_random.h"
#include "test/sim/mercy.h"
#include "test/sim/network.h"
#include "test/sim/trace.h"
#include "test/sim/zab_checkers.h"
#include "test/sim/zab_image.h"

namespace sillok::sim {

struct ZabWorldOptions {
  uint64_t seed = 1;
  // 0: the seed picks 3 or 5.
  size_t nodes = 0;
  int64_t safety_seconds = 60;
  // After all faults have ended, a leader must serve and all members agree
  // within this.
  int64_t liveness_seconds = 20;
  zab::ZabFaults faults;
  Mercy mercy;
  // Gets a line per thing that happens, if set.
  std::function<void(const std::string&)> trace;
};

// How often the interesting things happened. A run that never truncates says
// nothing about truncation.
struct ZabReached {
  uint64_t events = 0;
  uint64_t commits = 0;
  uint64_t elections = 0;
  uint64_t serving_leaders = 0;
  uint64_t crashes = 0;
  uint64_t writes_lost = 0;
  uint64_t truncations = 0;
  uint64_t snapshots = 0;
  uint64_t rejects = 0;
  uint64_t broken_promises_refused = 0;
  uint64_t deposed_leaders = 0;
  uint64_t barriers_done = 0;
  uint64_t barriers_failed = 0;
  uint64_t transfers = 0;
  uint64_t hand_overs = 0;
  uint64_t observers = 0;
  uint64_t reconfigurations = 0;  // committed
  uint64_t reconfigurations_refused = 0;
  uint64_t reconfigurations_lost = 0;
  uint64_t removed = 0;
  uint64_t removed_leaders = 0;
  uint64_t wiped = 0;
  uint64_t stranded = 0;

  void Add(const ZabReached& other);
  std::string ToString() const;
};

struct ZabResult {
  // Empty if all went well.
  std::string invariant;
  std::string text;
  ZabReached reached;
  // Of everything that happened: equal for equal options.
  uint64_t trace_hash = 0;
  std::vector<uint64_t> fired;  // see mercy.h
  int64_t ended_us = 0;
};

// What Mercy can take away from a run.
inline const std::vector<std::string> kZabTroubles = {
    "loss",   "duplication", "slow messages",     "reordering",
    "pauses", "cuts",        "trims",             "resignations",
    "hints",  "transfers",   "crashes on persist", "slow syncs",
    "batching", "small windows", "observers",     "crashes", "short counters",
    "reconfigurations"};

// One run. The seed decides first which faults exist and how often (so that
// some runs are calm but for one of them), then every single one.
class ZabWorld {
 public:
  explicit ZabWorld(ZabWorldOptions options);
  ~ZabWorld();
  ZabResult Run();

 private:
  enum class Kind : uint8_t {
    kTick, kMessage, kSyncEnd, kStart, kCrash, kPause, kCut, kHeal, kPropose,
    kBarrier, kTrim, kSnapshotArrives, kSnapshotSent, kSnapshotFailed, kPeerLost,
    kResign, kTransfer, kCheckLiveness, kReconfigure,
  };
  struct Event {
    Kind kind;
    uint8_t node = 0;
    uint8_t other = 0;
    // Of the node the event is for; outdated ones are dropped. 0: any.
    uint32_t incarnation = 0;
    // kMessage: slot. kSnapshot*: epoch. kPeerLost: the peer.
    uint32_t number = 0;
    Zxid zxid = Zxid();
  };
  struct Node {
    std::unique_ptr<zab::Zab> core;  // Null while down.
    Disk<ZabWrite, ZabImage> disk;
    uint32_t incarnation = 0;
    int64_t paused_until = 0;
    zab::RoleState role;
    Zxid delivered;
    // How many entries are delivered, by number.
    size_t index = 0;
    // Its configuration file.
    zab::Membership file;
    // Removed from the ensemble, or not yet part of it: it does not run.
    bool gone = false;
  };
  // What this seed has drawn.
  struct Swarm : Troubles {
    double propose_mean_us = 50000;
    double barrier_mean_us = 300000;
    bool short_counters = false;
  };

  void Draw();
  void BeMerciful();
  double MeanOf(Kind kind) const;
  void Plan(Kind kind);
  void EndFaults();
  void Handle(const Event& event);
  void HandleFault(const Event& event, uint64_t ordinal);
  void HandleForNode(const Event& event);

  void Start(size_t node);
  void Crash(size_t node);
  void CrashSome(uint64_t random);
  void Pause(uint64_t random);
  void Trim(size_t node);
  void Resign(size_t node);
  void Transfer(uint64_t random);

  // In zab_world_members.cc.
  void Reconfigure(uint64_t random);
  void Join(size_t node);
  void Leave(size_t node);
  // The operator takes away machines that are not needed any more.
  void WipeSome();
  void CheckLiveness();
  std::string DescribeNodes() const;

  // In zab_world_io.cc.
  void ProposeSomewhere();
  void AskBarriers();
  // After an input: takes the core's outputs and carries them out.
  void Drive(size_t node, bool may_wait = false);
  void CarryOut(size_t node, zab::Output output);
  void Deliver(size_t node, const zab::Entry& entry);
  void Send(size_t node, zab::Message message);
  void BeginSync(size_t node);
  void EndSync(size_t node);
  void SendSnapshot(size_t node, const zab::SnapshotSend& request);
  void SnapshotArrives(const Event& event);
  void CheckKept();
  std::optional<size_t> ServingLeader() const;

  template <typename... Parts>
  void Trace(const Parts&... parts) {
    TraceLine(options_.trace, events_.now(), parts...);
  }
  uint64_t Next(Kind kind) { return ++ordinals_[static_cast<size_t>(kind)]; }

  ZabWorldOptions options_;
  KeyedRandom random_;
  Swarm swarm_;
  EventQueue<Event> events_;
  std::unique_ptr<Network> network_;
  std::vector<Node> nodes_;
  std::vector<const ZabImage*> images_;
  std::vector<uint64_t> fired_;
  Slots<zab::Message> in_flight_;
  std::unique_ptr<Contacts> contacts_;
  uint64_t ordinals_[32] = {};
  uint64_t draws_ = 0;
  uint64_t proposals_ = 0;
  uint64_t barriers_ = 0;
  bool faults_over_ = false;
  bool done_ = false;
  bool wipes_ = false;
  // Liveness: the entry and barrier that have to come through.
  Zxid probe_;
  uint64_t probe_barrier_ = 0;
  bool probe_barrier_done_ = false;

  Violation violation_;
  OneLeaderPerEpoch one_leader_{&violation_};
  PrefixAgreement agreement_{&violation_};
  CommittedKept kept_{&violation_};
  MembershipsAgree memberships_{&violation_};
  PrimaryOrder order_{&violation_};
  EpochsDurable epochs_{&violation_};
  BarriersLinearizable barrier_checks_{&violation_};
  ZabReached reached_;
  uint64_t trace_hash_ = 0;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_ZAB_WORLD_H_
