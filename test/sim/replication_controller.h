// A model of the controller for one partition: sessions, clean elections from
// the ISR, and AlterPartition as compare-and-set on the partition epoch.
#ifndef SILLOK_TEST_SIM_REPLICATION_CONTROLLER_H_
#define SILLOK_TEST_SIM_REPLICATION_CONTROLLER_H_

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "broker/replication/partition_state.h"

namespace sillok::sim {

class SimController {
 public:
  explicit SimController(int brokers);

  const PartitionAssignment& state() const { return state_; }
  bool InIsr(int broker) const;
  BrokerEpoch EpochOf(int broker) const { return sessions_[broker].epoch; }
  bool Alive(int broker) const { return sessions_[broker].alive; }

  // A broker says that it is there. Its epoch, new when the session it had is
  // over or `incarnation` is another one. `unclean`: that one has crashed.
  BrokerEpoch OnHeartbeat(int broker, int incarnation, int64_t now_ms);
  void ExpireSessions(int64_t now_ms, int64_t timeout_ms);
  // Moves the leadership to `broker` if it may lead.
  void Prefer(int broker);
  ErrorCode AlterPartition(int broker, BrokerEpoch epoch,
                           const AlterIsr& wanted);

 private:
  struct Session {
    bool alive = false;
    BrokerEpoch epoch{-1};
    int incarnation = 0;
    int64_t seen_ms = 0;
  };
  void OnGone(int broker);
  void ElectIfNeeded();
  void Remove(int broker);

  std::vector<Session> sessions_;
  PartitionAssignment state_;
  int64_t next_epoch_ = 1;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_REPLICATION_CONTROLLER_H_
