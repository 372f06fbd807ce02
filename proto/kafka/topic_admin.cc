#include "proto/kafka/topic_admin.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(CreateTopicsRequest);
SILLOK_KAFKA_MESSAGE(CreateTopicsResponse);
SILLOK_KAFKA_MESSAGE(DeleteTopicsRequest);
SILLOK_KAFKA_MESSAGE(DeleteTopicsResponse);
SILLOK_KAFKA_MESSAGE(DeleteRecordsRequest);
SILLOK_KAFKA_MESSAGE(DeleteRecordsResponse);
SILLOK_KAFKA_MESSAGE(CreatePartitionsRequest);
SILLOK_KAFKA_MESSAGE(CreatePartitionsResponse);

}  // namespace sillok::kafka
