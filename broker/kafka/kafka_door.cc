#include "broker/kafka/kafka_door.h"

#include <utility>

#include "base/status_macros.h"
#include "broker/kafka/door_state.h"
#include "broker/kafka/kafka_connection.h"

namespace sillok::kafka_door {

absl::StatusOr<std::unique_ptr<KafkaDoor>> KafkaDoor::Start(
    KafkaDoorOptions options, std::vector<net::ListenAddress> listeners,
    const api::BrokerContext& context, MetricsRegistry* metrics) {
  std::unique_ptr<KafkaDoor> door(new KafkaDoor());
  door->state_ =
      std::make_shared<DoorState>(context, options.fetch_sessions, metrics);
  options.net.name = "kafka";
  options.net.listeners = std::move(listeners);
  options.net.metrics = metrics;
  ASSIGN_OR_RETURN(
      door->server_,
      net::FrameServer::Start(
          std::move(options.net),
          [state = door->state_](
              const std::shared_ptr<net::Connection>& connection) {
            return std::make_unique<KafkaConnection>(state, connection);
          }));
  return door;
}

KafkaDoor::~KafkaDoor() { Stop(0); }

int KafkaDoor::port(size_t index) const { return server_->port(index); }

void KafkaDoor::Stop(int64_t drain_ms) {
  if (server_ != nullptr) server_->Stop(drain_ms);
}

net::FrameServerStats KafkaDoor::stats() const { return server_->stats(); }

}  // namespace sillok::kafka_door
