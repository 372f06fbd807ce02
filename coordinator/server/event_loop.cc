#include "coordinator/server/event_loop.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"

namespace sillok::coord {
namespace {

// Inputs taken before their outputs are carried out: enough to make one write
// of what a busy moment brings, few enough to keep answering.
constexpr int kBatch = 512;

gpr_timespec In(int64_t ms) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_millis(ms, GPR_TIMESPAN));
}

}  // namespace

// Brings a waiting Next back: an alarm that is due at once.
class EventLoop::Wake final : public CompletionHandler {
 public:
  explicit Wake(EventLoop* loop) : loop_(loop) {}
  void Ring() {
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(loop_->queue(), gpr_inf_past(GPR_CLOCK_MONOTONIC), this);
  }
  void OnCompletion(bool) override {
    std::lock_guard lock(loop_->mutex_);
    loop_->waking_ = false;
  }

 private:
  EventLoop* loop_;
  std::unique_ptr<grpc::Alarm> alarm_;
};

EventLoop::EventLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : queue_(std::move(queue)), wake_(std::make_unique<Wake>(this)) {}

EventLoop::~EventLoop() {
  if (thread_.joinable()) Stop();
}

void EventLoop::Start(int64_t tick_ms, Hooks hooks) {
  hooks_ = std::move(hooks);
  thread_ = std::thread([this, tick_ms] { Run(tick_ms); });
  pthread_setname_np(thread_.native_handle(), "coord-loop");
}

void EventLoop::Post(Task task) {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  posted_.push_back(std::move(task));
  if (waking_) return;
  waking_ = true;
  wake_->Ring();
}

void EventLoop::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  queue_->Shutdown();
  if (thread_.joinable()) thread_.join();
  std::lock_guard lock(mutex_);
  posted_.clear();
}

bool EventLoop::Poll(int64_t wait_ms) {
  void* tag = nullptr;
  bool ok = false;
  gpr_timespec deadline =
      wait_ms > 0 ? In(wait_ms) : gpr_inf_past(GPR_CLOCK_MONOTONIC);
  for (int taken = 0; taken < kBatch; ++taken) {
    switch (queue_->AsyncNext(&tag, &ok, deadline)) {
      case grpc::CompletionQueue::SHUTDOWN:
        return false;
      case grpc::CompletionQueue::TIMEOUT:
        return true;
      case grpc::CompletionQueue::GOT_EVENT:
        static_cast<CompletionHandler*>(tag)->OnCompletion(ok);
    }
    deadline = gpr_inf_past(GPR_CLOCK_MONOTONIC);
  }
  return true;
}

void EventLoop::RunPosted() {
  std::vector<Task> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (Task& task : tasks) task();
}

void EventLoop::Run(int64_t tick_ms) {
  const Clock& clock = Clock::Real();
  int64_t next_tick = clock.MonotonicMs() + tick_ms;
  while (Poll(std::max<int64_t>(next_tick - clock.MonotonicMs(), 0))) {
    RunPosted();
    int64_t now = clock.MonotonicMs();
    if (now >= next_tick) {
      hooks_.on_tick();
      next_tick = now + tick_ms;
    }
    hooks_.on_turn();
  }
}

}  // namespace sillok::coord
