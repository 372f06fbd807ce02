#include "client/internal/loop.h"

#include <pthread.h>

#include <algorithm>
#include <memory>

#include "base/clock.h"

namespace sillok::client {

// The completion that an alarm delivers to end a wait.
class Loop::Wakeup final : public Completion {
 public:
  explicit Wakeup(Loop* loop) : loop_(loop) {}
  void Send() {
    // Long past: "now" would be rounded up to the next millisecond, and waited
    // for.
    alarm_.Set(&loop_->queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC),
               static_cast<Completion*>(this));
  }
  void Done(bool) override { loop_->RunPosted(); }

 private:
  Loop* const loop_;
  grpc::Alarm alarm_;
};

Loop::Loop(const std::string& name)
    : wakeup_(std::make_unique<Wakeup>(this)) {
  // The mutex orders the thread's start after thread_id_ is set.
  std::lock_guard lock(mutex_);
  thread_ = std::thread([this, name] {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    { std::lock_guard lock(mutex_); }
    Run();
  });
  thread_id_ = thread_.get_id();
}

Loop::~Loop() { Stop(); }

void Loop::Post(Task task) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  posted_.push_back(std::move(task));
  if (wake_pending_) return;
  wake_pending_ = true;
  // Under the lock: Stop must not shut the queue down between the two.
  wakeup_->Send();
}

void Loop::Stop() {
  if (!thread_.joinable()) return;
  Post([this] {
    stopping_ = true;
    // A cancelled call leaves the set when its last completion has come.
    for (Cancellable* call : std::vector<Cancellable*>(calls_.begin(),
                                                       calls_.end())) {
      call->Cancel();
    }
  });
  thread_.join();
}

int64_t Loop::NowMs() const { return Clock::Real().MonotonicMs(); }

Loop::TimerId Loop::After(int64_t delay_ms, Task task) {
  TimerId id{NowMs() + std::max<int64_t>(delay_ms, 0), next_timer_++};
  timers_.emplace(id, std::move(task));
  return id;
}

void Loop::RunPosted() {
  std::vector<Task> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(posted_);
    wake_pending_ = false;
  }
  for (Task& task : tasks) task();
}

int64_t Loop::RunTimers() {
  constexpr int64_t kLongMs = 3'600'000;
  while (!timers_.empty()) {
    auto first = timers_.begin();
    int64_t wait_ms = first->first.first - NowMs();
    if (wait_ms > 0) return std::min(wait_ms, kLongMs);
    Task task = std::move(first->second);
    timers_.erase(first);
    task();
  }
  return kLongMs;
}

void Loop::Run() {
  while (true) {
    int64_t wait_ms = stopping_ ? 100 : RunTimers();
    if (stopping_ && calls_.empty()) break;
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(wait_ms, GPR_TIMESPAN));
    void* tag = nullptr;
    bool ok = false;
    auto status = queue_.AsyncNext(&tag, &ok, deadline);
    if (status == grpc::CompletionQueue::GOT_EVENT) {
      static_cast<Completion*>(tag)->Done(ok);
    }
  }
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) static_cast<Completion*>(tag)->Done(ok);
}

}  // namespace sillok::client
