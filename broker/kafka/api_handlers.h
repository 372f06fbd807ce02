// Which APIs this door serves: those of proto/kafka/api_table.h that have a
// handler, and nothing else is advertised.
#ifndef SILLOK_BROKER_KAFKA_API_HANDLERS_H_
#define SILLOK_BROKER_KAFKA_API_HANDLERS_H_

#include <cstdint>
#include <vector>

#include "broker/kafka/call.h"
#include "proto/kafka/api_table.h"

namespace sillok::kafka_door {

struct ServedApi {
  kafka::ApiRange range;
  ApiHandler handler;
};

// Ascending by key; made once.
const std::vector<ServedApi>& ServedApis();
// Null: not served. A pointer into ServedApis().
const ServedApi* FindServedApi(int16_t key);

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_API_HANDLERS_H_
