// One thread that owns a coordinator member: it polls a gRPC completion queue,
// runs what other threads post, and closes each batch of inputs with a turn.
#ifndef SILLOK_COORDINATOR_SERVER_EVENT_LOOP_H_
#define SILLOK_COORDINATOR_SERVER_EVENT_LOOP_H_

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/strand.h"

namespace sillok::coord {

// What a completion queue's tag points at. Lives until it has run.
class CompletionHandler {
 public:
  virtual ~CompletionHandler() = default;
  // On the loop. `ok` is gRPC's: false when the operation did not happen.
  virtual void OnCompletion(bool ok) = 0;
};

// A handler made of a member function: one operation of an object.
template <typename Object>
class Operation final : public CompletionHandler {
 public:
  Operation(Object* object, void (Object::*method)(bool))
      : object_(object), method_(method) {}
  void OnCompletion(bool ok) override { (object_->*method_)(ok); }

 private:
  Object* object_;
  void (Object::*method_)(bool);
};

// gRPC's own polling thread is the loop, so a request is read, decided and
// answered without a hop between threads.
class EventLoop {
 public:
  struct Hooks {
    // Every `tick_ms`, on time or late, never several for one delay.
    std::function<void()> on_tick;
    // After each batch of inputs.
    std::function<void()> on_turn;
  };

  explicit EventLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue);
  // Stop must have been called if Start was.
  ~EventLoop();

  void Start(int64_t tick_ms, Hooks hooks);
  // Any thread. Runs `task` on the loop. Dropped once Stop has begun to drain.
  void Post(Task task);
  // Shuts the queue down, runs what is left in it, and joins. All servers on
  // the queue must have been shut down. Not on the loop.
  void Stop();

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }

 private:
  class Wake;
  void Run(int64_t tick_ms);
  // False when the queue is shut down and empty.
  bool Poll(int64_t wait_ms);
  void RunPosted();

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  Hooks hooks_;
  std::thread thread_;

  std::mutex mutex_;
  std::vector<Task> posted_;  // under mutex_
  bool waking_ = false;       // under mutex_: a wake-up is in the queue
  bool stopped_ = false;      // under mutex_
  std::unique_ptr<Wake> wake_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_EVENT_LOOP_H_
