#include "proto/kafka/config_admin.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(DescribeConfigsRequest);
SILLOK_KAFKA_MESSAGE(DescribeConfigsResponse);
SILLOK_KAFKA_MESSAGE(AlterConfigsRequest);
SILLOK_KAFKA_MESSAGE(AlterConfigsResponse);
SILLOK_KAFKA_MESSAGE(IncrementalAlterConfigsRequest);
SILLOK_KAFKA_MESSAGE(IncrementalAlterConfigsResponse);

}  // namespace sillok::kafka
