#include "base/net/frame_server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "asio/steady_timer.hpp"
#include "base/clock.h"
#include "base/net/listener.h"
#include "base/net/loop.h"
#include "base/net/server_state.h"
#include "base/net/session.h"
#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::net {
namespace {

std::atomic<uint64_t> next_connection_id{1};

// How often timeouts are looked at: often enough for the shortest of them.
int64_t TickMs(const FrameServerOptions& options) {
  int64_t tick = 1000;
  for (int64_t timeout : {options.idle_timeout_ms, options.read_stall_timeout_ms,
                          options.write_stall_timeout_ms}) {
    if (timeout > 0) tick = std::min(tick, timeout / 4);
  }
  return std::max<int64_t>(tick, 5);
}

// A loop thread and its connections. All but the constructor, Join and `load`:
// on the loop thread.
class Worker {
 public:
  Worker(std::shared_ptr<ServerState> server, int index)
      : server_(std::move(server)),
        loop_(server_->options.loop),
        owns_loop_(loop_ == nullptr),
        tick_ms_(TickMs(server_->options)) {
    if (owns_loop_) {
      loop_ = std::make_shared<Loop>(
          fmt::format("{}-{}", server_->options.name, index));
    }
    tick_.emplace(loop_->io());
    loop_->Post([this] {
      loop_->SetAfterTurn(this, [this] { CountTraffic(); });
    });
    if (owns_loop_) loop_->Start();
  }

  Loop* loop() { return loop_.get(); }
  // Connections here or on their way here. Any thread.
  std::atomic<int>& load() { return load_; }

  void Adopt(int socket, ConnectionInfo info) {
    auto session = std::make_shared<Session>(
        server_, loop_, std::move(info), &traffic_,
        [this](Session* closed) { Remove(closed); });
    if (sessions_.empty()) AwaitTick();
    sessions_.emplace(session.get(), session);
    session->Start(socket);
    if (stopping_) session->Drain();
  }

  // `done` runs, once, when no connection is left.
  void Drain(std::function<void()> done) {
    stopping_ = true;
    drained_ = std::move(done);
    for (const auto& [key, session] : sessions_) session->Drain();
    CheckDrained();
  }
  void CloseAll() {
    for (const auto& [key, session] : sessions_) {
      session->RequestClose(CloseReason::kServerStopped, "");
    }
  }
  void Join() {
    if (owns_loop_) return loop_->Join();
    // The loop goes on; nothing on it may know this any more.
    std::promise<void> gone;
    loop_->Post([&] {
      *self_ = nullptr;
      loop_->SetAfterTurn(this, nullptr);
      tick_.reset();
      gone.set_value();
    });
    gone.get_future().wait();
  }

 private:
  void Remove(Session* session) {
    server_->admission.Leave(session->info());
    load_.fetch_sub(1, std::memory_order_relaxed);
    sessions_.erase(session);
    CheckDrained();
  }

  void CheckDrained() {
    if (!sessions_.empty() || !drained_) return;
    tick_->cancel();
    std::exchange(drained_, nullptr)();
  }

  void AwaitTick() {
    tick_->expires_after(std::chrono::milliseconds(tick_ms_));
    // The timer may have run out when it is cancelled: this may be gone then.
    tick_->async_wait(
        [loop = loop_, self = self_](const asio::error_code& error) {
          if (error) return;
          Loop::Turn turn(loop.get());
          if (*self != nullptr) (*self)->OnTick();
        });
  }

  void OnTick() {
    if (sessions_.empty()) return;
    for (const auto& [key, session] : sessions_) {
      session->Tick(loop_->now_ms());
    }
    AwaitTick();
  }

  void CountTraffic() {
    NetMetrics& metrics = server_->metrics;
    auto count = [](Counter* counter, int64_t n) {
      if (n != 0) counter->Add(n);
    };
    count(metrics.requests, traffic_.requests);
    count(metrics.received_bytes, traffic_.received);
    count(metrics.sent_bytes, traffic_.sent);
    count(metrics.sendfile_bytes, traffic_.sendfile);
    metrics.request_memory_bytes->Set(
        static_cast<double>(server_->memory->used()));
    traffic_ = {};
  }

