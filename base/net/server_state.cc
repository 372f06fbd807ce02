#include "base/net/server_state.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::net {
namespace {

constexpr int64_t kLogWindowMs = 10'000;
constexpr int kLinesPerWindow = 10;

}  // namespace

std::optional<int64_t> LogLimiter::Allow(CloseReason reason, int64_t now_ms) {
  std::lock_guard lock(mutex_);
  Window& window = windows_[static_cast<size_t>(reason)];
  if (window.lines == 0 || now_ms - window.begin_ms >= kLogWindowMs) {
    window.begin_ms = now_ms;
    window.lines = 0;
  }
  if (window.lines == kLinesPerWindow) {
    ++window.left_out;
    return std::nullopt;
  }
  ++window.lines;
  return std::exchange(window.left_out, 0);
}

std::optional<CloseReason> Admission::Enter(const ConnectionInfo& info) {
  auto own_limit = options_.max_connections_per_ip_overrides.find(info.peer_host);
  bool has_own = own_limit != options_.max_connections_per_ip_overrides.end();
  int limit = has_own ? own_limit->second : options_.max_connections_per_ip;
  std::lock_guard lock(mutex_);
  if (options_.max_connections > 0 && open_ >= options_.max_connections) {
    return CloseReason::kTooMany;
  }
  auto from = open_from_ip_.find(info.peer_host);
  int already = from == open_from_ip_.end() ? 0 : from->second;
  // An own limit of 0 shuts an address out.
  if ((limit > 0 || has_own) && already >= limit) {
    return CloseReason::kTooManyFromIp;
  }
  ++open_;
  open_from_ip_[info.peer_host] = already + 1;
  metrics_->listeners.at(info.listener)
      .open->Set(++open_listener_[info.listener]);
  return std::nullopt;
}

void Admission::Leave(const ConnectionInfo& info) {
  std::lock_guard lock(mutex_);
  --open_;
  auto from = open_from_ip_.find(info.peer_host);
  if (--from->second == 0) open_from_ip_.erase(from);
  metrics_->listeners.at(info.listener)
      .open->Set(--open_listener_[info.listener]);
}

int Admission::open() const {
  std::lock_guard lock(mutex_);
  return open_;
}

NetMetrics::NetMetrics(const FrameServerOptions& options) {
  MetricsRegistry* registry = options.metrics;
  if (registry == nullptr) {
    own = std::make_unique<MetricsRegistry>();
    registry = own.get();
  }
  const MetricLabels server = {{"server", options.name}};
  auto counter = [&](const char* name, const char* help) {
    return registry->AddCounter(name, help, server);
  };
  for (const ListenAddress& listener : options.listeners) {
    MetricLabels labels = {{"server", options.name},
                           {"listener", listener.name}};
    listeners[listener.name] = {
        registry->AddGauge("sillok_net_connections", "Open connections.",
                           labels),
        registry->AddCounter("sillok_net_connections_accepted_total",
                             "Connections accepted, refused ones included.",
                             labels)};
  }
  for (int i = 0; i < kCloseReasons; ++i) {
    const char* reason = CloseReasonName(static_cast<CloseReason>(i));
    closed[static_cast<size_t>(i)] = registry->AddCounter(
        "sillok_net_connections_closed_total", "Connections ended, by reason.",
        {{"server", options.name}, {"reason", reason}});
  }
  requests = counter("sillok_net_requests_total", "Frames received.");
  received_bytes = counter("sillok_net_received_bytes_total", "Bytes received.");
  sent_bytes = counter("sillok_net_sent_bytes_total", "Bytes sent.");
  sendfile_bytes = counter("sillok_net_sendfile_bytes_total",
                           "Bytes sent that never were in our memory.");
  cold_reads = counter("sillok_net_cold_reads_total",
                       "Parts of files that had to be read from a disk first.");
  request_memory_bytes = registry->AddGauge("sillok_net_request_memory_bytes",
                                            "Memory of requests.", server);
}

ServerState::ServerState(FrameServerOptions given,
                         FrameServer::HandlerFactory make)
    : options(std::move(given)),
      factory(std::move(make)),
      metrics(options),
      memory(std::make_shared<RequestMemory>(options.max_request_memory_bytes)),
      admission(options, &metrics),
      cold_readers(options.cold_read_threads <= 0
                       ? nullptr
                       : std::make_unique<Executor>(
                             options.name + "-cold",
                             options.cold_read_threads)) {}

void ServerState::CountClosed(CloseReason reason, const ConnectionInfo& info,
                              const std::string& detail, int64_t now_ms) {
  metrics.closed[static_cast<size_t>(reason)]->Add();
  std::string line =
      fmt::format("{} connection closed: peer={} listener={} reason={}{}{}",
                  options.name, info.peer, info.listener,
                  CloseReasonName(reason), detail.empty() ? "" : ": ", detail);
  // Clients come and go; that is no news. Nor is an end that the protocol asked
  // for without saying why.
  if ((reason == CloseReason::kHandler && detail.empty()) ||
      reason == CloseReason::kPeerClosed ||
      reason == CloseReason::kServerStopped ||
      reason == CloseReason::kSocketError || reason == CloseReason::kIdle) {
    VLOG(1) << line;
    return;
  }
  std::optional<int64_t> left_out = log_limiter.Allow(reason, now_ms);
  if (!left_out.has_value()) return;
  if (*left_out > 0) {
    line += fmt::format(" ({} more since the last line)", *left_out);
  }
  if (reason == CloseReason::kUnanswered || reason == CloseReason::kFileChanged) {
    LOG(ERROR) << line;
  } else {
    LOG(WARNING) << line;
  }
}

}  // namespace sillok::net
