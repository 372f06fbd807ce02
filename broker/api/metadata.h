// Metadata: brokers, topics, leaders; creates unknown topics when that is on.
#ifndef SILLOK_BROKER_API_METADATA_H_
#define SILLOK_BROKER_API_METADATA_H_

#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// Answers from this broker's picture of the cluster. A topic that is created by
// the request is answered LEADER_NOT_AVAILABLE if its leaders are not known
// here yet: ask again.
void Metadata(const BrokerContext& context, v1::MetadataRequest request,
              Done<v1::MetadataResponse> done);

// Finds the broker that coordinates a group: the leader of the partition of
// __consumer_offsets that it hashes to. Creates that topic when it is missing;
// COORDINATOR_NOT_AVAILABLE until it has a leader.
void FindCoordinator(const BrokerContext& context,
                     v1::FindCoordinatorRequest request,
                     Done<v1::FindCoordinatorResponse> done);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_METADATA_H_
