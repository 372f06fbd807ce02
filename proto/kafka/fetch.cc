#include "proto/kafka/fetch.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(FetchRequest);
SILLOK_KAFKA_MESSAGE(FetchResponse);

}  // namespace sillok::kafka
