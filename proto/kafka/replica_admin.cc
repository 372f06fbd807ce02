#include "proto/kafka/replica_admin.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(DescribeLogDirsRequest);
SILLOK_KAFKA_MESSAGE(DescribeLogDirsResponse);
SILLOK_KAFKA_MESSAGE(ElectLeadersRequest);
SILLOK_KAFKA_MESSAGE(ElectLeadersResponse);
SILLOK_KAFKA_MESSAGE(AlterPartitionReassignmentsRequest);
SILLOK_KAFKA_MESSAGE(AlterPartitionReassignmentsResponse);
SILLOK_KAFKA_MESSAGE(ListPartitionReassignmentsRequest);
SILLOK_KAFKA_MESSAGE(ListPartitionReassignmentsResponse);

}  // namespace sillok::kafka
