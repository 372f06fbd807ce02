#include "proto/kafka/metadata.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(MetadataRequest);
SILLOK_KAFKA_MESSAGE(MetadataResponse);
SILLOK_KAFKA_MESSAGE(DescribeClusterRequest);
SILLOK_KAFKA_MESSAGE(DescribeClusterResponse);

}  // namespace sillok::kafka
