// Reading and changing the configuration of topics and brokers.
//
// A resource is a TOPIC by name, or a BROKER by its id; a BROKER named "" stands
// for what all brokers share. Values of a topic come from, nearest first:
//   TOPIC                   set for the topic
//   DYNAMIC_BROKER          set for the one broker while it runs
//   DYNAMIC_DEFAULT_BROKER  set for all brokers while they run
//   BROKER                  the broker's own file
//   DEFAULT
// These are the names in ConfigEntry.source and ConfigSynonym.source.
#ifndef SILLOK_BROKER_API_CONFIG_ADMIN_H_
#define SILLOK_BROKER_API_CONFIG_ADMIN_H_

#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// All keys of each resource, with synonyms and documentation. A broker describes
// itself and what all brokers share; for another broker's id INVALID_REQUEST
// (ask that one).
v1::DescribeConfigsResponse DescribeConfigs(
    const BrokerContext& context, const v1::DescribeConfigsRequest& request);

// Passed on to the controller; in force on all brokers soon after the answer.
// INVALID_CONFIG (40) names key, value and what is allowed; INVALID_REQUEST for
// resource types that cannot be changed, a key named twice, another operation
// than CONFIG_SET with replace_all. A resource is changed whole or not at all.
void AlterConfigs(const BrokerContext& context, v1::AlterConfigsRequest request,
                  Done<v1::AlterConfigsResponse> done);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_CONFIG_ADMIN_H_
