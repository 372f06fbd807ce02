#ifndef SILLOK_BASE_ERROR_TABLE_H_
#define SILLOK_BASE_ERROR_TABLE_H_
// Kafka's error codes: name, number, whether the client may send the request
// again as it is, and what it means in one line.
#define SILLOK_ERROR_CODES(X) \
  X(UNKNOWN_SERVER_ERROR, -1, kFinal, "the server met an error it did not expect") \
  X(NONE, 0, kFinal, "no error") \
  X(OFFSET_OUT_OF_RANGE, 1, kFinal, "the offset is outside the range the partition has") \
  X(CORRUPT_MESSAGE, 2, kRetry, "the batch is damaged (its checksum or framing is wrong)") \
  X(UNKNOWN_TOPIC_OR_PARTITION, 3, kRetry, "this server does not host this topic-partition") \
  X(INVALID_FETCH_SIZE, 4, kFinal, "invalid fetch size") \
  X(LEADER_NOT_AVAILABLE, 5, kRetry, "the partition has no leader right now") \
  X(NOT_LEADER_OR_FOLLOWER, 6, kRetry, "this broker is not the leader or a follower of the partition") \
  X(REQUEST_TIMED_OUT, 7, kRetry, "the request timed out") \
  X(BROKER_NOT_AVAILABLE, 8, kFinal, "the broker is not available") \
  X(REPLICA_NOT_AVAILABLE, 9, kRetry, "the replica is not available") \
  X(MESSAGE_TOO_LARGE, 10, kFinal, "the batch is larger than the broker accepts") \
  X(STALE_CONTROLLER_EPOCH, 11, kFinal, "the controller moved to another broker") \
  X(OFFSET_METADATA_TOO_LARGE, 12, kFinal, "the metadata of the offset commit is too long") \
  X(NETWORK_EXCEPTION, 13, kRetry, "the server disconnected before an answer came") \
  X(COORDINATOR_LOAD_IN_PROGRESS, 14, kRetry, "the coordinator is still loading") \
  X(COORDINATOR_NOT_AVAILABLE, 15, kRetry, "the coordinator is not available") \
  X(NOT_COORDINATOR, 16, kRetry, "this is not the right coordinator") \
  X(INVALID_TOPIC_EXCEPTION, 17, kFinal, "the topic name is not valid") \
  X(RECORD_LIST_TOO_LARGE, 18, kFinal, "the records are larger than a segment") \
  X(NOT_ENOUGH_REPLICAS, 19, kRetry, "fewer replicas are in sync than min.insync.replicas asks for") \
  X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20, kRetry, "written, but to fewer in-sync replicas than required") \
  X(INVALID_REQUIRED_ACKS, 21, kFinal, "acks must be 0, 1 or -1 (all)") \
  X(ILLEGAL_GENERATION, 22, kFinal, "the group's generation is another one") \
  X(INCONSISTENT_GROUP_PROTOCOL, 23, kFinal, "the member's protocols do not match the group's") \
  X(INVALID_GROUP_ID, 24, kFinal, "the group id is not valid") \
  X(UNKNOWN_MEMBER_ID, 25, kFinal, "the coordinator does not know this member") \
  X(INVALID_SESSION_TIMEOUT, 26, kFinal, "the session timeout is outside what the broker allows") \
  X(REBALANCE_IN_PROGRESS, 27, kFinal, "the group is rebalancing: join again") \
  X(INVALID_COMMIT_OFFSET_SIZE, 28, kFinal, "invalid commit offset size") \
  X(TOPIC_AUTHORIZATION_FAILED, 29, kFinal, "not authorized for the topic") \
  X(GROUP_AUTHORIZATION_FAILED, 30, kFinal, "not authorized for the group") \
  X(CLUSTER_AUTHORIZATION_FAILED, 31, kFinal, "not authorized for the cluster") \
  X(INVALID_TIMESTAMP, 32, kFinal, "the timestamp is outside what the topic accepts") \
  X(UNSUPPORTED_SASL_MECHANISM, 33, kFinal, "unsupported sasl mechanism") \
  X(ILLEGAL_SASL_STATE, 34, kFinal, "illegal sasl state") \
  X(UNSUPPORTED_VERSION, 35, kFinal, "the version of the API is not supported") \
  X(TOPIC_ALREADY_EXISTS, 36, kFinal, "a topic with this name already exists") \
  X(INVALID_PARTITIONS, 37, kFinal, "the number of partitions is not valid") \
  X(INVALID_REPLICATION_FACTOR, 38, kFinal, "the replication factor is not valid") \
  X(INVALID_REPLICA_ASSIGNMENT, 39, kFinal, "the replica assignment is not valid") \
  X(INVALID_CONFIG, 40, kFinal, "the configuration is not valid") \
  X(NOT_CONTROLLER, 41, kRetry, "this broker is not the controller") \
  X(INVALID_REQUEST, 42, kFinal, "the request is not valid") \
  X(UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, kFinal, "the record format is not supported") \
  X(POLICY_VIOLATION, 44, kFinal, "policy violation") \
  X(OUT_OF_ORDER_SEQUENCE_NUMBER, 45, kFinal, "the sequence number is out of order") \
  X(DUPLICATE_SEQUENCE_NUMBER, 46, kFinal, "duplicate sequence number") \
  X(INVALID_PRODUCER_EPOCH, 47, kFinal, "the producer epoch is old") \
  X(INVALID_TXN_STATE, 48, kFinal, "invalid txn state") \
  X(INVALID_PRODUCER_ID_MAPPING, 49, kFinal, "invalid producer id mapping") \
  X(INVALID_TRANSACTION_TIMEOUT, 50, kFinal, "invalid transaction timeout") \
  X(CONCURRENT_TRANSACTIONS, 51, kRetry, "concurrent transactions") \
  X(TRANSACTION_COORDINATOR_FENCED, 52, kFinal, "transaction coordinator fenced") \
  X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, kFinal, "transactional id authorization failed") \
  X(SECURITY_DISABLED, 54, kFinal, "security disabled") \
  X(OPERATION_NOT_ATTEMPTED, 55, kFinal, "operation not attempted") \
  X(KAFKA_STORAGE_ERROR, 56, kRetry, "the disk failed or is full") \
  X(LOG_DIR_NOT_FOUND, 57, kFinal, "log dir not found") \
  X(SASL_AUTHENTICATION_FAILED, 58, kFinal, "sasl authentication failed") \
  X(UNKNOWN_PRODUCER_ID, 59, kFinal, "unknown producer id") \
  X(REASSIGNMENT_IN_PROGRESS, 60, kFinal, "a reassignment is in progress") \
  X(DELEGATION_TOKEN_AUTH_DISABLED, 61, kFinal, "delegation token auth disabled") \
  X(DELEGATION_TOKEN_NOT_FOUND, 62, kFinal, "delegation token not found") \
  X(DELEGATION_TOKEN_OWNER_MISMATCH, 63, kFinal, "delegation token owner mismatch") \
  X(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 64, kFinal, "delegation token request not allowed") \
  X(DELEGATION_TOKEN_AUTHORIZATION_FAILED, 65, kFinal, "delegation token authorization failed") \
  X(DELEGATION_TOKEN_EXPIRED, 66, kFinal, "delegation token expired") \
  X(INVALID_PRINCIPAL_TYPE, 67, kFinal, "invalid principal type") \
  X(NON_EMPTY_GROUP, 68, kFinal, "the group is not empty") \
  X(GROUP_ID_NOT_FOUND, 69, kFinal, "there is no such group") \
  X(FETCH_SESSION_ID_NOT_FOUND, 70, kRetry, "fetch session id not found") \
  X(INVALID_FETCH_SESSION_EPOCH, 71, kRetry, "invalid fetch session epoch") \
  X(LISTENER_NOT_FOUND, 72, kRetry, "listener not found") \
  X(TOPIC_DELETION_DISABLED, 73, kFinal, "topic deletion disabled") \
  X(FENCED_LEADER_EPOCH, 74, kRetry, "the leader epoch in the request is older than the broker's") \
  X(UNKNOWN_LEADER_EPOCH, 75, kRetry, "the leader epoch in the request is newer than the broker's") \
  X(UNSUPPORTED_COMPRESSION_TYPE, 76, kFinal, "the compression codec is not supported") \
  X(STALE_BROKER_EPOCH, 77, kFinal, "the broker epoch is old") \
  X(OFFSET_NOT_AVAILABLE, 78, kRetry, "the offset is not known yet after a leader change") \
  X(MEMBER_ID_REQUIRED, 79, kFinal, "join again with the member id given") \
  X(PREFERRED_LEADER_NOT_AVAILABLE, 80, kRetry, "preferred leader not available") \
  X(GROUP_MAX_SIZE_REACHED, 81, kFinal, "the group is full") \
  X(FENCED_INSTANCE_ID, 82, kFinal, "another member with this group.instance.id took over") \
  X(ELIGIBLE_LEADERS_NOT_AVAILABLE, 83, kRetry, "eligible leaders not available") \
  X(ELECTION_NOT_NEEDED, 84, kRetry, "election not needed") \
  X(NO_REASSIGNMENT_IN_PROGRESS, 85, kFinal, "no reassignment in progress") \
  X(GROUP_SUBSCRIBED_TO_TOPIC, 86, kFinal, "group subscribed to topic") \
  X(INVALID_RECORD, 87, kFinal, "the record is not valid") \
  X(UNSTABLE_OFFSET_COMMIT, 88, kRetry, "unstable offset commit") \
  X(THROTTLING_QUOTA_EXCEEDED, 89, kRetry, "throttling quota exceeded") \
  X(PRODUCER_FENCED, 90, kFinal, "producer fenced") \
  X(RESOURCE_NOT_FOUND, 91, kFinal, "resource not found") \
  X(DUPLICATE_RESOURCE, 92, kFinal, "duplicate resource") \
  X(UNACCEPTABLE_CREDENTIAL, 93, kFinal, "unacceptable credential") \
  X(INCONSISTENT_VOTER_SET, 94, kFinal, "inconsistent voter set") \
  X(INVALID_UPDATE_VERSION, 95, kFinal, "the version is not the current one") \
  X(FEATURE_UPDATE_FAILED, 96, kFinal, "feature update failed") \
  X(PRINCIPAL_DESERIALIZATION_FAILURE, 97, kFinal, "principal deserialization failure") \
  X(SNAPSHOT_NOT_FOUND, 98, kFinal, "snapshot not found") \
  X(POSITION_OUT_OF_RANGE, 99, kFinal, "position out of range") \
  X(UNKNOWN_TOPIC_ID, 100, kRetry, "no topic with this id") \
  X(DUPLICATE_BROKER_REGISTRATION, 101, kFinal, "another broker has registered with this id") \
  X(BROKER_ID_NOT_REGISTERED, 102, kFinal, "this broker id is not registered") \
  X(INCONSISTENT_TOPIC_ID, 103, kRetry, "the topic id does not match") \
  X(INCONSISTENT_CLUSTER_ID, 104, kFinal, "inconsistent cluster id") \
  X(TRANSACTIONAL_ID_NOT_FOUND, 105, kFinal, "transactional id not found") \
  X(FETCH_SESSION_TOPIC_ID_ERROR, 106, kRetry, "fetch session topic id error") \
  X(INELIGIBLE_REPLICA, 107, kFinal, "the replica may not join the in-sync set") \
  X(NEW_LEADER_ELECTED, 108, kFinal, "a new leader was elected") \
  X(OFFSET_MOVED_TO_TIERED_STORAGE, 109, kFinal, "offset moved to tiered storage") \
  X(FENCED_MEMBER_EPOCH, 110, kFinal, "fenced member epoch") \
  X(UNRELEASED_INSTANCE_ID, 111, kFinal, "unreleased instance id") \
  X(UNSUPPORTED_ASSIGNOR, 112, kFinal, "unsupported assignor") \
  X(STALE_MEMBER_EPOCH, 113, kFinal, "stale member epoch") \
  X(MISMATCHED_ENDPOINT_TYPE, 114, kFinal, "mismatched endpoint type") \
  X(UNSUPPORTED_ENDPOINT_TYPE, 115, kFinal, "unsupported endpoint type") \
  X(UNKNOWN_CONTROLLER_ID, 116, kFinal, "unknown controller id") \
  X(UNKNOWN_SUBSCRIPTION_ID, 117, kFinal, "unknown subscription id") \
  X(TELEMETRY_TOO_LARGE, 118, kFinal, "telemetry too large") \
  X(INVALID_REGISTRATION, 119, kFinal, "invalid registration") \
  X(TRANSACTION_ABORTABLE, 120, kFinal, "transaction abortable") \
  X(INVALID_RECORD_STATE, 121, kFinal, "invalid record state") \
  X(SHARE_SESSION_NOT_FOUND, 122, kRetry, "share session not found") \
  X(INVALID_SHARE_SESSION_EPOCH, 123, kRetry, "invalid share session epoch") \
  X(FENCED_STATE_EPOCH, 124, kFinal, "fenced state epoch") \
  X(INVALID_VOTER_KEY, 125, kFinal, "invalid voter key") \
  X(DUPLICATE_VOTER, 126, kFinal, "duplicate voter") \
  X(VOTER_NOT_FOUND, 127, kFinal, "voter not found") \
  X(INVALID_REGULAR_EXPRESSION, 128, kFinal, "invalid regular expression") \
  X(REBOOTSTRAP_REQUIRED, 129, kFinal, "rebootstrap required") \
  X(STREAMS_INVALID_TOPOLOGY, 130, kFinal, "streams invalid topology") \
  X(STREAMS_INVALID_TOPOLOGY_EPOCH, 131, kFinal, "streams invalid topology epoch") \
  X(STREAMS_TOPOLOGY_FENCED, 132, kFinal, "streams topology fenced") \
  X(SHARE_SESSION_LIMIT_REACHED, 133, kRetry, "share session limit reached")

#endif  // SILLOK_BASE_ERROR_TABLE_H_
