// A simulated coordinator ensemble with its clients: real Members (ZAB, tree,
// sessions, watches and the leader's desk) on a virtual clock, network and disks.
#ifndef SILLOK_TEST_SIM_MEMBER_WORLD_H_
#define SILLOK_TEST_SIM_MEMBER_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "coordinator/server/member.h"
#include "coordinator/tree/membership.h"
#include "coordinator/zab/membership.h"
#include "test/sim/disk.h"
#include "test/sim/ensemble_faults.h"
#include "test/sim/event_queue.h"
#include "test/sim/keyed_random.h"
#include "test/sim/member_client.h"
#include "test/sim/member_image.h"
#include "test/sim/mercy.h"
#include "test/sim/network.h"
#include "test/sim/trace.h"
#include "test/sim/tree_reference.h"
#include "test/sim/zab_checkers.h"

namespace sillok::sim {

struct MemberWorldOptions {
  uint64_t seed = 1;
  // 0: the seed picks 3 or 5 voters.
  size_t nodes = 0;
  int64_t safety_seconds = 60;
  int64_t liveness_seconds = 20;
  zab::ZabFaults zab_faults;
  coord::MemberFaults faults;
  Mercy mercy;
  // Gets a line per thing that happens, if set.
  std::function<void(const std::string&)> trace;
};

// How often the interesting things happened.
struct MemberReached {
  uint64_t events = 0;
  uint64_t commits = 0;
  uint64_t crashes = 0;
  uint64_t leaders = 0;
  uint64_t truncations = 0;
  uint64_t snapshots = 0;
  uint64_t transfers = 0;
  uint64_t link_resets = 0;
  uint64_t digests_compared = 0;
  uint64_t reconfigurations = 0;  // committed
  uint64_t removed = 0;
  uint64_t starts_refused = 0;
  uint64_t wiped = 0;
  uint64_t joined = 0;
  uint64_t stranded = 0;
  int64_t virtual_ms = 0;
  ClientReached clients;

  void Add(const MemberReached& other);
  std::string ToString() const;
};

struct MemberResult {
  std::string invariant;  // empty if all went well
  std::string text;
  MemberReached reached;
  uint64_t trace_hash = 0;
  std::vector<uint64_t> fired;  // see mercy.h
  int64_t ended_us = 0;
};

// What Mercy can take away from a run.
inline const std::vector<std::string> kMemberTroubles = {
    "loss",    "duplication",        "slow messages", "reordering",
    "pauses",  "cuts",               "trims",         "resignations",
    "hints",   "transfers",          "observers",     "five voters",
    "batching", "crashes on persist", "slow syncs",   "small windows",
    "slow streams", "client naps",   "third client",  "second client",
    "crashes", "reconfigurations"};

// One run: the seed decides first which faults exist and how often, then every
// single one.
class MemberWorld {
 public:
  explicit MemberWorld(MemberWorldOptions options);
  ~MemberWorld();
  MemberResult Run();

 private:
  enum class Kind : uint8_t {
    kTick, kPacket, kSyncEnd, kStart, kCrash, kPause, kCut, kHeal, kTrim,
    kSnapshotArrives, kSnapshotSent, kSnapshotFailed, kPeerLost, kResign,
    kTransfer, kLinkReset, kTreeLoaded, kClientStep, kToClient, kToMember,
    kDisconnect, kCheckLiveness, kReconfigure,
  };
  struct Event {
    Kind kind;
    uint8_t node = 0;   // or the client
    uint8_t other = 0;
    uint32_t incarnation = 0;  // of the node; 0: any
    // kPacket, kTo*, kSnapshotArrives: slot. kSnapshot*: epoch. kLinkReset: 1
    // for the end that sends. kDisconnect: the stream.
    uint32_t number = 0;
    Zxid zxid = Zxid();
  };
  struct Forward {
    uint32_t epoch = 0;
    uint32_t stream = 0;  // of its link; see Link
    std::variant<v1::ForwardBatch, v1::ForwardReplyBatch> batch;
  };
  // A message to a client, or the end of its stream.
  struct ToClient {
    uint32_t stream = 0;
    std::optional<v1::SessionResponse> message;
    coord::StreamEnd end = coord::StreamEnd::kDone;
  };
  struct ToMember {
    uint32_t stream = 0;
    v1::SessionRequest message;
  };
  struct Image {
    uint32_t epoch = 0;
    std::shared_ptr<const RowSnapshot> rows;
  };
  using Packet = std::variant<std::monostate, zab::Message, Forward, ToClient,
                              ToMember, Image>;

