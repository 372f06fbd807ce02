#include "test/broker/kafka/door_fixture.h"

#include <unistd.h>

#include <sstream>

namespace sillok::kafka_door {

Ended FakeReply::Read(Ended::Kind kind, const net::OutFrame& frame) {
  Ended ended{kind, "", 0, ""};
  for (const net::OutFrame::Piece& piece : frame.pieces()) {
    if (const auto* bytes = std::get_if<BytesPiece>(&piece)) {
      ended.bytes.append(bytes->data, bytes->size);
      continue;
    }
    const auto& file = std::get<net::FilePiece>(piece);
    std::string text(file.length, '\0');
    EXPECT_EQ(pread(file.fd, text.data(), text.size(), file.position),
              file.length);
    ended.bytes += text;
    ++ended.file_pieces;
  }
  return ended;
}

DoorTest::DoorTest() {
  v1::ClusterUpdate update;
  update.set_snapshot(true);
  update.set_cluster_id("test-cluster-id");
  update.set_controller_id(1);
  update.set_controller_epoch(1);
  update.set_broker_epoch(100);
  for (int id = 0; id < 2; ++id) {
    v1::BrokerAddress* broker = update.add_brokers();
    broker->set_broker_id(id);
    broker->set_host("grpc-host");
    broker->set_port(1);
    broker->set_rack(id == 0 ? "" : "rack-1");
    for (const char* name : {"PLAINTEXT", "INTERNAL"}) {
      if (id == 1 && std::string(name) == "INTERNAL") continue;
      v1::BrokerEndpoint* endpoint = broker->add_endpoints();
      endpoint->set_listener(name);
      endpoint->set_security_protocol("PLAINTEXT");
      endpoint->set_host("host-" + std::to_string(id));
      endpoint->set_port(name[0] == 'P' ? 9092 : 9093);
    }
  }
  auto add = [&](const std::string& name, const std::string& id,
                 int partitions, int leader) {
    v1::TopicState* topic = update.add_topics();
    topic->set_name(name);
    topic->set_topic_id(id);
    for (int i = 0; i < partitions; ++i) {
      v1::PartitionState* state = topic->add_partitions();
      state->set_partition(i);
      state->set_leader(leader);
      state->set_leader_epoch(5);
      state->set_partition_epoch(5);
      state->add_isr(leader);
      state->add_replicas(leader);
      state->set_is_new(true);
    }
  };
  add("orders", kOrdersId, 3, 0);
  add("elsewhere", kElsewhereId, 1, 1);
  add("__consumer_offsets", "AAAAAAAAAAAAAAAAAAAAAw", 1, 1);
  view_.SetBrokerEpoch(BrokerEpoch(100));
  EXPECT_EQ(view_.Apply(update), ClusterViewHolder::Outcome::kApplied);
  cluster_.Tell(0, update);

  GroupOptions group_options;
  group_options.offsets_topic_partitions = 1;
  group_options.initial_rebalance_delay_ms = 0;
  GroupCoordinator::Environment environment;
  environment.executor = &executor_;
  environment.timer = &timer_;
  environment.clock = &Clock::Real();
  groups_ = std::make_unique<GroupCoordinator>(group_options, environment);

  context_.options.broker_id = BrokerId(0);
  context_.options.log_dir = testing::TempDir();
  context_.partitions = cluster_.Table(0).get();
  context_.cluster = &view_;
  context_.groups = groups_.get();
  context_.clock = &Clock::Real();
  context_.metrics = &api_metrics_;
  context_.holds_lease = [] { return true; };
  state_ = std::make_shared<DoorState>(context_, FetchSessionOptions(),
                                       &registry_);
  Connect("PLAINTEXT");
}

DoorTest::~DoorTest() { groups_->Stop(); }

void DoorTest::Connect(const std::string& listener) {
  connection_ = std::make_unique<KafkaConnection>(
      state_, std::make_shared<FakeConnection>(listener));
}

std::future<Ended> DoorTest::SendFrame(Bytes frame) {
  auto reply = std::make_shared<FakeReply>();
  std::future<Ended> future = reply->future();
  connection_->OnFrame(std::move(frame), reply);
  return future;
}

Bytes DoorTest::FrameOf(int16_t key, int16_t version, const Bytes& body,
                        int32_t correlation_id) {
  kafka::RequestHeader header;
  header.request_api_key = key;
  header.request_api_version = version;
  header.correlation_id = correlation_id;
  header.client_id = "test-client";
  Bytes frame = kafka::FrameRequest(header, body).value();
  // As base/net hands it out: one piece, without the length.
  return Bytes::FromString(
      frame.Sub(kafka::kFrameSizeBytes, frame.size() - kafka::kFrameSizeBytes)
          .ToString());
}

size_t DoorTest::ReadHeader(int16_t key, int16_t version,
                            const std::string& bytes,
                            kafka::ResponseHeader* header) {
  const size_t size = kafka::ResponseHeaderVersion(key, version) == 0 ? 4 : 5;
  EXPECT_GE(bytes.size(), size);
  absl::Status status = kafka::DecodeMessage(
      Bytes::FromString(bytes.substr(0, size)), 0,
      kafka::ResponseHeaderVersion(key, version), header);
  EXPECT_TRUE(status.ok()) << status;
  return size;
}

int64_t DoorTest::Metric(const std::string& line_start) const {
  std::istringstream lines(registry_.Text());
  std::string line;
  while (std::getline(lines, line)) {
    if (line.rfind(line_start, 0) == 0) {
      return static_cast<int64_t>(
          std::stod(line.substr(line.find_last_of(' ') + 1)));
    }
  }
  return -1;
}

}  // namespace sillok::kafka_door
