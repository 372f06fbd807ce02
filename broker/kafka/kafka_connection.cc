#include "broker/kafka/kafka_connection.h"

#include <chrono>
#include <utility>

#include "base/error.h"
#include "broker/file_frames/file_frames.h"
#include "broker/kafka/api_handlers.h"
#include "broker/kafka/call.h"
#include "broker/kafka/text.h"
#include "fmt/format.h"
#include "proto/kafka/api_table.h"
#include "proto/kafka/codec.h"
#include "proto/kafka/connection.h"

namespace sillok::kafka_door {
namespace {

// In a log line: what a client says of itself may be anything.
std::string Printable(const std::string& text) {
  std::string out = text.substr(0, 64);
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

std::string NameOf(const kafka::RequestHeader& header) {
  const kafka::ApiRange* api = kafka::FindApi(header.request_api_key);
  return fmt::format("{} v{}",
                     api == nullptr
                         ? fmt::format("API {}", header.request_api_key)
                         : std::string(api->name),
                     header.request_api_version);
}

absl::StatusOr<net::OutFrame> Frame(const kafka::RequestHeader& header,
                                    const Bytes& body) {
  auto front = kafka::EncodeMessage(
      kafka::ResponseHeader{header.correlation_id},
      kafka::ResponseHeaderVersion(header.request_api_key,
                                   header.request_api_version));
  if (!front.ok()) return front.status();
  return ToOutFrame(*front, body);
}

// KIP-511: a version 0 answer that says which versions there are, so that the
// client can ask again.
Bytes UnsupportedApiVersions() {
  const ServedApi* self = FindServedApi(kafka::kApiVersionsKey);
  kafka::ApiVersionsResponse response;
  response.error_code = Number(ErrorCode::UNSUPPORTED_VERSION);
  response.api_keys.push_back(
      {self->range.key, self->range.min, self->range.max});
  return *kafka::EncodeMessage(response, 0);
}

}  // namespace

KafkaConnection::KafkaConnection(std::shared_ptr<DoorState> door,
                                 std::shared_ptr<net::Connection> connection)
    : door_(std::move(door)),
      connection_(std::move(connection)),
      client_host_("/" + connection_->info().peer_host) {}

void KafkaConnection::Refuse(RefusalReason reason,
                             const kafka::RequestHeader* header,
                             const std::string& why,
                             const net::ReplyPtr& reply) {
  door_->metrics().CountRefusal(reason);
  std::string request;
  if (header != nullptr) {
    request = fmt::format(" request={} client_id={}", NameOf(*header),
                          Printable(header->client_id.value_or("")));
  }
  const std::string line = fmt::format(
      "closing a Kafka connection: peer={} listener={}{} why={}",
      connection_->info().peer, connection_->info().listener, request, why);
  door_->LogRefusal(connection_->info().peer_host, line);
  reply->Close("");  // it is in our line
}

void KafkaConnection::OnBadLength(int32_t length, net::ReplyPtr reply) {
  Refuse(RefusalReason::kBadFrame, nullptr,
         fmt::format("a request of {} bytes", length), reply);
}

void KafkaConnection::OnFrame(Bytes frame, net::ReplyPtr reply) {
  const auto started = std::chrono::steady_clock::now();
  auto parsed = kafka::DecodeRequestHeader(frame);
  if (!parsed.ok()) {
    return Refuse(RefusalReason::kBadHeader, nullptr,
                  std::string(parsed.status().message()), reply);
  }
  const kafka::RequestHeader& header = parsed->header;
  const ServedApi* api = FindServedApi(header.request_api_key);
  if (api == nullptr) {
    return Refuse(RefusalReason::kUnknownApi, &header, "the API is not served",
                  reply);
  }
  if (!api->range.Has(header.request_api_version)) {
    if (header.request_api_key == kafka::kApiVersionsKey) {
      return reply->Send(*Frame(header, UnsupportedApiVersions()));
    }
    return Refuse(RefusalReason::kBadVersion, &header,
                  fmt::format("the versions served are {} to {}",
                              api->range.min, api->range.max),
                  reply);
  }
  Call call;
  call.broker = &door_->broker();
  call.door = door_.get();
  call.caller.client_host = client_host_;
  call.caller.client_id = header.client_id.value_or("");
  call.caller.listener = connection_->info().listener;
  call.caller.departure = departure_;
  call.version = header.request_api_version;
  auto respond = [door = door_, connection = connection_, header, reply,
                  started](Outcome outcome) {
    if (outcome.bad_body) {
      door->metrics().CountRefusal(RefusalReason::kBadBody);
    } else {
      const std::chrono::duration<double> seconds =
          std::chrono::steady_clock::now() - started;
      door->metrics().CountRequest(header.request_api_key, seconds.count(),
                                   outcome.errors);
    }
    if (outcome.kind == Outcome::Kind::kNothing) return reply->SendNothing();
    std::string why = std::move(outcome.why);
    if (outcome.kind == Outcome::Kind::kSend) {
      auto out = Frame(header, outcome.body);
      if (out.ok()) return reply->Send(*std::move(out));
      why = std::string(out.status().message());
    }
    door->LogRefusal(
        connection->info().peer_host,
        fmt::format("closing a Kafka connection: peer={} listener={} "
                    "request={} client_id={} why={}",
                    connection->info().peer, connection->info().listener,
                    NameOf(header),
                    Printable(header.client_id.value_or("")), why));
    reply->Close("");  // it is in our line
  };
  api->handler.handle(call, frame, parsed->body_position, std::move(respond));
}

}  // namespace sillok::kafka_door
