#include "proto/kafka/offsets.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(ListOffsetsRequest);
SILLOK_KAFKA_MESSAGE(ListOffsetsResponse);
SILLOK_KAFKA_MESSAGE(OffsetForLeaderEpochRequest);
SILLOK_KAFKA_MESSAGE(OffsetForLeaderEpochResponse);

}  // namespace sillok::kafka
