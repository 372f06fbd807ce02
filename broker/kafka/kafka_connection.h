// One connection of a Kafka client: reads headers, finds the handlers, frames
// the answers. Requests are handed on as they come; the order of the answers is
// base/net's care.
#ifndef SILLOK_BROKER_KAFKA_KAFKA_CONNECTION_H_
#define SILLOK_BROKER_KAFKA_KAFKA_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/net/connection.h"
#include "broker/api/departure.h"
#include "broker/kafka/door_state.h"
#include "proto/kafka/header.h"

namespace sillok::kafka_door {

class KafkaConnection final : public net::FrameHandler {
 public:
  KafkaConnection(std::shared_ptr<DoorState> door,
                  std::shared_ptr<net::Connection> connection);

  void OnFrame(Bytes frame, net::ReplyPtr reply) override;
  void OnBadLength(int32_t length, net::ReplyPtr reply) override;
  void OnClose(net::CloseReason reason) override { departure_->Leave(); }

 private:
  void Refuse(RefusalReason reason, const kafka::RequestHeader* header,
              const std::string& why, const net::ReplyPtr& reply);

  const std::shared_ptr<DoorState> door_;
  const std::shared_ptr<net::Connection> connection_;
  const std::shared_ptr<api::Departure> departure_ =
      std::make_shared<api::Departure>();
  const std::string client_host_;  // "/10.0.0.7", as Kafka writes it
};

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_KAFKA_CONNECTION_H_
