#include "base/net/loop.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "asio/post.hpp"
#include "base/clock.h"
#include "glog/logging.h"

namespace sillok::net {
namespace {

using SteadyClock = std::chrono::steady_clock;

thread_local Loop* running_here = nullptr;  // on a loop thread
thread_local Loop* turning_here = nullptr;  // in a turn

// Not an item but a mark: the loop has ended.
class ClosedMark final : public LoopItem {
 public:
  void RunOnLoop() override {}
  void DropFromLoop() override {}
};
ClosedMark closed_mark;

// Settling may touch others (an answer for another connection), who are settled
// in the same turn; after so many rounds other sockets get their chance.
constexpr int kRoundsPerTurn = 2;

// A client that asks one thing after the other comes back within about as long
// as it takes to put a processor to sleep and to wake it again.
constexpr auto kLinger = std::chrono::microseconds(100);
// A call that lets others have the processor and takes this long did.
constexpr auto kOthersRan = std::chrono::microseconds(20);

// Enough for the replicas and a consumer of one partition.
constexpr int kActsForOthersPerTurn = 4;

}  // namespace

class Loop::Task final : public LoopItem {
 public:
  explicit Task(std::function<void()> run) : run_(std::move(run)) {}
  void RunOnLoop() override {
    auto run = std::move(run_);
    delete this;
    run();
  }
  void DropFromLoop() override { delete this; }

 private:
  std::function<void()> run_;
};

Loop::Loop(std::string name, int callbacks_per_turn)
    : name_(std::move(name)),
      callbacks_per_turn_(callbacks_per_turn),
      work_(asio::make_work_guard(io_)),
      scratch_(new char[kScratchBytes]) {}

Loop::~Loop() { CHECK(!thread_.joinable()) << "a loop ends with Join"; }

void Loop::SetTick(int64_t ms, std::function<void()> call) {
  tick_ms_ = ms;
  on_tick_ = std::move(call);
  tick_.emplace(io_);
}

void Loop::AwaitTick() {
  tick_->expires_after(std::chrono::milliseconds(tick_ms_));
  tick_->async_wait([this](const asio::error_code& error) {
    if (error) return;
    Turn turn(this);
    on_tick_();
    AwaitTick();
  });
}

void Loop::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Loop::Run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  if (on_tick_) AwaitTick();
  running_here = this;
  {
    std::lock_guard<std::mutex> lock(turn_mutex_);
    running_ = true;
  }
  while (RunFirst() > 0) {
    for (int i = 1; i < callbacks_per_turn_ && io_.poll_one() > 0; ++i) {
    }
    if (turning_here == this) EndTurn();
  }
  running_here = nullptr;
  std::lock_guard<std::mutex> lock(turn_mutex_);
  running_ = false;
}

// Waits for a callback and runs it.
size_t Loop::RunFirst() {
  if (!std::exchange(linger_after_, false)) return io_.run_one();
  const SteadyClock::time_point begin = SteadyClock::now();
  size_t ran = waited_ < kLinger ? Linger() : 0;
  if (ran == 0) ran = io_.run_one();
  waited_ = SteadyClock::now() - begin;
  return ran;
}

size_t Loop::Linger() {
  SteadyClock::time_point now = SteadyClock::now();
  const SteadyClock::time_point end = now + kLinger;
  while (now < end) {
    if (const size_t ran = io_.poll_one(); ran > 0) return ran;
    const SteadyClock::time_point before = SteadyClock::now();
    sched_yield();
    now = SteadyClock::now();
    if (now - before >= kOthersRan) break;
  }
  return 0;
}

bool Loop::TryTurn(const std::function<void()>& act) {
  CHECK(turning_here == nullptr) << "a turn inside a turn";
  {
    std::unique_lock<std::mutex> lock(turn_mutex_, std::try_to_lock);
    if (!lock.owns_lock() || !running_) return false;
    lock.release();
  }
  BeginLocked();
  act();
  EndTurn();
  return true;
}