  struct Node {
    std::unique_ptr<coord::Member> core;  // null while down
    Disk<MemberWrite, MemberImage> disk;
    // The log as the member has asked for it, durable or not.
    ZabImage asked;
    uint32_t incarnation = 0;
    int64_t paused_until = 0;
    int64_t wall_offset_ms = 0;
    Zxid applied;
    std::shared_ptr<const RowSnapshot> staged;
    uint32_t led_epoch = 0;
    // Its configuration file.
    std::vector<v1::EnsembleMember> file;
    // What is to talk to others now, and where they are.
    std::vector<zab::EnsembleMember> contacts;
    // Removed from the ensemble, or not yet part of it: nobody starts it.
    bool gone = false;
    // Started anew, and not yet a member.
    bool joining = false;
    Zxid started_at;  // applied then
  };
  // What is not ZAB's goes over one stream for each direction: in order, and
  // nothing after a loss until both ends know of it.
  struct Link {
    uint32_t stream = 1;
    bool broken = false;
    int64_t last_arrival = 0;
  };
  // A client's connection.
  struct Stream {
    uint8_t client = 0;
    uint8_t node = 0;
    uint32_t incarnation = 0;
    bool slow = false;
    bool open = false;  // the member has heard of it
    int64_t last_up = 0;
    int64_t last_down = 0;
  };
  struct Client {
    std::unique_ptr<MemberClient> core;
    uint32_t stream = 0;  // 0: none
    int64_t sent_ms = 0;
    uint64_t acknowledged_before = 0;
  };
  struct Swarm : Troubles {
    size_t clients = 2;
    int64_t session_tick_ms = 200;
    double ask_mean_us = 300000;
    double slow_stream = 0;
    double nap = 0;
  };

  void Draw();
  void BeMerciful();
  void Plan(Kind kind, double mean_us);
  void EndFaults();
  void Handle(const Event& event);
  void HandleFault(const Event& event, uint64_t ordinal);
  double MeanOf(Kind kind) const;
  void HandleForNode(const Event& event);

  coord::Now TimeOf(size_t node) const;
  void Start(size_t node);
  void Halt(size_t node);
  void Crash(size_t node);
  void CrashSome(uint64_t random);
  void Pause(uint64_t random);
  void Trim(size_t node);
  void Resign(size_t node);
  void Transfer(uint64_t random);
  std::optional<size_t> Leader() const;

  // In member_world_members.cc.
  void Reconfigure(uint64_t random);
  v1::ReconfigOp ChangeTo(const zab::Membership& next, int port,
                          uint64_t random, bool* marked) const;
  void Join(size_t node);
  void Leave(size_t node);
  void WipeSome();
  void SetContacts(size_t node, std::vector<zab::EnsembleMember> contacts);
  bool MayStart(size_t node, const ZnodeTree& tree);
  void CheckConfig(size_t node);

  void Drive(size_t node, bool may_wait = false);
  void CarryOut(size_t node, coord::MemberOutput output);
  void Persist(size_t node, zab::Persist persist);
  void OnApplied(size_t node);
  void OnRole(size_t node);
  void SendZab(size_t node, zab::Message message);
  void SendForward(size_t node, MemberId to, Forward forward);
  void Deliver(const Event& event, Packet packet);
  void BreakLink(size_t from, size_t to);
  void ResetLink(const Event& event);
  void BeginSync(size_t node);
  void EndSync(size_t node);
  void SendSnapshot(size_t node, const zab::SnapshotSend& request);
  void SnapshotArrives(const Event& event);
  void LoadTree(size_t node);
  void CheckKept();

  void StepClient(size_t client);
  void OpenStream(size_t client);
  void CloseStream(size_t client);
  void SendToMember(size_t client, v1::SessionRequest message);
  void SendToClient(coord::ClientAction action);
  void ArriveAtClient(ToClient packet);
  void ArriveAtMember(size_t node, ToMember packet);

  void CheckLiveness();
  std::string DescribeNodes() const;
  template <typename... Parts>
  void Trace(const Parts&... parts) {
    TraceLine(options_.trace, events_.now(), parts...);
  }
  Link& LinkOf(size_t from, size_t to) {
    return links_[from * nodes_.size() + to];
  }
  // Members count from 1.
  static MemberId IdOf(size_t node) {
    return MemberId(static_cast<int32_t>(node) + 1);
  }
  static size_t NodeOf(MemberId id) {
    return static_cast<size_t>(id.value() - 1);
  }
  Zxid committed() const {
    return committed_.empty() ? Zxid() : committed_.back().zxid;
  }

  MemberWorldOptions options_;
  KeyedRandom random_;
  Swarm swarm_;
  EventQueue<Event> events_;
  std::unique_ptr<Network> network_;
  std::vector<Node> nodes_;
  const ZabImage nothing_;
  std::vector<const ZabImage*> images_;  // by member id
  std::unique_ptr<Contacts> contacts_;
  std::vector<Link> links_;
  std::vector<Stream> streams_{1};  // by connection id; none is 0
  std::vector<Client> clients_;
  Slots<Packet> packets_;
  uint64_t ordinals_[32] = {};
  uint64_t draws_ = 0;
  uint64_t incarnations_ = 0;
  int reconfigs_asked_ = 0;
  bool wipes_ = false;
  std::vector<uint64_t> fired_;
  bool faults_over_ = false;
  bool done_ = false;

  // What at least one member has applied.
  std::vector<zab::Entry> committed_;
  std::map<Zxid, uint64_t> digests_;

  Violation violation_;
  TreeReference reference_{&violation_};
  OneLeaderPerEpoch one_leader_{&violation_};
  CommittedKept kept_{&violation_};
  MembershipsAgree memberships_{&violation_, coord::MembershipOf};
  EpochsDurable epochs_{&violation_};
  MemberReached reached_;
  uint64_t trace_hash_ = 0;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_MEMBER_WORLD_H_
