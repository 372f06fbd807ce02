#include "proto/kafka/group_offsets.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(OffsetCommitRequest);
SILLOK_KAFKA_MESSAGE(OffsetCommitResponse);
SILLOK_KAFKA_MESSAGE(OffsetFetchRequest);
SILLOK_KAFKA_MESSAGE(OffsetFetchResponse);
SILLOK_KAFKA_MESSAGE(OffsetDeleteRequest);
SILLOK_KAFKA_MESSAGE(OffsetDeleteResponse);

}  // namespace sillok::kafka