void Loop::Join() {
  if (!thread_.joinable()) return;
  Post([this] { io_.stop(); });
  thread_.join();
  CloseInbox();
}

void Loop::CloseInbox() {
  LoopItem* item = inbox_.exchange(&closed_mark, std::memory_order_acq_rel);
  while (item != nullptr) {
    LoopItem* next = item->next_;
    item->DropFromLoop();
    item = next;
  }
}

void Loop::Post(std::function<void()> task) {
  auto* item = new Task(std::move(task));
  if (!Push(item)) item->DropFromLoop();
}

bool Loop::Push(LoopItem* item) {
  LoopItem* head = inbox_.load(std::memory_order_relaxed);
  do {
    if (head == &closed_mark) return false;
    item->next_ = head;
  } while (!inbox_.compare_exchange_weak(head, item, std::memory_order_acq_rel,
                                         std::memory_order_relaxed));
  // Whoever finds the inbox empty wakes the loop for all who come after.
  if (head == nullptr) Wake();
  return true;
}

void Loop::Wake() {
  if (running_here != this) wakeups_.fetch_add(1, std::memory_order_relaxed);
  asio::post(io_, [this] { Turn turn(this); });
}

bool Loop::MayActHere() const {
  return turning_here == this && taken_ == nullptr &&
         inbox_.load(std::memory_order_acquire) == nullptr;
}

bool Loop::MayActForOthers() {
  Loop* const loop = turning_here;
  return loop == nullptr || loop->acted_for_others_++ < kActsForOthersPerTurn;
}

void Loop::TakeInbox() {
  // A failed load spares an exchange, which would take the cache line.
  if (inbox_.load(std::memory_order_relaxed) == nullptr) return;
  LoopItem* newest = inbox_.exchange(nullptr, std::memory_order_acq_rel);
  while (newest != nullptr) {
    LoopItem* next = newest->next_;
    newest->next_ = taken_;
    taken_ = newest;
    newest = next;
  }
  while (taken_ != nullptr) {
    LoopItem* item = taken_;
    taken_ = item->next_;
    item->RunOnLoop();
  }
}

void Loop::Touch(std::shared_ptr<Settled> who) {
  touched_.push_back(std::move(who));
}

void Loop::SetAfterTurn(const void* owner, std::function<void()> call) {
  after_turn_.erase(
      std::remove_if(after_turn_.begin(), after_turn_.end(),
                     [owner](const auto& one) { return one.first == owner; }),
      after_turn_.end());
  if (call != nullptr) after_turn_.emplace_back(owner, std::move(call));
}

void Loop::SettleTouched() {
  if (before_settling_) before_settling_();
  for (int round = 0; round < kRoundsPerTurn && !touched_.empty(); ++round) {
    if (round > 0 && before_settling_) before_settling_();
    settling_.swap(touched_);
    for (const auto& who : settling_) who->Settle();
    settling_.clear();
  }
  if (!touched_.empty()) asio::post(io_, [this] { Turn turn(this); });
}

void Loop::BeginTurn() {
  if (turning_here == this) {
    CHECK(taken_ == nullptr) << "a turn inside a task";
    CHECK(callbacks_per_turn_ > 1) << "a turn inside a turn";
    return TakeInbox();
  }
  turn_mutex_.lock();
  BeginLocked();
}

void Loop::BeginLocked() {
  turning_here = this;
  linger_ = false;
  acted_for_others_ = 0;
  now_ms_ = Clock::Real().MonotonicMs();
  TakeInbox();
}

void Loop::EndTurn() {
  SettleTouched();
  for (const auto& [owner, call] : after_turn_) call();
  if (running_here == this) linger_after_ = linger_;
  turning_here = nullptr;
  turn_mutex_.unlock();
}

Loop::Turn::Turn(Loop* loop) : loop_(loop) { loop->BeginTurn(); }

Loop::Turn::~Turn() {
  if (loop_->callbacks_per_turn_ == 1) loop_->EndTurn();
}

}  // namespace sillok::net
