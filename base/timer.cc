#include "base/timer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace sillok {

Timer::Timer() : thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "timer");
}

Timer::~Timer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Timer::Id Timer::After(int64_t delay_ms, Task callback) {
  int64_t due =
      Clock::Real().MonotonicMs() + std::max<int64_t>(delay_ms, 0);
  std::lock_guard lock(mutex_);
  Id id = next_id_++;
  auto it = pending_.emplace(std::pair(due, id), std::move(callback)).first;
  due_[id] = due;
  if (it == pending_.begin()) wake_.notify_all();
  return id;
}

bool Timer::Cancel(Id id) {
  Task dropped;  // declared first: destroyed after the lock is released
  std::lock_guard lock(mutex_);
  auto it = due_.find(id);
  if (it == due_.end()) return false;
  auto entry = pending_.find({it->second, id});
  dropped = std::move(entry->second);
  pending_.erase(entry);
  due_.erase(it);
  return true;
}

void Timer::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (pending_.empty()) {
      wake_.wait(lock);
      continue;
    }
    auto first = pending_.begin();
    int64_t wait_ms = first->first.first - Clock::Real().MonotonicMs();
    if (wait_ms > 0) {
      wake_.wait_for(lock, std::chrono::milliseconds(wait_ms));
      continue;
    }
    Task callback = std::move(first->second);
    due_.erase(first->first.second);
    pending_.erase(first);
    lock.unlock();
    callback();
    callback = nullptr;
    lock.lock();
  }
}

}  // namespace sillok
