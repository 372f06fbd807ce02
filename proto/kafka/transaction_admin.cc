#include "proto/kafka/transaction_admin.h"

#include "proto/kafka/codec_impl.h"

namespace sillok::kafka {

SILLOK_KAFKA_MESSAGE(DescribeProducersRequest);
SILLOK_KAFKA_MESSAGE(DescribeProducersResponse);
SILLOK_KAFKA_MESSAGE(DescribeTransactionsRequest);
SILLOK_KAFKA_MESSAGE(DescribeTransactionsResponse);
SILLOK_KAFKA_MESSAGE(ListTransactionsRequest);
SILLOK_KAFKA_MESSAGE(ListTransactionsResponse);

}  // namespace sillok::kafka
