// One thread that owns a coordinator member: a net::Loop, so that sockets of
// framed protocols are read, decided and answered on it without a hop, and a
// second thread that brings it what gRPC has completed.
#ifndef SILLOK_COORDINATOR_SERVER_EVENT_LOOP_H_
#define SILLOK_COORDINATOR_SERVER_EVENT_LOOP_H_

#include <grpcpp/completion_queue.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "base/net/loop.h"
#include "base/strand.h"

namespace sillok::coord {

// What a completion queue's tag points at. Lives until it has run.
class CompletionHandler {
 public:
  virtual ~CompletionHandler() = default;
  // On the thread that polls the queue. `ok` is gRPC's: false when the operation
  // did not happen. What it returns runs on the loop, in the order of the
  // completions; null: nothing is to be done there.
  virtual Task OnCompletion(bool ok) = 0;
};

// A handler made of a member function that runs on the loop: one operation of an
// object.
template <typename Object>
class Operation final : public CompletionHandler {
 public:
  Operation(Object* object, void (Object::*method)(bool))
      : object_(object), method_(method) {}
  Task OnCompletion(bool ok) override {
    return [this, ok] { (object_->*method_)(ok); };
  }

 private:
  Object* object_;
  void (Object::*method_)(bool);
};

// The same with a member function that runs on the polling thread.
template <typename Object>
class PolledOperation final : public CompletionHandler {
 public:
  PolledOperation(Object* object, Task (Object::*method)(bool))
      : object_(object), method_(method) {}
  Task OnCompletion(bool ok) override { return (object_->*method_)(ok); }

 private:
  Object* object_;
  Task (Object::*method_)(bool);
};

// All inputs that are ready together (readable sockets, gRPC's completions, what
// other threads post) make one turn, which the hook closes.
class EventLoop {
 public:
  struct Hooks {
    // Every `tick_ms`, on time or late, never several for one delay.
    std::function<void()> on_tick;
    // After each batch of inputs.
    std::function<void()> on_turn;
  };

  EventLoop();
  // Stop must have been called if Start was.
  ~EventLoop();

  // The queue whose completions are brought here. Before Start.
  void Take(std::unique_ptr<grpc::ServerCompletionQueue> queue) {
    queue_ = std::move(queue);
  }
  void Start(int64_t tick_ms, Hooks hooks);
  // Any thread. Runs `task` on the loop, once that is started. Dropped once Stop
  // has begun to drain.
  void Post(Task task) { loop_->Post(std::move(task)); }
  // Any thread but the loop's. Runs `task` here and at once, in a turn, if the
  // loop only waits; otherwise like Post.
  void RunSoon(Task task) {
    if (!loop_->TryTurn(task)) loop_->Post(std::move(task));
  }
  // Shuts the queue down, runs what is left in it, and joins. All servers on
  // the queue and on the loop must have been shut down. Not on the loop.
  void Stop();

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  // For a FrameServer on this loop. Its connections act in the same turns.
  const std::shared_ptr<net::Loop>& net_loop() { return loop_; }

 private:
  // The forwarding thread.
  void Forward();

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  const std::shared_ptr<net::Loop> loop_;
  Hooks hooks_;
  bool started_ = false;
  std::thread forwarder_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_EVENT_LOOP_H_
