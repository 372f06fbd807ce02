// InitProducerId: who a producer is, so that its retries are known.
#ifndef SILLOK_BROKER_API_INIT_PRODUCER_ID_H_
#define SILLOK_BROKER_API_INIT_PRODUCER_ID_H_

#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// Any broker answers, with an id nobody has had and epoch 0; also when the
// request names the id the producer has (as Kafka does for producers without a
// transactional id: those raise their epoch themselves). INVALID_REQUEST when
// only one of id and epoch is given; UNSUPPORTED_VERSION for a transactional
// id; else as ProducerIds (broker/txn/producer_ids.h) answers.
void InitProducerId(const BrokerContext& context, const RequestContext& caller,
                    v1::InitProducerIdRequest request,
                    Done<v1::InitProducerIdResponse> done);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_INIT_PRODUCER_ID_H_
