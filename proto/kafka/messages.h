// Every API this library covers, for code that goes over all of them. Handlers
// include their own family's header instead.
#ifndef SILLOK_PROTO_KAFKA_MESSAGES_H_
#define SILLOK_PROTO_KAFKA_MESSAGES_H_

#include "proto/kafka/acls.h"
#include "proto/kafka/config_admin.h"
#include "proto/kafka/connection.h"
#include "proto/kafka/fetch.h"
#include "proto/kafka/group_admin.h"
#include "proto/kafka/group_membership.h"
#include "proto/kafka/group_offsets.h"
#include "proto/kafka/metadata.h"
#include "proto/kafka/offsets.h"
#include "proto/kafka/produce.h"
#include "proto/kafka/replica_admin.h"
#include "proto/kafka/scram.h"
#include "proto/kafka/topic_admin.h"
#include "proto/kafka/transaction_admin.h"
#include "proto/kafka/transactions.h"

// Calls X(Api) for each; the messages are Api##Request and Api##Response.
#define SILLOK_KAFKA_APIS(X)      \
  X(Produce)                      \
  X(Fetch)                        \
  X(ListOffsets)                  \
  X(Metadata)                     \
  X(OffsetCommit)                 \
  X(OffsetFetch)                  \
  X(FindCoordinator)              \
  X(JoinGroup)                    \
  X(Heartbeat)                    \
  X(LeaveGroup)                   \
  X(SyncGroup)                    \
  X(DescribeGroups)               \
  X(ListGroups)                   \
  X(SaslHandshake)                \
  X(ApiVersions)                  \
  X(CreateTopics)                 \
  X(DeleteTopics)                 \
  X(DeleteRecords)                \
  X(InitProducerId)               \
  X(OffsetForLeaderEpoch)         \
  X(AddPartitionsToTxn)           \
  X(AddOffsetsToTxn)              \
  X(EndTxn)                       \
  X(TxnOffsetCommit)              \
  X(DescribeAcls)                 \
  X(CreateAcls)                   \
  X(DeleteAcls)                   \
  X(DescribeConfigs)              \
  X(AlterConfigs)                 \
  X(DescribeLogDirs)              \
  X(SaslAuthenticate)             \
  X(CreatePartitions)             \
  X(DeleteGroups)                 \
  X(ElectLeaders)                 \
  X(IncrementalAlterConfigs)      \
  X(AlterPartitionReassignments)  \
  X(ListPartitionReassignments)   \
  X(OffsetDelete)                 \
  X(DescribeUserScramCredentials) \
  X(AlterUserScramCredentials)    \
  X(DescribeCluster)              \
  X(DescribeProducers)            \
  X(DescribeTransactions)         \
  X(ListTransactions)

#endif  // SILLOK_PROTO_KAFKA_MESSAGES_H_
