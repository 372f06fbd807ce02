// A shared_ptr that one thread replaces while others copy it.
#ifndef SILLOK_BROKER_LOG_PUBLISHED_H_
#define SILLOK_BROKER_LOG_PUBLISHED_H_

#include <memory>
#include <mutex>
#include <utility>

namespace sillok {

// std::atomic<std::shared_ptr> by other means: in GCC 12 its load gives up its
// internal lock with relaxed order, which is a data race by the rules (and
// ThreadSanitizer says so). The mutex is held for the copy of a pointer, never
// while a value is made or destroyed.
template <typename T>
class Published {
 public:
  std::shared_ptr<const T> load() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  void store(std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    // What was there goes when the caller's argument does: after the unlock.
    value_.swap(value);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_PUBLISHED_H_
