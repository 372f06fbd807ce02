// A Kafka door without sockets over a broker's real parts: replicas with logs,
// a group coordinator over a partition in memory. There is no controller.
#ifndef SILLOK_TEST_BROKER_KAFKA_DOOR_FIXTURE_H_
#define SILLOK_TEST_BROKER_KAFKA_DOOR_FIXTURE_H_

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/net/connection.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/api/broker_context.h"
#include "broker/kafka/door_state.h"
#include "broker/kafka/kafka_connection.h"
#include "gtest/gtest.h"
#include "proto/kafka/codec.h"
#include "proto/kafka/header.h"
#include "test/broker/journal/fake_replicated_log.h"
#include "test/broker/replication/cluster_fixture.h"

namespace sillok::kafka_door {

// How the door ended a request.
struct Ended {
  enum Kind { kSent, kNothing, kSentAndClosed, kClosed } kind = kClosed;
  std::string bytes;    // of the frame, file pieces read
  int file_pieces = 0;  // of the frame
  std::string why;
};

class FakeReply final : public net::Reply {
 public:
  std::future<Ended> future() { return promise_.get_future(); }
  void Send(net::OutFrame frame) override {
    promise_.set_value(Read(Ended::kSent, frame));
  }
  void SendNothing() override { promise_.set_value({Ended::kNothing}); }
  void SendAndClose(net::OutFrame frame) override {
    promise_.set_value(Read(Ended::kSentAndClosed, frame));
  }
  void Close(std::string why) override {
    promise_.set_value({Ended::kClosed, "", 0, std::move(why)});
  }

 private:
  static Ended Read(Ended::Kind kind, const net::OutFrame& frame);
  std::promise<Ended> promise_;
};

class FakeConnection final : public net::Connection {
 public:
  explicit FakeConnection(const std::string& listener) {
    info_.listener = listener;
    info_.peer_host = "10.1.2.3";
    info_.peer = "10.1.2.3:4567";
  }
  const net::ConnectionInfo& info() const override { return info_; }
  void Send(net::OutFrame) override {}
  void Close(std::string) override {}
  void Finish(std::string) override {}
  void PauseReading(int64_t) override {}
  void ReadOn() override {}
  void Post(std::function<void()>) override {}

 private:
  net::ConnectionInfo info_;
};

// Topics: `orders` with three partitions led here (broker 0), `elsewhere` with
// one led by broker 1. Broker 0 has listeners PLAINTEXT and INTERNAL, broker 1
// PLAINTEXT alone.
class DoorTest : public testing::Test {
 protected:
  static constexpr char kOrdersId[] = "AAAAAAAAAAAAAAAAAAAAAQ";
  static constexpr char kElsewhereId[] = "AAAAAAAAAAAAAAAAAAAAAg";

  DoorTest();
  ~DoorTest() override;

  // A raw frame, without its length.
  std::future<Ended> SendFrame(Bytes frame);
  static Bytes FrameOf(int16_t key, int16_t version, const Bytes& body,
                       int32_t correlation_id = 77);

  template <typename Request>
  std::future<Ended> Send(const Request& request, int16_t version) {
    auto body = kafka::EncodeMessage(request, version);
    EXPECT_TRUE(body.ok()) << body.status();
    return SendFrame(FrameOf(Request::kInfo.api_key, version, *body));
  }
  // The answer, which must come and be well-formed.
  template <typename Response>
  Response Read(std::future<Ended> ended, int16_t version) {
    const Ended answer = ended.get();
    Response response;
    EXPECT_EQ(answer.kind, Ended::kSent) << answer.why;
    if (answer.kind != Ended::kSent) return response;
    kafka::ResponseHeader header;
    const size_t header_size = ReadHeader(
        Response::kInfo.api_key, version, answer.bytes, &header);
    EXPECT_EQ(header.correlation_id, 77);
    last_ = answer;
    absl::Status status = kafka::DecodeMessage(
        Bytes::FromString(answer.bytes), header_size, version, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  template <typename Response, typename Request>
  Response Ask(const Request& request, int16_t version) {
    return Read<Response>(Send(request, version), version);
  }
  // A new connection by another listener.
  void Connect(const std::string& listener);

  int64_t Metric(const std::string& line_start) const;

  MetricsRegistry registry_;
  ReplicaCluster cluster_{1};
  ClusterViewHolder view_;
  Timer timer_;
  Executor executor_{"door", 2};
  std::shared_ptr<FakeReplicatedLog> groups_log_ =
      std::make_shared<FakeReplicatedLog>();
  std::unique_ptr<GroupCoordinator> groups_;
  api::ApiMetrics api_metrics_{&registry_};
  api::BrokerContext context_;
  std::shared_ptr<DoorState> state_;
  std::unique_ptr<KafkaConnection> connection_;
  Ended last_;  // of Read

 private:
  static size_t ReadHeader(int16_t key, int16_t version,
                           const std::string& bytes,
                           kafka::ResponseHeader* header);
};

}  // namespace sillok::kafka_door

#endif  // SILLOK_TEST_BROKER_KAFKA_DOOR_FIXTURE_H_
