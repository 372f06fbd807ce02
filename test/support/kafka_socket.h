// A Kafka client of the plainest kind: a blocking socket that carries frames.
#ifndef SILLOK_TEST_SUPPORT_KAFKA_SOCKET_H_
#define SILLOK_TEST_SUPPORT_KAFKA_SOCKET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "proto/kafka/codec.h"
#include "proto/kafka/header.h"

namespace sillok {

// One connection. Not thread-safe. Waits at most `timeout_ms` for anything.
class KafkaSocket {
 public:
  explicit KafkaSocket(int port, int timeout_ms = 30'000);
  ~KafkaSocket();
  KafkaSocket(const KafkaSocket&) = delete;
  KafkaSocket& operator=(const KafkaSocket&) = delete;

  bool connected() const { return fd_ >= 0; }
  // False when the peer has closed.
  bool SendRaw(std::string_view bytes);
  // A whole frame without its length; empty: the connection ended (or the time
  // is over, which is a failure of the test).
  std::optional<std::string> ReceiveFrame();
  // The peer ends the connection without another byte.
  bool EndsSilently();

  // Frame with header, as the API's version has it.
  static std::string FrameOf(int16_t key, int16_t version,
                             std::string_view body,
                             int32_t correlation_id = 1);
  template <typename Request>
  static std::string FrameOf(const Request& request, int16_t version,
                             int32_t correlation_id = 1) {
    auto body = kafka::EncodeMessage(request, version);
    EXPECT_TRUE(body.ok()) << body.status();
    return FrameOf(Request::kInfo.api_key, version, body->ToString(),
                   correlation_id);
  }
  template <typename Request>
  bool Send(const Request& request, int16_t version,
            int32_t correlation_id = 1) {
    return SendRaw(FrameOf(request, version, correlation_id));
  }
  // Empty: the connection ended, or the bytes are no such answer (a failure of
  // the test).
  template <typename Response>
  std::optional<Response> Receive(int16_t version, int32_t correlation_id = 1) {
    const std::optional<std::string> frame = ReceiveFrame();
    if (!frame.has_value()) return std::nullopt;
    const size_t header = HeaderSize(Response::kInfo.api_key, version);
    Response response;
    absl::Status status = kafka::DecodeMessage(
        Bytes::FromString(*frame), header, version, &response);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(CorrelationId(*frame), correlation_id);
    if (!status.ok()) return std::nullopt;
    return response;
  }
  template <typename Response, typename Request>
  std::optional<Response> Ask(const Request& request, int16_t version) {
    if (!Send(request, version)) return std::nullopt;
    return Receive<Response>(version);
  }

  static int32_t CorrelationId(std::string_view frame);

 private:
  static size_t HeaderSize(int16_t key, int16_t version);
  // Fewer bytes than asked: the end.
  std::string ReadExactly(size_t size);

  int fd_ = -1;
};

}  // namespace sillok

#endif  // SILLOK_TEST_SUPPORT_KAFKA_SOCKET_H_
