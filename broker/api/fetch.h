// Fetch: reads from partitions, for consumers and for followers alike; only the
// bound differs.
#ifndef SILLOK_BROKER_API_FETCH_H_
#define SILLOK_BROKER_API_FETCH_H_

#include <vector>

#include "base/bytes.h"
#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// The answer and, beside it, the batches of response.partitions(i).
struct FetchAnswer {
  v1::FetchResponse response;
  std::vector<Bytes> batches;
};

// Answers at once when there are min_bytes, an error or a divergence to tell, or
// when max_wait_ms is 0; else when one of the partitions got more (looks again
// then) or max_wait_ms is over. Partitions come in the order asked. The first
// batch is given whole even if larger than all limits (KIP-74).
void Fetch(const BrokerContext& context, const RequestContext& caller,
           v1::FetchRequest request, Done<FetchAnswer> done);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_FETCH_H_
