#include "proto/kafka/group_membership.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(FindCoordinatorRequest);
SILLOK_KAFKA_MESSAGE(FindCoordinatorResponse);
SILLOK_KAFKA_MESSAGE(JoinGroupRequest);
SILLOK_KAFKA_MESSAGE(JoinGroupResponse);
SILLOK_KAFKA_MESSAGE(HeartbeatRequest);
SILLOK_KAFKA_MESSAGE(HeartbeatResponse);
SILLOK_KAFKA_MESSAGE(LeaveGroupRequest);
SILLOK_KAFKA_MESSAGE(LeaveGroupResponse);
SILLOK_KAFKA_MESSAGE(SyncGroupRequest);
SILLOK_KAFKA_MESSAGE(SyncGroupResponse);

}  // namespace sillok::kafka
