// Fetch: reads from partitions, for consumers and for followers alike; only the
// bound differs.
#ifndef SILLOK_BROKER_API_FETCH_H_
#define SILLOK_BROKER_API_FETCH_H_

#include <vector>

#include "base/bytes.h"
#include "broker/api/broker_context.h"
#include "broker/log/log_view.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// How the batches are wanted: as memory, or as parts of files that a door sends
// without reading them (sendfile).
enum class FetchForm { kBytes, kRanges };

struct FetchedBatches {
  Bytes bytes;                    // kBytes
  std::vector<FileRange> ranges;  // kRanges
  int64_t size = 0;               // of either
};

// The answer and, beside it, the batches of response.partitions(i).
struct FetchAnswer {
  v1::FetchResponse response;
  std::vector<FetchedBatches> batches;
};

// Answers at once when there are min_bytes, an error or a divergence to tell, or
// when max_wait_ms is 0; else when some partitions got more (only those are read
// again), max_wait_ms is over or the caller has left. Partitions come in the order asked. The first
// batch is given whole even if larger than all limits (KIP-74).
void Fetch(const BrokerContext& context, const RequestContext& caller,
           v1::FetchRequest request, FetchForm form,
           Done<FetchAnswer> done);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_FETCH_H_
