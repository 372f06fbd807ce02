// What the Kafka door offers: each API with the versions it advertises.
#ifndef SILLOK_PROTO_KAFKA_API_TABLE_H_
#define SILLOK_PROTO_KAFKA_API_TABLE_H_

#include <cstdint>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct ApiRange {
  int16_t key;
  const char* name;
  int16_t min;
  int16_t max;
  int16_t flexible;  // first flexible version; kNever = none

  constexpr bool Has(int16_t version) const {
    return min <= version && version <= max;
  }
};

inline constexpr int16_t kApiVersionsKey = 18;

// Ascending by key.
const std::vector<ApiRange>& ApiTable();
// Null: not an API of ours.
const ApiRange* FindApi(int16_t key);

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_API_TABLE_H_