  const std::shared_ptr<ServerState> server_;
  std::shared_ptr<Loop> loop_;
  const bool owns_loop_;
  const int64_t tick_ms_;
  std::optional<asio::steady_timer> tick_;
  // What a callback of the loop knows this by; null once it is to forget it.
  const std::shared_ptr<Worker*> self_ = std::make_shared<Worker*>(this);
  std::atomic<int> load_{0};
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
  Traffic traffic_;
  bool stopping_ = false;
  std::function<void()> drained_;
};

// Waits until as many have come as were announced.
class Countdown {
 public:
  explicit Countdown(size_t count) : left_(count) {}
  void Come() {
    std::lock_guard lock(mutex_);
    if (--left_ == 0) zero_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    zero_.wait(lock, [this] { return left_ == 0; });
  }
  bool WaitFor(int64_t ms) {
    std::unique_lock lock(mutex_);
    return zero_.wait_for(lock, std::chrono::milliseconds(ms),
                          [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable zero_;
  size_t left_;
};

}  // namespace

struct FrameServer::Impl {
  std::shared_ptr<ServerState> server;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::vector<std::unique_ptr<Worker>> workers;
  bool stopped = false;

  // On the first worker's loop, which accepts.
  void OnAccepted(int socket, ConnectionInfo info) {
    info.id = next_connection_id.fetch_add(1, std::memory_order_relaxed);
    server->metrics.listeners.at(info.listener).accepted->Add();
    if (auto refused = server->admission.Enter(info)) {
      close(socket);
      server->CountClosed(*refused, info, "", Clock::Real().MonotonicMs());
      return;
    }
    Worker* least = workers.front().get();
    for (const auto& worker : workers) {
      if (worker->load() < least->load()) least = worker.get();
    }
    least->load().fetch_add(1, std::memory_order_relaxed);
    least->loop()->Post([least, socket, info = std::move(info)] {
      least->Adopt(socket, info);
    });
  }

  void StartListening() {
    Loop* loop = workers.front()->loop();
    for (const auto& listener : listeners) {
      loop->Post([this, loop, listener] {
        listener->Start(loop, [this](int socket, ConnectionInfo info) {
          OnAccepted(socket, std::move(info));
        });
      });
    }
  }

  void Stop(int64_t drain_ms) {
    if (std::exchange(stopped, true)) return;
    Countdown closed(1);
    workers.front()->loop()->Post([&] {
      for (const auto& listener : listeners) listener->Close();
      closed.Come();
    });
    closed.Wait();
    // What was accepted before is on its way to the loops ahead of this.
    Countdown drained(workers.size());
    for (const auto& worker : workers) {
      worker->loop()->Post([&drained, worker = worker.get()] {
        worker->Drain([&drained] { drained.Come(); });
      });
    }
    if (drain_ms <= 0 || !drained.WaitFor(drain_ms)) {
      for (const auto& worker : workers) {
        worker->loop()->Post([worker = worker.get()] { worker->CloseAll(); });
      }
    }
    drained.Wait();
    for (const auto& worker : workers) worker->Join();
    server->cold_readers.reset();
  }
};

absl::StatusOr<std::unique_ptr<FrameServer>> FrameServer::Start(
    FrameServerOptions options, HandlerFactory factory) {
  auto impl = std::make_unique<Impl>();
  for (const ListenAddress& address : options.listeners) {
    auto listener = Listener::Bind(address, options.tcp_congestion,
                                   options.keepalive_s);
    if (!listener.ok()) return listener.status();
    impl->listeners.push_back(*std::move(listener));
  }
  impl->server =
      std::make_shared<ServerState>(std::move(options), std::move(factory));
  int threads = impl->server->options.loop != nullptr
                    ? 1
                    : std::max(1, impl->server->options.loop_threads);
  for (int i = 0; i < threads; ++i) {
    impl->workers.push_back(std::make_unique<Worker>(impl->server, i));
  }
  impl->StartListening();
  return std::unique_ptr<FrameServer>(new FrameServer(std::move(impl)));
}

FrameServer::FrameServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

FrameServer::~FrameServer() { Stop(0); }

int FrameServer::port(size_t index) const {
  return impl_->listeners[index]->port();
}

void FrameServer::Stop(int64_t drain_ms) { impl_->Stop(drain_ms); }

FrameServerStats FrameServer::stats() const {
  const NetMetrics& metrics = impl_->server->metrics;
  FrameServerStats stats;
  stats.connections_open = impl_->server->admission.open();
  for (const auto& [name, listener] : metrics.listeners) {
    stats.connections_accepted += listener.accepted->value();
  }
  for (size_t i = 0; i < metrics.closed.size(); ++i) {
    stats.connections_closed[i] = metrics.closed[i]->value();
  }
  stats.requests = metrics.requests->value();
  stats.received_bytes = metrics.received_bytes->value();
  stats.sent_bytes = metrics.sent_bytes->value();
  stats.sendfile_bytes = metrics.sendfile_bytes->value();
  stats.cold_reads = metrics.cold_reads->value();
  for (const auto& worker : impl_->workers) {
    stats.wakeups += worker->loop()->wakeups();
  }
  stats.request_memory_bytes = impl_->server->memory->used();
  stats.request_memory_waits = impl_->server->memory->waits();
  return stats;
}

}  // namespace sillok::net
