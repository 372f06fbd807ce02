// What a broker does about a disk that does not take writes. Pure.
//
// One folder holds all replicas: where one cannot be written, none is safe, so
// the broker asks the controller to take its leaderships and its places in
// in-sync sets, and is left out until it registers anew. While it is out it
// tries the disk now and then; once that works it registers anew, and takes part
// again. A disk that goes bad again soon is given longer each time. A log that
// was lost is lost until the process starts again.
#ifndef SILLOK_BROKER_DISK_TROUBLE_H_
#define SILLOK_BROKER_DISK_TROUBLE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"

namespace sillok {

struct DiskTroubleOptions {
  int64_t ask_again_ms = 5'000;  // when the controller did not take it all
  // Between the trouble and the first try, and between tries; doubled for each
  // trouble that comes within calm_ms of a recovery.
  int64_t try_ms = 5'000;
  int64_t try_max_ms = 300'000;
  int64_t calm_ms = 600'000;
};

// Times are monotonic ms. After each input: Next.
class DiskTrouble {
 public:
  explicit DiskTrouble(DiskTroubleOptions options = {})
      : options_(options), try_ms_(options.try_ms) {}

  // A write of the replica failed and was taken back / works again.
  void OnWriteFailed(const TopicPartition& partition, std::string why,
                     int64_t now_ms);
  void OnWriteWorked(const TopicPartition& partition);
  void OnLogLost() { log_lost_ = true; }
  // Under a new epoch: the controller knows nothing of our disk.
  void OnRegistered();
  // The controller's answer to `step_back`: whether it took the request, and
  // what is still led here.
  void OnSteppedBack(bool taken, int32_t remaining, int64_t now_ms);
  // The outcome of `try_disk`.
  void OnTried(bool writable, int64_t now_ms);

  struct Todo {
    bool step_back = false;  // ask the controller; answer with OnSteppedBack
    bool try_disk = false;   // write and sync; answer with OnTried
    bool register_anew = false;
    // Their trouble is over: the next failed write is to be told again.
    std::vector<TopicPartition> forget;
    int64_t wake_ms = -1;    // call Next then; -1 = need not
  };
  Todo Next(int64_t now_ms);

  // Replicas that cannot be written, and why.
  const std::map<TopicPartition, std::string>& replicas() const {
    return replicas_;
  }

 private:
  bool InTrouble() const { return log_lost_ || !replicas_.empty(); }

  const DiskTroubleOptions options_;
  std::map<TopicPartition, std::string> replicas_;
  bool log_lost_ = false;
  // Asked to step back in this registration, so only a new one brings us back.
  bool out_ = false;
  bool asking_ = false;
  bool all_handed_over_ = false;
  int64_t ask_at_ms_ = 0;
  bool trying_ = false;
  int64_t try_at_ms_ = 0;
  int64_t try_ms_;
  bool recovered_ = false;  // at recovered_ms_, and nothing was amiss since
  int64_t recovered_ms_ = 0;
  bool register_anew_ = false;
  std::vector<TopicPartition> forget_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_DISK_TROUBLE_H_
