// ListOffsets: offsets by time, and the ends of a partition.
#ifndef SILLOK_BROKER_API_LIST_OFFSETS_H_
#define SILLOK_BROKER_API_LIST_OFFSETS_H_

#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// Reads indexes on the caller's thread.
v1::ListOffsetsResponse ListOffsets(const BrokerContext& context,
                                    const v1::ListOffsetsRequest& request);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_LIST_OFFSETS_H_
