// BlockingCalls: unary calls that wait, with retries over brokers, for code
// that has a thread to spare. Thread-safe.
#ifndef SILLOK_CLIENT_INTERNAL_BLOCKING_CALLS_H_
#define SILLOK_CLIENT_INTERNAL_BLOCKING_CALLS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/rpc/channel.h"
#include "client/config.h"
#include "client/internal/backoff.h"
#include "client/internal/cluster_client.h"
#include "grpcpp/client_context.h"
#include "proto/broker.grpc.pb.h"

namespace sillok::client {

class BlockingCalls {
 public:
  using Clock = std::chrono::steady_clock;

  explicit BlockingCalls(const ClientConfig& config) : config_(config) {}

  Clock::time_point Deadline() const {
    return Clock::now() +
           std::chrono::milliseconds(config_.default_api_timeout_ms);
  }

  // One attempt at one address.
  template <typename Request, typename Response>
  absl::Status CallAt(const std::string& address,
                      grpc::Status (v1::Broker::Stub::*method)(
                          grpc::ClientContext*, const Request&, Response*),
                      const Request& request, Clock::time_point deadline,
                      Response* response) {
    std::unique_ptr<v1::Broker::Stub> stub =
        v1::Broker::NewStub(channels_.Get(address));
    grpc::ClientContext context;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - Clock::now());
    left = std::min(left, std::chrono::milliseconds(config_.request_timeout_ms));
    left = std::max(left, std::chrono::milliseconds(1));
    context.set_deadline(std::chrono::system_clock::now() + left);
    response->Clear();
    grpc::Status status = ((*stub).*method)(&context, request, response);
    if (!status.ok()) return TransportError(address, status);
    return absl::OkStatus();
  }

  // Tries brokers in turn until one answers. NETWORK_EXCEPTION names the
  // bootstrap list and the last cause. `*maybe_done` is set when an attempt
  // ended without an answer after it may have reached a broker.
  template <typename Request, typename Response>
  absl::Status CallAny(grpc::Status (v1::Broker::Stub::*method)(
                           grpc::ClientContext*, const Request&, Response*),
                       const Request& request, Clock::time_point deadline,
                       Response* response, bool* maybe_done = nullptr) {
    absl::Status status;
    for (int attempt = 1;; ++attempt) {
      status = CallAt(NextAddress(), method, request, deadline, response);
      if (status.ok() || !IsTransport(ErrorCodeOf(status))) return status;
      if (maybe_done != nullptr && !IsRefusal(status)) *maybe_done = true;
      if (!Pause(attempt / AddressCount(), deadline)) break;
    }
    return ErrorStatus(ErrorCodeOf(status),
                       "cannot reach the cluster at " + Bootstrap() + " (" +
                           std::string(status.message()) + ")");
  }

  // Waits before attempt `attempt` + 1; false when time is up. Attempt 0 is
  // not waited for.
  bool Pause(int attempt, Clock::time_point deadline) const;
  // The brokers an answer named; asked before the bootstrap list from now on.
  void Learn(const v1::MetadataResponse& response);
  std::string Bootstrap() const;
  // "" when the broker is not known.
  std::string AddressOf(int32_t broker_id) const;

 private:
  static bool IsTransport(ErrorCode code) {
    return code == ErrorCode::NETWORK_EXCEPTION ||
           code == ErrorCode::REQUEST_TIMED_OUT;
  }
  // Nobody was there to take the request.
  static bool IsRefusal(const absl::Status& status);
  std::string NextAddress();
  int AddressCount() const;

  const ClientConfig config_;
  rpc::ChannelPool channels_;
  mutable std::mutex mutex_;
  std::map<int32_t, std::string> brokers_;  // under mutex_
  std::atomic<uint32_t> turn_{0};
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_BLOCKING_CALLS_H_
