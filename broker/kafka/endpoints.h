// The address that a client of one listener can use.
#ifndef SILLOK_BROKER_KAFKA_ENDPOINTS_H_
#define SILLOK_BROKER_KAFKA_ENDPOINTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "proto/metadata.pb.h"

namespace sillok::kafka_door {

struct Endpoint {
  std::string host;
  int32_t port = 0;
};

// Empty: the broker has no listener of that name, so that clients of it must
// not hear of the broker.
inline std::optional<Endpoint> FindEndpoint(const v1::BrokerAddress& broker,
                                            const std::string& listener) {
  for (const v1::BrokerEndpoint& endpoint : broker.endpoints()) {
    if (endpoint.listener() == listener) {
      return Endpoint{endpoint.host(), endpoint.port()};
    }
  }
  return std::nullopt;
}

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_ENDPOINTS_H_
