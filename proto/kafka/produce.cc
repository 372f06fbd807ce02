#include "proto/kafka/produce.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(ProduceRequest);
SILLOK_KAFKA_MESSAGE(ProduceResponse);

}  // namespace sillok::kafka
