// A simulated partition: the real replication cores of three to five brokers on
// a virtual clock, network and disk, with a model of the controller.
#ifndef SILLOK_TEST_SIM_REPLICATION_WORLD_H_
#define SILLOK_TEST_SIM_REPLICATION_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/replication/offset_waiters.h"
#include "broker/replication/replica_state.h"
#include "test/sim/event_queue.h"
#include "test/sim/keyed_random.h"
#include "test/sim/network.h"
#include "test/sim/replication_checkers.h"
#include "test/sim/replication_controller.h"
#include "test/sim/replication_log.h"

namespace sillok::sim {

// Bugs that can be planted in the shell's part; those of the core are
// LeaderFaults.
struct ShellFaults {
  bool truncate_to_high_watermark = false;
  bool no_epoch_check = false;
  bool acknowledge_before_replication = false;
  bool read_above_high_watermark = false;
  bool fetch_before_flush = false;
};

struct ReplicationOptions {
  uint64_t seed = 1;
  LeaderFaults leader_faults;
  ShellFaults shell_faults;
  bool trace = false;
};

// How often interesting things happened: a simulation that never sees them
// proves nothing.
struct ReplicationReached {
  uint64_t acknowledged = 0, reads = 0, elections = 0, kills = 0,
           power_losses = 0, truncations = 0, truncated_records = 0,
           shrinks = 0, expansions = 0, refused_alters = 0, restarts_at = 0,
           timed_out_alters = 0, lost_tails = 0;
  void Add(const ReplicationReached& other);
  std::string ToString() const;
};

struct ReplicationResult {
  bool failed = false;
  std::string invariant;
  std::string text;
  uint64_t trace_hash = 0;
  ReplicationReached reached;
};

class ReplicationWorld {
 public:
  explicit ReplicationWorld(const ReplicationOptions& options);
  ~ReplicationWorld();
  // Faults for a while, then all is healed and must converge.
  ReplicationResult Run();

 private:
  struct Broker;
  struct FetchQuestion;
  struct FetchReply;
  using Event = std::function<void()>;

  int64_t NowMs() const { return events_.now() / 1000; }
  uint64_t Draw(int kind) { return random_.Draw(kind, 0, ++ordinals_[kind]); }
  bool Chance(double p, int kind) {
    return random_.Chance(p, kind, 0, ++ordinals_[kind]);
  }
  int64_t Range(int64_t low, int64_t high, int kind) {
    return random_.Range(low, high, kind, 0, ++ordinals_[kind]);
  }
  void Trace(const std::string& line);

  void After(int64_t delay_us, Event event) {
    events_.After(delay_us, std::move(event));
  }
  // Delivers by the network's grace; nothing to a broker that is down, late to
  // one that is paused. `controller_` is the last node.
  void Send(int from, int to, Event event);
  void Deliver(int from, int to, Event event);
  // Runs for this life of the broker only.
  void AfterFor(int broker, int64_t delay_us, Event event);

  // The controller's side.
  void Heartbeat(int broker);
  void PushState(int broker);
  void PushAll();
  void OnAlterRequest(int broker, BrokerEpoch epoch, AlterIsr wanted,
                      uint64_t ticket);

  // A broker's shell.
  void Start(int broker);
  void Crash(int broker, bool power_loss);
  void ApplyState(int broker, const PartitionAssignment& next);
  void AfterLeaderInput(int broker);
  void CheckHighWatermark(int broker);
  void SendAlter(int broker, const AlterIsr& wanted);
  void OnAlterAnswer(int broker, uint64_t ticket, ErrorCode error,
                     const PartitionAssignment& state);
  void Append(int broker);
  Offset DurableEnd(int broker) const;
  void StartFlush(int broker);
  void Fetch(int broker, int64_t delay_us);
  FetchReply Answer(int broker, const FetchQuestion& question);
  void OnFetchReply(int broker, const FetchQuestion& question,
                    const FetchReply& reply);
  void NextFetch(int broker, int64_t delay_us);
  void TruncateTo(int broker, Offset target);
  void Read(int broker);
  void CheckInIsrLogs(Offset offset, const SimRecord& record);

  void Faults();
  void HealAll();
  bool AnyoneImpaired() const;
  void ExpectConverged();
  void Tick();

  const ReplicationOptions options_;
  const KeyedRandom random_;
  EventQueue<Event> events_;
  std::map<int, uint64_t> ordinals_;

  // Drawn for this seed.
  int brokers_count_ = 3;
  int controller_node_ = 3;
  bool flush_ = false;
  bool power_losses_ = false;
  bool retention_ = false;
  LeaderOptions leader_options_;
  double fault_rate_ = 0;

  std::unique_ptr<Network> network_;
  std::unique_ptr<SimController> controller_;
  std::vector<std::unique_ptr<Broker>> brokers_;
  bool faults_on_ = true;
  int64_t healed_ms_ = 0;
  uint64_t next_value_ = 1;
  uint64_t next_ticket_ = 1;

  OneLeaderPerEpoch one_leader_;
  LogMatching log_matching_;
  Committed committed_;
  MonotonicHighWatermark monotonic_;
  ReplicationReached reached_;
  uint64_t trace_hash_ = 0;
};

struct ReplicationRun {
  bool failed = false;
  uint64_t failed_seed = 0;
  uint64_t seeds = 0;
  ReplicationResult failure;
  ReplicationReached reached;
};

// Runs seeds from `first` on until one fails or `count` have passed.
ReplicationRun RunReplicationSeeds(ReplicationOptions options, uint64_t first,
                                   uint64_t count);

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_REPLICATION_WORLD_H_
