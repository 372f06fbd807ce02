// Fetcher: the fetch streams to one broker. Loop thread only.
//
// A request that waits for new records must not hold up a partition that has
// some, so there are a few streams ("lanes"), each with one request on its way;
// they share one connection.
#ifndef SILLOK_CLIENT_INTERNAL_FETCHER_H_
#define SILLOK_CLIENT_INTERNAL_FETCHER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/internal/cluster_client.h"
#include "client/internal/fetch_positions.h"
#include "client/internal/loop.h"
#include "client/internal/raw_stream.h"

namespace sillok::client {

class Fetcher {
 public:
  struct Options {
    int64_t max_wait_ms = 500;
    int64_t min_bytes = 1;
    int64_t max_bytes = 50 << 20;
    int64_t max_partition_bytes = 1 << 20;
    int64_t request_timeout_ms = 30'000;
    bool read_committed = false;
    std::string client_id;
  };
  // One partition's answer, or the same transport error for all of a request.
  struct Result {
    FetchPositions::Fetch fetch;
    FetchPositions::FetchOutcome outcome;
  };
  // `status` is the transport's.
  using OnResults =
      std::function<void(std::vector<Result>, const absl::Status& status)>;

  Fetcher(Loop* loop, ClusterClient* cluster, int32_t broker_id,
          Options options, OnResults on_results);
  ~Fetcher();

  bool HasRoom() const;
  // Results come later, never inside the call.
  void Send(std::vector<FetchPositions::Fetch> fetches);
  // Forgets what is on its way; nothing is reported.
  void Abandon();

 private:
  struct Lane {
    RawStream* stream = nullptr;
    bool busy = false;
    uint64_t correlation_id = 0;
    Loop::TimerId deadline{};
    std::vector<FetchPositions::Fetch> fetches;
  };

  bool Open(Lane* lane);
  void OnMessage(Lane* lane, Bytes message);
  void FailLane(Lane* lane, const absl::Status& status);
  std::string Where() const;

  Loop* const loop_;
  ClusterClient* const cluster_;
  const int32_t broker_id_;
  const Options options_;
  const OnResults on_results_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  uint64_t next_correlation_id_ = 1;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_FETCHER_H_
