// What all connections of a server share.
#ifndef SILLOK_BASE_NET_SERVER_STATE_H_
#define SILLOK_BASE_NET_SERVER_STATE_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/net/frame_server.h"
#include "base/net/request_memory.h"
#include "base/strand.h"

namespace sillok::net {

// Lines per reason in a window; the first line of the next window says how many
// were left out. Thread-safe.
class LogLimiter {
 public:
  // Empty: leave this line out. Else how many were left out since the last one.
  std::optional<int64_t> Allow(CloseReason reason, int64_t now_ms);

 private:
  struct Window {
    int64_t begin_ms = 0;
    int lines = 0;
    int64_t left_out = 0;
  };
  std::mutex mutex_;
  std::array<Window, kCloseReasons> windows_;  // guarded by mutex_
};

// Counters live in the caller's registry, or in one of our own.
struct NetMetrics {
  explicit NetMetrics(const FrameServerOptions& options);

  std::unique_ptr<MetricsRegistry> own;
  struct OfListener {
    Gauge* open;
    Counter* accepted;
  };
  std::map<std::string, OfListener> listeners;  // by name
  std::array<Counter*, kCloseReasons> closed;
  Counter* requests;
  Counter* received_bytes;
  Counter* sent_bytes;
  Counter* sendfile_bytes;
  Counter* cold_reads;
  Gauge* request_memory_bytes;
};

// Who is connected, against the limits. Thread-safe; used when connections come
// and go.
class Admission {
 public:
  Admission(const FrameServerOptions& options, NetMetrics* metrics)
      : options_(options), metrics_(metrics) {}

  // Empty: in, and Leave must follow.
  std::optional<CloseReason> Enter(const ConnectionInfo& info);
  void Leave(const ConnectionInfo& info);
  int open() const;

 private:
  const FrameServerOptions& options_;
  NetMetrics* const metrics_;
  mutable std::mutex mutex_;
  int open_ = 0;                              // guarded by mutex_
  std::map<std::string, int> open_from_ip_;   // guarded by mutex_
  std::map<std::string, int> open_listener_;  // guarded by mutex_
};

struct ServerState {
  ServerState(FrameServerOptions options, FrameServer::HandlerFactory factory);

  const FrameServerOptions options;
  const FrameServer::HandlerFactory factory;
  NetMetrics metrics;
  const std::shared_ptr<RequestMemory> memory;
  Admission admission;
  LogLimiter log_limiter;
  // May be null; lives until the loops have ended.
  std::unique_ptr<Executor> cold_readers;

  // Counts the end of a connection and writes its line.
  void CountClosed(CloseReason reason, const ConnectionInfo& info,
                   const std::string& detail, int64_t now_ms);
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_SERVER_STATE_H_
