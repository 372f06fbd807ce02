// Requests from a broker to whichever broker is the controller.
#ifndef SILLOK_BROKER_CONTROLLER_CONTROLLER_CHANNEL_H_
#define SILLOK_BROKER_CONTROLLER_CONTROLLER_CHANNEL_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/controller/controller_finder.h"
#include "proto/cluster.pb.h"

namespace sillok {

struct ControllerChannelOptions {
  int64_t retry_backoff_ms = 50;
  // Beyond a request's own timeout, for the way there and back.
  int64_t rpc_grace_ms = 2'000;
};

// Finds the controller and calls it. NOT_CONTROLLER, a controller that is not
// there, and a connection that was never made are tried again at the controller
// of the day until the request's deadline. What may have been carried out is
// tried again only where that is harmless: AlterPartition and ControlledShutdown
// are, being conditional on epochs, and so is ElectLeaders; the others then end
// with REQUEST_TIMED_OUT (unknown) in each topic or resource.
//
// Thread-safe. Every `done` runs exactly once, on a thread of gRPC, the timer or
// the executor: post to your strand. `finder` and `timer` must outlive it.
class ControllerChannel {
 public:
  template <typename Response>
  using Done = std::function<void(absl::StatusOr<Response> response)>;

  ControllerChannel(ControllerChannelOptions options, ControllerFinder* finder,
                    Timer* timer);
  // Cancels what is under way; those `done` get Cancelled.
  ~ControllerChannel();
  ControllerChannel(const ControllerChannel&) = delete;
  ControllerChannel& operator=(const ControllerChannel&) = delete;

  // An error Status only when no controller gave an answer in `timeout_ms`:
  // DeadlineExceeded; whether it happened is unknown. Else the controller's
  // answer, whose error_code may say no.
  void AlterPartition(v1::AlterPartitionRequest request, int64_t timeout_ms,
                      Done<v1::AlterPartitionResponse> done);
  void ControlledShutdown(v1::ControlledShutdownRequest request,
                          int64_t timeout_ms,
                          Done<v1::ControlledShutdownResponse> done);
  // The request's own timeout_ms counts (0 = 30 000).
  void CreateTopics(v1::CreateTopicsRequest request,
                    Done<v1::CreateTopicsResponse> done);
  void DeleteTopics(v1::DeleteTopicsRequest request,
                    Done<v1::DeleteTopicsResponse> done);
  void CreatePartitions(v1::CreatePartitionsRequest request,
                        Done<v1::CreatePartitionsResponse> done);
  void ElectLeaders(v1::ElectLeadersRequest request,
                    Done<v1::ElectLeadersResponse> done);
  // Waits 30 s at most.
  void AlterConfigs(v1::AlterConfigsRequest request,
                    Done<v1::AlterConfigsResponse> done);

  class Impl;  // of controller_channel.cc

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_CONTROLLER_CHANNEL_H_
