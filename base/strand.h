// Strand: tasks of one owner, one after another, on whatever thread is at hand.
//
// Every mutable state has one owner, and the owner is a strand: what runs on it
// never runs beside itself, in the order posted, so the state needs no lock.
#ifndef SILLOK_BASE_STRAND_H_
#define SILLOK_BASE_STRAND_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sillok {

using Task = std::function<void()>;

// A pool of threads. Thread-safe. The queue is not bounded: those who post are
// (a strand posts at most one task at a time).
class Executor {
 public:
  // `name` shows in `top -H` (15 characters).
  Executor(const std::string& name, int threads);
  // Runs what was posted, then joins.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void Post(Task task);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Thread-safe. Must outlive its tasks, except that a task may drop the last
// owner of the strand's owner: the inner queue lives until it is drained.
class Strand {
 public:
  explicit Strand(Executor* executor);
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  // Queues `task`; it runs on an executor thread. Never runs it inside the call.
  void Post(Task task);
  // As Post, but when the strand is idle runs `task` (and what is posted
  // meanwhile) on this thread, before returning: no hop between threads on a
  // quiet path. Do not call with a lock held.
  void Dispatch(Task task);
  // True inside a task of this strand.
  bool RunningHere() const;

 private:
  struct Queue;
  static void Drain(const std::shared_ptr<Queue>& queue);

  Executor* executor_;
  std::shared_ptr<Queue> queue_;
};

}  // namespace sillok

#endif  // SILLOK_BASE_STRAND_H_
