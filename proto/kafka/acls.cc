#include "proto/kafka/acls.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(DescribeAclsRequest);
SILLOK_KAFKA_MESSAGE(DescribeAclsResponse);
SILLOK_KAFKA_MESSAGE(CreateAclsRequest);
SILLOK_KAFKA_MESSAGE(CreateAclsResponse);
SILLOK_KAFKA_MESSAGE(DeleteAclsRequest);
SILLOK_KAFKA_MESSAGE(DeleteAclsResponse);

}  // namespace sillok::kafka
