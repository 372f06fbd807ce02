#include "proto/kafka/group_admin.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(DescribeGroupsRequest);
SILLOK_KAFKA_MESSAGE(DescribeGroupsResponse);
SILLOK_KAFKA_MESSAGE(ListGroupsRequest);
SILLOK_KAFKA_MESSAGE(ListGroupsResponse);
SILLOK_KAFKA_MESSAGE(DeleteGroupsRequest);
SILLOK_KAFKA_MESSAGE(DeleteGroupsResponse);

}  // namespace sillok::kafka
