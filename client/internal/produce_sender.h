// ProduceSender: the produce stream to one broker. Loop thread only.
//
// Keeps at most max.in.flight requests on their way, matches answers to them,
// and gives up on the stream when one is not answered in time, since all behind
// it wait too.
#ifndef SILLOK_CLIENT_INTERNAL_PRODUCE_SENDER_H_
#define SILLOK_CLIENT_INTERNAL_PRODUCE_SENDER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/internal/cluster_client.h"
#include "client/internal/loop.h"
#include "client/internal/raw_stream.h"
#include "client/internal/record_accumulator.h"

namespace sillok::client {

// One batch's answer.
struct ProduceOutcome {
  BatchPtr batch;
  absl::Status status;  // of the broker or of the way to it
  ErrorCode code = ErrorCode::NONE;
  int64_t base_offset = -1;
  int64_t log_append_time_ms = -1;
};

class ProduceSender {
 public:
  struct Options {
    int acks = -1;
    int max_in_flight = 5;
    int64_t request_timeout_ms = 30'000;
    std::string client_id;
  };
  // Told of every batch given to Send, once.
  using OnOutcomes = std::function<void(std::vector<ProduceOutcome>)>;

  ProduceSender(Loop* loop, ClusterClient* cluster, int32_t broker_id,
                Options options, OnOutcomes on_outcomes);
  ~ProduceSender();

  bool HasRoom() const {
    return requests_.size() < static_cast<size_t>(options_.max_in_flight);
  }
  // The batches are finished. The outcomes come later, never inside the call.
  void Send(std::vector<BatchPtr> batches);
  // Gives up: every batch on its way fails with `status`.
  void Abort(const absl::Status& status);

 private:
  struct Request {
    uint64_t correlation_id;
    int64_t deadline_ms;
    std::vector<BatchPtr> batches;
  };

  Bytes Encode(const Request& request) const;
  void OnMessage(const Bytes& message);
  void OnWritten();
  void OnDeadline();
  void ArmDeadline();
  std::string Where() const;

  Loop* const loop_;
  ClusterClient* const cluster_;
  const int32_t broker_id_;
  const Options options_;
  const OnOutcomes on_outcomes_;
  std::string address_;
  RawStream* stream_ = nullptr;
  std::deque<Request> requests_;  // in the order sent
  uint64_t next_correlation_id_ = 1;
  bool deadline_armed_ = false;
  Loop::TimerId deadline_{};
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_PRODUCE_SENDER_H_
