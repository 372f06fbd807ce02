// What a member tells operators of its client streams: four-letter words, admin
// pages. Plain data.
#ifndef SILLOK_COORDINATOR_SERVER_STREAM_FACTS_H_
#define SILLOK_COORDINATOR_SERVER_STREAM_FACTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/ids.h"
#include "coordinator/tree/watch_table.h"

namespace sillok::coord {

// Messages and how long answers took, of one stream or of a member.
struct Traffic {
  uint64_t received = 0;
  uint64_t sent = 0;
  uint64_t answered = 0;  // requests; those the latencies are of
  int64_t min_latency_ms = 0;
  int64_t max_latency_ms = 0;
  int64_t total_latency_ms = 0;

  void Answered(int64_t latency_ms) {
    min_latency_ms =
        answered == 0 ? latency_ms : std::min(min_latency_ms, latency_ms);
    max_latency_ms = std::max(max_latency_ms, latency_ms);
    total_latency_ms += latency_ms;
    ++answered;
  }
  double average_latency_ms() const {
    return answered == 0 ? 0 : double(total_latency_ms) / double(answered);
  }
};

struct StreamFacts {
  ConnectionId id;
  std::string client_ip;
  SessionId session;        // 0 until the session is open
  int64_t timeout_ms = 0;   // negotiated
  int64_t age_ms = 0;       // since the stream began
  size_t pending = 0;       // requests without an answer
  size_t watches = 0;
  Traffic traffic;
  // ZooKeeper's four letters for the last request: "GETD", "PING"; "NA" = none.
  const char* last_operation = "NA";
  uint64_t last_request_id = 0;
  uint64_t last_zxid = 0;        // of the last message to the client
  int64_t last_answer_ms = 0;    // monotonic
  int64_t last_latency_ms = 0;
};

struct WatchCounts {
  size_t connections = 0;  // that have watches
  size_t paths = 0;
  size_t watches = 0;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_STREAM_FACTS_H_
