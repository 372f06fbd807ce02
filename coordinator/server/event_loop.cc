#include "coordinator/server/event_loop.h"

#include <pthread.h>

#include <utility>
#include <vector>

namespace sillok::coord {
namespace {

// Inputs taken before their outputs are carried out: enough to make one write
// of what a busy moment brings, few enough to keep answering.
constexpr int kInputsPerTurn = 512;

}  // namespace

EventLoop::EventLoop()
    : loop_(std::make_shared<net::Loop>("coord-loop", kInputsPerTurn)) {}

EventLoop::~EventLoop() {
  if (started_) Stop();
}

void EventLoop::Start(int64_t tick_ms, Hooks hooks) {
  hooks_ = std::move(hooks);
  started_ = true;
  loop_->set_before_settling([this] { hooks_.on_turn(); });
  loop_->SetTick(tick_ms, [this] { hooks_.on_tick(); });
  loop_->Start();
  forwarder_ = std::thread([this] { Forward(); });
  pthread_setname_np(forwarder_.native_handle(), "coord-grpc");
}

void EventLoop::Stop() {
  queue_->Shutdown();
  if (!started_) {  // nobody took anything: see it to its end here
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      Task task = static_cast<CompletionHandler*>(tag)->OnCompletion(ok);
      if (task != nullptr) task();
    }
    return;
  }
  started_ = false;
  forwarder_.join();
  loop_->Join();
}

void EventLoop::Forward() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    std::vector<Task> batch;
    int taken = 0;
    auto take = [&] {
      ++taken;
      Task task = static_cast<CompletionHandler*>(tag)->OnCompletion(ok);
      if (task != nullptr) batch.push_back(std::move(task));
    };
    take();
    // What is there already shares the way to the loop.
    while (taken < kInputsPerTurn &&
           queue_->AsyncNext(&tag, &ok,
                             gpr_inf_past(GPR_CLOCK_MONOTONIC)) ==
               grpc::CompletionQueue::GOT_EVENT) {
      take();
    }
    if (batch.empty()) continue;
    loop_->Post([batch = std::move(batch)] {
      for (const Task& task : batch) task();
    });
  }
}

}  // namespace sillok::coord
