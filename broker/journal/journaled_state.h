// A state machine that is kept in a partition of an internal topic.
//
// Consumer groups and transactions live this way: the broker that leads the
// partition replays its log into memory and is then the one that decides; what
// it decides becomes records of the same partition.
//
// The rule, all of it:
//   The machine's durable state is, at any time, the records of the log from
//   its start to the high watermark, in log order, and nothing else.
// So nobody ever sees a state that a failover could take back. A change goes
//   decide -> Append (acks=all) -> high watermark passed -> apply -> answer,
// several may be under way, and they are applied in the order they were
// appended. An answer can fail by time while its records stay in the log: then
// they are still applied when the high watermark passes them, as a replay would.
//
// A new leader first waits until the high watermark has reached the log end it
// started with: only then has it everything its predecessors answered for.
#ifndef SILLOK_BROKER_JOURNAL_JOURNALED_STATE_H_
#define SILLOK_BROKER_JOURNAL_JOURNALED_STATE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "broker/journal/journal_partition.h"

namespace sillok {

inline constexpr int64_t kNeverMs = std::numeric_limits<int64_t>::max();

struct JournalOptions {
  // How long an append may wait for replicas before its reply fails.
  int64_t commit_timeout_ms = 5'000;      // offsets.commit.timeout.ms
  // Bytes read from the log in one step of a load.
  int32_t load_step_bytes = 5 << 20;      // offsets.load.buffer.size
  // Appends that may be under way; more are refused with
  // COORDINATOR_NOT_AVAILABLE.
  size_t max_in_flight = 20'000;
  // How long a load waits after a read that failed.
  int64_t load_retry_ms = 100;
};

struct JournalRecord {
  std::string key;
  std::optional<std::string> value;  // none = a tombstone

  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};

// A record met in a replay. The views live as long as the call.
struct ReplayedRecord {
  Offset offset;
  int64_t timestamp_ms = -1;
  std::string_view key;
  std::optional<std::string_view> value;
  // Of a transactional batch: counts only when a commit marker of this producer
  // follows. -1 otherwise.
  ProducerId transaction = kNoProducerId;
};

// What the owner of the state implements. All calls come on the strand.
class JournaledMachine {
 public:
  virtual ~JournaledMachine() = default;

  // Leadership is over, or begins anew: forget everything, and answer what is
  // parked in the machine itself with `reason` (NOT_COORDINATOR). Entries given
  // to Append are answered by the journal, before this call.
  virtual void Drop(ErrorCode reason) = 0;
  // Records in log order. Must cope with any bytes.
  virtual void Replay(const ReplayedRecord& record) = 0;
  // A transaction of `producer` ended here.
  virtual void ReplayMarker(ProducerId producer, bool committed) = 0;
  // The replay is complete; from now on requests reach the machine.
  virtual void OnLoaded() = 0;
};

// A decided change on its way.
struct JournalEntry {
  std::vector<JournalRecord> records;  // one batch; not empty
  // Runs once, when the fate of the records is known, in log order:
  // `base_offset` is where the first one stands below the high watermark, or -1
  // when they are surely not in the log. Does not run when the leadership ends
  // before that.
  std::function<void(Offset base_offset)> settle;
  // Runs exactly once: with NONE right after `settle`, else with
  //   COORDINATOR_NOT_AVAILABLE  too few replicas, or not in time (the change
  //                              may or may not happen)
  //   NOT_COORDINATOR            leadership ended or the log failed (may or may
  //                              not happen); Drop follows
  //   MESSAGE_TOO_LARGE          the partition does not take so large a batch
  //   UNKNOWN_SERVER_ERROR       else.
  std::function<void(ErrorCode)> reply;
};

// Lives on one strand: every method is called there, and every callback out of
// it comes there. Holds no thread and no timer: the owner calls OnTime.
class JournaledState {
 public:
  // Runs a task later on the owner's strand, if the JournaledState is still
  // alive then (else drops it). Callable from any thread.
  using Post = std::function<void(std::function<void()>)>;

