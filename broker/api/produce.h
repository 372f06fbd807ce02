// Produce: appends to the partitions that this broker leads.
#ifndef SILLOK_BROKER_API_PRODUCE_H_
#define SILLOK_BROKER_API_PRODUCE_H_

#include <vector>

#include "base/bytes.h"
#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// `batches[i]` belongs to request.partitions(i), whose own `batch` is empty;
// partitions with plain records have none. Partitions are appended in order,
// before the call returns where their strands are idle; `done` comes when the
// last of them has its outcome. Two requests handed in one after another are
// appended in that order.
void Produce(const BrokerContext& context, const RequestContext& caller,
             v1::ProduceRequest request, std::vector<Bytes> batches,
             Done<v1::ProduceResponse> done);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_PRODUCE_H_
