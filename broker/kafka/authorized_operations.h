// What a client may do, as the bits of Kafka's AclOperation: everything, as
// long as no authorizer is there to say less.
#ifndef SILLOK_BROKER_KAFKA_AUTHORIZED_OPERATIONS_H_
#define SILLOK_BROKER_KAFKA_AUTHORIZED_OPERATIONS_H_

#include <cstdint>
#include <initializer_list>

namespace sillok::kafka_door {

enum class Operation : int8_t {
  kRead = 3,
  kWrite = 4,
  kCreate = 5,
  kDelete = 6,
  kAlter = 7,
  kDescribe = 8,
  kClusterAction = 9,
  kDescribeConfigs = 10,
  kAlterConfigs = 11,
  kIdempotentWrite = 12,
};

constexpr int32_t Bits(std::initializer_list<Operation> operations) {
  int32_t bits = 0;
  for (Operation operation : operations) {
    bits |= 1 << static_cast<int>(operation);
  }
  return bits;
}

inline constexpr int32_t kTopicOperations =
    Bits({Operation::kRead, Operation::kWrite, Operation::kCreate,
          Operation::kDelete, Operation::kAlter, Operation::kDescribe,
          Operation::kDescribeConfigs, Operation::kAlterConfigs});
inline constexpr int32_t kGroupOperations =
    Bits({Operation::kRead, Operation::kDelete, Operation::kDescribe});
inline constexpr int32_t kClusterOperations =
    Bits({Operation::kCreate, Operation::kAlter, Operation::kDescribe,
          Operation::kClusterAction, Operation::kDescribeConfigs,
          Operation::kAlterConfigs, Operation::kIdempotentWrite});

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_AUTHORIZED_OPERATIONS_H_
