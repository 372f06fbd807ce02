// ★ Kafka's wire protocol at a broker: any Kafka client can connect here.
//
// A thin translation: requests become the v1 messages of broker/api, which does
// the work for all doors, and the answers go back in the version the client
// speaks. What is served is what ApiVersions tells (api_handlers.h). Records
// are not copied: produced batches are written from the memory they arrived in,
// fetched ones go from the log's files to the socket.
//
// A client that breaks the protocol loses its connection, with one log line a
// minute and host; a request that is understood and cannot be granted is
// answered with Kafka's error codes.
#ifndef SILLOK_BROKER_KAFKA_KAFKA_DOOR_H_
#define SILLOK_BROKER_KAFKA_KAFKA_DOOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/net/frame_server.h"
#include "broker/api/broker_context.h"
#include "broker/kafka/fetch_sessions.h"

namespace sillok::kafka_door {

class DoorState;

struct KafkaDoorOptions {
  // Threads, limits, timeouts; `listeners` and `metrics` are set by Start.
  net::FrameServerOptions net;
  FetchSessionOptions fetch_sessions;
};

class KafkaDoor {
 public:
  // Listens and serves at once. A listener's name is what
  // RequestContext.listener says. `context` and `metrics` (may be null) outlive
  // the door and every callback of the handlers. An address that cannot be had
  // is an error that names it.
  static absl::StatusOr<std::unique_ptr<KafkaDoor>> Start(
      KafkaDoorOptions options, std::vector<net::ListenAddress> listeners,
      const api::BrokerContext& context, MetricsRegistry* metrics);
  // Stop(0).
  ~KafkaDoor();
  KafkaDoor(const KafkaDoor&) = delete;
  KafkaDoor& operator=(const KafkaDoor&) = delete;

  // Of listeners[index].
  int port(size_t index = 0) const;
  // Reads no more; requests in work have `drain_ms` to be answered.
  void Stop(int64_t drain_ms);
  net::FrameServerStats stats() const;

 private:
  KafkaDoor() = default;
  std::shared_ptr<DoorState> state_;
  std::unique_ptr<net::FrameServer> server_;
};

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_KAFKA_DOOR_H_
