// What a thread of a recipe sleeps on: raised by watches and by changes of the
// session's state.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_SIGNAL_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_SIGNAL_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace sillok::coord {

using TimePoint = std::chrono::steady_clock::time_point;

// `wait` from now; InfiniteDuration is the end of time.
inline TimePoint DeadlineIn(absl::Duration wait) {
  constexpr absl::Duration kLong = absl::Hours(24 * 365);
  if (wait > kLong) wait = kLong;
  return std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(wait);
}
inline bool HasPassed(TimePoint deadline) {
  return std::chrono::steady_clock::now() >= deadline;
}

// Thread-safe. Stays raised until somebody has waited for it.
class Signal {
 public:
  void Raise() {
    std::lock_guard lock(mutex_);
    raised_ = true;
    wake_.notify_all();
  }
  // False when the deadline came first.
  bool Await(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    bool raised = wake_.wait_until(lock, deadline, [this] { return raised_; });
    raised_ = false;
    return raised;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool raised_ = false;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_SIGNAL_H_
