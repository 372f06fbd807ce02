// Timers: one thread that fires callbacks when their time has come.
#ifndef SILLOK_BASE_TIMER_H_
#define SILLOK_BASE_TIMER_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/strand.h"

namespace sillok {

// Thread-safe. Callbacks run on the timer's thread and must be short: post to
// the owner's strand. O(log n) to set and cancel.
class Timer {
 public:
  using Id = uint64_t;
  static constexpr Id kNone = 0;

  Timer();
  // Drops what is pending without running it.
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Runs `callback` once, `delay_ms` from now (at once when <= 0).
  Id After(int64_t delay_ms, Task callback);
  // True when the callback was still pending and will now never run. False:
  // it has run, is running, or was cancelled.
  bool Cancel(Id id);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::pair<int64_t, Id>, Task> pending_;  // by due time, then age
  std::unordered_map<Id, int64_t> due_;
  Id next_id_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sillok

#endif  // SILLOK_BASE_TIMER_H_
