#include "proto/kafka/connection.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(ApiVersionsRequest);
SILLOK_KAFKA_MESSAGE(ApiVersionsResponse);
SILLOK_KAFKA_MESSAGE(SaslHandshakeRequest);
SILLOK_KAFKA_MESSAGE(SaslHandshakeResponse);
SILLOK_KAFKA_MESSAGE(SaslAuthenticateRequest);
SILLOK_KAFKA_MESSAGE(SaslAuthenticateResponse);

}  // namespace sillok::kafka
