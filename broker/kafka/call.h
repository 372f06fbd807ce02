// One request on its way through the door: what its handler is given, and how
// it ends.
//
// A handler translates: Kafka's message to the v1 message of broker/api, and
// the answer back. It runs on the connection's loop thread, must not block, and
// ends the request exactly once, then or later, from any thread.
#ifndef SILLOK_BROKER_KAFKA_CALL_H_
#define SILLOK_BROKER_KAFKA_CALL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "broker/api/broker_context.h"
#include "broker/kafka/error_collector.h"
#include "proto/kafka/codec.h"

namespace sillok::kafka_door {

class DoorState;

// Valid during the handler's call; what it points to outlives all answers.
struct Call {
  const api::BrokerContext* broker = nullptr;
  DoorState* door = nullptr;
  api::RequestContext caller;
  int16_t version = 0;
};

// How a request ends.
struct Outcome {
  enum class Kind {
    kSend,
    kNothing,  // the protocol has no answer here (acks=0)
    kClose,    // the connection ends after the answers before this one
  };
  Kind kind = Kind::kSend;
  Bytes body;       // kSend: the response, without its header (file_frames.h)
  ErrorCounts errors;
  std::string why;  // kClose: for the log
  bool bad_body = false;  // kClose: because the request could not be read

  static Outcome Nothing() {
    Outcome outcome;
    outcome.kind = Kind::kNothing;
    return outcome;
  }
  static Outcome Close(std::string why) {
    Outcome outcome;
    outcome.kind = Kind::kClose;
    outcome.why = std::move(why);
    return outcome;
  }
  static Outcome BadBody(const absl::Status& status) {
    Outcome outcome = Close(std::string(status.message()));
    outcome.bad_body = true;
    return outcome;
  }
};
using Respond = std::function<void(Outcome)>;

template <typename Response>
Outcome Encoded(const Response& response, int16_t version) {
  auto body = kafka::EncodeMessage(response, version);
  if (!body.ok()) return Outcome::Close(std::string(body.status().message()));
  Outcome outcome;
  outcome.body = *std::move(body);
  outcome.errors = CountErrors(response);
  return outcome;
}

// An API by its key, and what runs it. `frame` holds the request from
// `position` on.
struct ApiHandler {
  int16_t key = 0;
  void (*handle)(const Call& call, const Bytes& frame, size_t position,
                 Respond respond) = nullptr;
};

// Makes an ApiHandler's function of a handler that takes the decoded request.
// A body that is no such message ends the connection, as Kafka does: nothing of
// the request has had an effect, and the client is broken.
template <typename Request,
          void (*Handle)(const Call&, Request, Respond respond)>
void Decoded(const Call& call, const Bytes& frame, size_t position,
             Respond respond) {
  Request request;
  absl::Status status =
      kafka::DecodeMessage(frame, position, call.version, &request,
                           kafka::Trailing::kIgnored);
  if (!status.ok()) {
    return respond(Outcome::BadBody(status));
  }
  Handle(call, std::move(request), std::move(respond));
}

// The same for a handler that always answers with a message.
template <typename Request, typename Response,
          void (*Handle)(const Call&, Request, api::Done<Response>)>
void Answered(const Call& call, const Bytes& frame, size_t position,
              Respond respond) {
  Request request;
  absl::Status status =
      kafka::DecodeMessage(frame, position, call.version, &request,
                           kafka::Trailing::kIgnored);
  if (!status.ok()) {
    return respond(Outcome::BadBody(status));
  }
  Handle(call, std::move(request),
         [respond = std::move(respond),
          version = call.version](Response response) {
           respond(Encoded(response, version));
         });
}

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_CALL_H_
