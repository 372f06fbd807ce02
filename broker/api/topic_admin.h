// Administration of topics, done by the controller: whichever broker is asked
// passes the request on.
//
// Answers have one entry for each of the request's, in its order. In each: when
// no controller answered in time, REQUEST_TIMED_OUT; what was asked may happen
// still.
#ifndef SILLOK_BROKER_API_TOPIC_ADMIN_H_
#define SILLOK_BROKER_API_TOPIC_ADMIN_H_

#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// Internal topics are refused with INVALID_TOPIC_EXCEPTION: brokers make them,
// and they stay.
void CreateTopics(const BrokerContext& context, v1::CreateTopicsRequest request,
                  Done<v1::CreateTopicsResponse> done);
void DeleteTopics(const BrokerContext& context, v1::DeleteTopicsRequest request,
                  Done<v1::DeleteTopicsResponse> done);

// INVALID_PARTITIONS when the topic would not grow; INVALID_REPLICA_ASSIGNMENT;
// INVALID_TOPIC_EXCEPTION for internal topics, whose number of partitions says
// where a group lives.
void CreatePartitions(const BrokerContext& context,
                      v1::CreatePartitionsRequest request,
                      Done<v1::CreatePartitionsResponse> done);

// Each partition: NONE, ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE,
// ELIGIBLE_LEADERS_NOT_AVAILABLE or UNKNOWN_TOPIC_OR_PARTITION. The error_code
// of the whole answer is set only when nothing was tried.
void ElectLeaders(const BrokerContext& context, v1::ElectLeadersRequest request,
                  Done<v1::ElectLeadersResponse> done);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_TOPIC_ADMIN_H_
