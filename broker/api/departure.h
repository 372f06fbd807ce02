// Tells requests that wait that who asked has gone.
#ifndef SILLOK_BROKER_API_DEPARTURE_H_
#define SILLOK_BROKER_API_DEPARTURE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

namespace sillok::api {

// Of one connection or call: its door calls Leave when it ends, and what waits
// for data then waits no longer. Thread-safe; runs callbacks with no lock held.
class Departure {
 public:
  using Id = uint64_t;

  // `gone` runs once when the caller leaves; within this call when it has left.
  Id Add(std::function<void()> gone) {
    {
      const std::lock_guard lock(mutex_);
      if (!left_) {
        waiting_.emplace(++last_id_, std::move(gone));
        return last_id_;
      }
    }
    gone();
    return 0;
  }

  // Drops it, if it has not begun to run.
  void Remove(Id id) {
    std::function<void()> dropped;  // goes after the lock
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return;
    dropped = std::move(found->second);
    waiting_.erase(found);
  }

  // A second call does nothing.
  void Leave() {
    std::map<Id, std::function<void()>> waiting;
    {
      const std::lock_guard lock(mutex_);
      left_ = true;
      waiting.swap(waiting_);
    }
    for (const auto& [id, gone] : waiting) gone();
  }

 private:
  std::mutex mutex_;
  bool left_ = false;
  Id last_id_ = 0;
  std::map<Id, std::function<void()>> waiting_;
};

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_DEPARTURE_H_
