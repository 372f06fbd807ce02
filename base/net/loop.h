// A loop thread: an io_context of its own, an inbox for other threads, and the
// turns in which everything happens.
#ifndef SILLOK_BASE_NET_LOOP_H_
#define SILLOK_BASE_NET_LOOP_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"

namespace sillok::net {

// Something to do on a loop thread. Linked into the inbox by itself, so that
// handing it over needs no memory.
class LoopItem {
 public:
  // Runs once, or is dropped when the loop has ended; either way the item may
  // free itself.
  virtual void RunOnLoop() = 0;
  virtual void DropFromLoop() = 0;

 protected:
  ~LoopItem() = default;

 private:
  friend class Loop;
  LoopItem* next_ = nullptr;
};

// What a turn has touched and has to be settled at its end.
class Settled {
 public:
  virtual void Settle() = 0;

 protected:
  ~Settled() = default;
};

// Every callback on the loop thread runs inside a Turn, and so may, while the
// loop thread waits, something on another thread: there is one turn at a time. A
// turn first takes in
// what other threads have handed over, and at its end settles everyone it
// touched once: so the answers of a turn leave in one system call per
// connection. A loop that gathers makes one turn of all callbacks that are
// ready, for an owner whose work is cheaper by the batch.
//
// What is said to be for the loop thread is for whoever has the turn.
class Loop {
 public:
  static constexpr size_t kScratchBytes = 16 << 10;

  // `name` shows in `top -H`. Up to `callbacks_per_turn` callbacks that are
  // ready together share a turn.
  explicit Loop(std::string name, int callbacks_per_turn = 1);
  // After Join.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // `call` runs in a turn every `ms` until Join: on time or late, never several
  // times for one delay. Before Start.
  void SetTick(int64_t ms, std::function<void()> call);

  void Start();
  // Ends the thread after what is ready now; the inbox drops what comes later.
  // The io_context lives on, for those who still hold the loop.
  void Join();

  // Any thread. `task` is dropped when the loop has ended.
  void Post(std::function<void()> task);
  // Any thread. False: the loop has ended and the item was not taken.
  bool Push(LoopItem* item);
  // Any thread that is in no turn. If the loop is in none either and runs, makes
  // one here, of what was handed over earlier, then `act`, and what comes of it:
  // that spares waking the loop. False: nothing was done.
  bool TryTurn(const std::function<void()>& act);
  // True in a turn when nothing handed over earlier is still to run: a call may
  // then act at once and keep its place in the order.
  bool MayActHere() const;
  // On a loop thread: whether a callback may do a little for another loop in this
  // turn, instead of waking it. Only so often in a turn, so that the loop's own
  // connections do not wait. True on threads that are no loops.
  static bool MayActForOthers();

  // --- Loop thread only.
  class Turn {
   public:
    explicit Turn(Loop* loop);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Loop* const loop_;
  };
  // Settles `who` at the end of this turn. `who` does not ask again before its
  // Settle has begun, and lives until then.
  void Touch(std::shared_ptr<Settled> who);
  // As of the beginning of the turn.
  int64_t now_ms() const { return now_ms_; }
  // Free for use inside one call.
  char* scratch() { return scratch_.get(); }
  asio::io_context& io() { return io_; }
  // Runs at the end of each turn before the settling, and again before each
  // further round of it: whoever turns inputs into outputs does so here.
  void set_before_settling(std::function<void()> call) {
    before_settling_ = std::move(call);
  }
  // In a turn: the next input is likely to come soon, and nothing else is to be
  // done until then. If the one before came soon, too, the loop thread waits for it
  // awake for a moment, unless others want its processor.
  void LingerAfterTurn() { linger_ = true; }
  // Runs at the end of each turn, after the settling, until it is taken back
  // (null). One call for each `owner`.
  void SetAfterTurn(const void* owner, std::function<void()> call);

  int64_t wakeups() const { return wakeups_.load(std::memory_order_relaxed); }

 private:
  class Task;

  void Run();
  size_t RunFirst();
  size_t Linger();
  void Wake();
  void BeginTurn();
  void BeginLocked();
  void EndTurn();
  void AwaitTick();
  void TakeInbox();
  void SettleTouched();
  void CloseInbox();

  const std::string name_;
  const int callbacks_per_turn_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
  int64_t tick_ms_ = 0;
  std::function<void()> on_tick_;
  std::optional<asio::steady_timer> tick_;

  std::atomic<LoopItem*> inbox_{nullptr};  // newest first
  LoopItem* taken_ = nullptr;              // oldest first, still to run
  std::atomic<int64_t> wakeups_{0};
  // Of the loop thread: how long it waited when it last lingered or might have.
  std::chrono::nanoseconds waited_ = std::chrono::hours(1);
  bool linger_after_ = false;

  // Held by a turn; what is below is of the turn.
  std::mutex turn_mutex_;
  bool running_ = false;
  bool linger_ = false;
  int64_t now_ms_ = 0;
  int acted_for_others_ = 0;  // in this turn
  std::vector<std::shared_ptr<Settled>> touched_;
  std::vector<std::shared_ptr<Settled>> settling_;
  std::function<void()> before_settling_;
  std::vector<std::pair<const void*, std::function<void()>>> after_turn_;
  std::unique_ptr<char[]> scratch_;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_LOOP_H_
