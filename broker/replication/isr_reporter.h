// Sends the ISR changes that leaders want to the controller, many in a request.
#ifndef SILLOK_BROKER_REPLICATION_ISR_REPORTER_H_
#define SILLOK_BROKER_REPLICATION_ISR_REPORTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/replication/isr_channel.h"
#include "broker/replication/partition.h"

namespace sillok {

struct IsrReporterOptions {
  BrokerId broker_id;
  int64_t request_timeout_ms = 10'000;
  // After a request that nobody answered or that was refused as a whole.
  int64_t backoff_ms = 200;
  int max_partitions_per_request = 1'000;
};

// One request is under way at a time; what is wanted meanwhile goes with the
// next. Every change that was handed in gets exactly one OnAlterIsrResult; a
// partition whose request may or may not have been carried out is told
// REQUEST_TIMED_OUT and decides itself to ask again.
//
// Thread-safe; works on a strand of its own. Held by shared_ptr.
class IsrReporter : public std::enable_shared_from_this<IsrReporter> {
 public:
  // All outlive the reporter.
  static std::shared_ptr<IsrReporter> Create(IsrReporterOptions options,
                                             Executor* executor, Timer* timer,
                                             IsrChannel* channel);

  void SetBrokerEpoch(BrokerEpoch epoch);
  void Report(std::shared_ptr<Partition> partition, AlterIsr wanted);
  // Sends nothing more; what waits is dropped. Answers that come later touch
  // nothing, so the executor may go.
  void Stop();

 private:
  struct Wanted {
    std::shared_ptr<Partition> partition;
    AlterIsr change;
  };
  using Key = std::pair<std::string, int32_t>;  // topic id, partition
  using Batch = std::map<Key, Wanted>;

  IsrReporter(IsrReporterOptions options, Executor* executor, Timer* timer,
              IsrChannel* channel);
  // Posts unless stopped.
  void PostFromOutside(Task task);
  // On the strand.
  void MaybeSend();
  void OnAnswer(std::shared_ptr<Batch> sent,
                absl::StatusOr<v1::AlterPartitionResponse> response);
  void BackOff();

  const IsrReporterOptions options_;
  Timer* const timer_;
  IsrChannel* const channel_;
  Strand strand_;
  std::mutex gate_;  // a leaf: closed_, held over a post
  bool closed_ = false;

  // On the strand.
  BrokerEpoch broker_epoch_{-1};
  Batch waiting_;
  bool busy_ = false;  // a request is under way, or backing off
  bool stopped_ = false;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_ISR_REPORTER_H_