  // `name` is for logs ("__consumer_offsets-7"). The pointers outlive this.
  JournaledState(std::string name, JournalOptions options, const Clock* clock,
                 Post post, JournaledMachine* machine);
  ~JournaledState();
  JournaledState(const JournaledState&) = delete;
  JournaledState& operator=(const JournaledState&) = delete;

  // This broker leads under `epoch`: drops what there was and loads. Ignored
  // unless `epoch` is newer than any epoch led or resigned before.
  void Lead(LeaderEpoch epoch, std::shared_ptr<JournalPartition> partition);
  // It does not lead any more, as of `epoch`: ignored when it has been made
  // leader in a newer one, so that a late notice ends nothing.
  void Resign(LeaderEpoch epoch);

  // NONE: requests may reach the machine. Else what to answer them:
  // COORDINATOR_LOAD_IN_PROGRESS or NOT_COORDINATOR.
  ErrorCode Check() const;
  LeaderEpoch epoch() const { return epoch_; }

  // Only while Check() is NONE. No callback runs within the call.
  void Append(JournalEntry entry);

  // When OnTime has to be called (Clock::MonotonicMs); kNeverMs = no need.
  int64_t next_deadline_ms() const;
  // Fails the replies whose time is over; goes on with a load.
  void OnTime();

  size_t in_flight() const { return in_flight_.size(); }
  // How far the load has come: for logs and describe.
  Offset loaded_to() const { return next_offset_; }

 private:
  enum class Phase { kResigned, kLoading, kActive };
  // In the order of the log.
  struct InFlight {
    JournalEntry entry;
    int64_t deadline_ms = 0;
    bool replied = false;
    // Its fate is known: in the log below the high watermark at `base_offset`,
    // or with -1 not in the log. It is applied when it is the first in flight.
    bool settled = false;
    Offset base_offset = kNoOffset;
  };

  // Loading, in steps: LoadStep reads and replays one piece and posts the next.
  void LoadStep();
  bool ReplayBatches(const Bytes& batches);
  void AwaitMoreToLoad();
  void FinishLoading();
  void RetryLoad(const std::string& why);

  void OnAppended(uint64_t id, const JournalAppendOutcome& outcome);
  void AwaitCommit(uint64_t id, Offset base, Offset last);
  void SettleAsCommitted(uint64_t id, Offset base);
  void SettleAsRefused(uint64_t id, ErrorCode error);
  void ApplySettled();
  void Reply(InFlight& change, ErrorCode error);
  InFlight* FindInFlight(uint64_t id);

  void Depose();
  void EndLife();
  // Posts `task`; it is dropped when the leadership it belongs to is over.
  void PostInThisLife(std::function<void()> task);
  std::function<void()> InThisLife(std::function<void()> task);

  const std::string name_;
  const JournalOptions options_;
  const Clock* const clock_;
  const Post post_;
  JournaledMachine* const machine_;

  Phase phase_ = Phase::kResigned;
  LeaderEpoch epoch_ = kNoLeaderEpoch;  // the newest heard of
  std::shared_ptr<JournalPartition> partition_;  // null when resigned
  // Raised by every Lead and Resign: what was started in an earlier life must
  // not touch this one (a late load resurrects nothing).
  uint64_t life_ = 0;

  // Loading.
  Offset next_offset_;
  Offset load_end_ = kNoOffset;  // the log end that this life began with
  int64_t load_started_ms_ = 0;
  int64_t load_retry_at_ms_ = kNeverMs;

  std::deque<InFlight> in_flight_;
  uint64_t front_id_ = 1;  // of in_flight_.front(); ids are consecutive
  // Deadlines come in the order of Append, so this one is the next to pass.
  uint64_t first_unreplied_id_ = 1;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_JOURNAL_JOURNALED_STATE_H_
