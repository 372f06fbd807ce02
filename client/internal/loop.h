// Loop: the one thread that owns a client's state and does its network I/O.
//
// The thread polls one gRPC completion queue, so an answer is handled on the
// thread that received it: no hop. Everything marked "loop thread" runs here
// and needs no lock.
#ifndef SILLOK_CLIENT_INTERNAL_LOOP_H_
#define SILLOK_CLIENT_INTERNAL_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "grpcpp/alarm.h"
#include "grpcpp/completion_queue.h"

namespace sillok::client {

// A tag of the completion queue.
class Completion {
 public:
  virtual ~Completion() = default;
  virtual void Done(bool ok) = 0;
};

// A call in progress. The loop cancels it when it stops.
class Cancellable {
 public:
  virtual ~Cancellable() = default;
  virtual void Cancel() = 0;
};

class Loop {
 public:
  using Task = std::function<void()>;
  using TimerId = std::pair<int64_t, uint64_t>;

  // `name` shows in `top -H` (15 characters).
  explicit Loop(const std::string& name);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs `task` on the loop thread, after those posted before. Any thread. After
  // Stop began tasks are dropped.
  void Post(Task task);
  // Cancels all calls, waits for them to end, and joins. Not on the loop thread.
  void Stop();

  // The rest: loop thread only.
  TimerId After(int64_t delay_ms, Task task);
  void Cancel(const TimerId& timer) { timers_.erase(timer); }
  bool InLoop() const { return std::this_thread::get_id() == thread_id_; }
  int64_t NowMs() const;
  grpc::CompletionQueue* queue() { return &queue_; }
  // A call registers before its first operation and leaves after its last. No
  // call may begin once this is true.
  bool stopping() const { return stopping_; }
  void Register(Cancellable* call) { calls_.insert(call); }
  void Unregister(Cancellable* call) { calls_.erase(call); }

 private:
  class Wakeup;

  void Run();
  void RunPosted();
  // Runs what is due; returns the ms until the next timer, or a long time.
  int64_t RunTimers();

  grpc::CompletionQueue queue_;
  std::thread::id thread_id_;
  bool stopping_ = false;
  std::set<Cancellable*> calls_;
  std::map<TimerId, Task> timers_;
  uint64_t next_timer_ = 1;

  std::mutex mutex_;  // leaf; guards the three below
  std::vector<Task> posted_;
  bool wake_pending_ = false;
  bool closed_ = false;

  std::unique_ptr<Wakeup> wakeup_;
  std::thread thread_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_LOOP_H_
