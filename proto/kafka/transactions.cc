#include "proto/kafka/transactions.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(InitProducerIdRequest);
SILLOK_KAFKA_MESSAGE(InitProducerIdResponse);
SILLOK_KAFKA_MESSAGE(AddPartitionsToTxnRequest);
SILLOK_KAFKA_MESSAGE(AddPartitionsToTxnResponse);
SILLOK_KAFKA_MESSAGE(AddOffsetsToTxnRequest);
SILLOK_KAFKA_MESSAGE(AddOffsetsToTxnResponse);
SILLOK_KAFKA_MESSAGE(EndTxnRequest);
SILLOK_KAFKA_MESSAGE(EndTxnResponse);
SILLOK_KAFKA_MESSAGE(TxnOffsetCommitRequest);
SILLOK_KAFKA_MESSAGE(TxnOffsetCommitResponse);

}  // namespace sillok::kafka
