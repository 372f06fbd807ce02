#include "proto/kafka/scram.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(DescribeUserScramCredentialsRequest);
SILLOK_KAFKA_MESSAGE(DescribeUserScramCredentialsResponse);
SILLOK_KAFKA_MESSAGE(AlterUserScramCredentialsRequest);
SILLOK_KAFKA_MESSAGE(AlterUserScramCredentialsResponse);

}  // namespace sillok::kafka
