// The handlers of each family of APIs; one .cc file each, named after it.
#ifndef SILLOK_BROKER_KAFKA_FAMILIES_H_
#define SILLOK_BROKER_KAFKA_FAMILIES_H_

#include <vector>

#include "broker/kafka/call.h"

namespace sillok::kafka_door {

using ApiHandlers = std::vector<ApiHandler>;

ApiHandlers ApiVersionsHandlers();
ApiHandlers ProduceHandlers();
ApiHandlers ProducerIdHandlers();
ApiHandlers FetchHandlers();
ApiHandlers OffsetsHandlers();
ApiHandlers MetadataHandlers();
ApiHandlers GroupMembershipHandlers();
ApiHandlers GroupOffsetsHandlers();
ApiHandlers GroupAdminHandlers();
ApiHandlers TopicAdminHandlers();
ApiHandlers ConfigAdminHandlers();
ApiHandlers ReplicaAdminHandlers();

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_FAMILIES_H_
