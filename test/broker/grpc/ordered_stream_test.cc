#include "broker/grpc/ordered_stream.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/rpc/channel.h"
#include "base/rpc/raw_bytes.h"
#include "base/rpc/server.h"
#include "gtest/gtest.h"
#include "grpcpp/generic/generic_stub.h"
#include "proto/broker.grpc.pb.h"

namespace sillok::grpc_door {
namespace {

using RawService = v1::Broker::WithRawCallbackMethod_ProduceStream<
    v1::Broker::Service>;

// Every stream is an OrderedStream whose answers the test gives by hand.
class Service final : public RawService {
 public:
  explicit Service(OrderedStreamLimits limits) : limits_(limits) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ProduceStream(
      grpc::CallbackServerContext*) override {
    return new OrderedStream(
        limits_, [this](Bytes request, OrderedStream::Answer answer) {
          v1::ProduceRequest message;
          if (!message.ParseFromString(request.ToString())) {
            return absl::InvalidArgumentError("not a request");
          }
          std::lock_guard lock(mutex);
          answers[message.correlation_id()] = std::move(answer);
          arrived.notify_all();
          return absl::OkStatus();
        },
        [this] {
          std::lock_guard lock(mutex);
          ++ended;
          arrived.notify_all();
        });
  }
  void AwaitEnd() {
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return ended > 0; });
  }

  // Waits for the request, then takes its answer.
  OrderedStream::Answer Take(uint64_t id) {
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return answers.contains(id); });
    auto answer = std::move(answers[id]);
    answers.erase(id);
    return answer;
  }
  size_t Waiting() {
    std::lock_guard lock(mutex);
    return answers.size();
  }

  std::mutex mutex;
  std::condition_variable arrived;
  std::map<uint64_t, OrderedStream::Answer> answers;
  int ended = 0;  // streams that broke off

 private:
  OrderedStreamLimits limits_;
};

Bytes Response(uint64_t id) {
  v1::ProduceResponse response;
  response.set_correlation_id(id);
  return Bytes::FromString(response.SerializeAsString());
}

class OrderedStreamTest : public testing::Test {
 protected:
  void Start(OrderedStreamLimits limits = {}) {
    service = std::make_unique<Service>(limits);
    auto started = rpc::RpcServer::Start({"127.0.0.1:0"}, {service.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    stub = v1::Broker::NewStub(
        rpc::NewChannel("127.0.0.1:" + std::to_string(server->port())));
    stream = stub->ProduceStream(&context);
  }
  void Send(uint64_t id) {
    v1::ProduceRequest request;
    request.set_correlation_id(id);
    ASSERT_TRUE(stream->Write(request));
  }
  uint64_t Receive() {
    v1::ProduceResponse response;
    return stream->Read(&response) ? response.correlation_id() : 0;
  }

  std::unique_ptr<Service> service;
  std::unique_ptr<rpc::RpcServer> server;
  std::unique_ptr<v1::Broker::Stub> stub;
  grpc::ClientContext context;
  std::unique_ptr<
      grpc::ClientReaderWriter<v1::ProduceRequest, v1::ProduceResponse>>
      stream;
};

TEST_F(OrderedStreamTest, AnswersComeInTheOrderOfTheRequests) {
  Start();
  for (uint64_t id = 1; id <= 5; ++id) Send(id);
  for (uint64_t id : {5, 3, 1, 4, 2}) service->Take(id)(Response(id));
  for (uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(Receive(), id);
  stream->WritesDone();
  EXPECT_EQ(Receive(), 0u);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(OrderedStreamTest, AClientThatBreaksOffIsToldToThoseWhoWorkForIt) {
  Start();
  Send(1);
  OrderedStream::Answer answer = service->Take(1);
  context.TryCancel();
  service->AwaitEnd();
  answer(Response(1));  // nobody is there any more
  EXPECT_FALSE(stream->Finish().ok());
}

TEST_F(OrderedStreamTest, ARequestThatIsNotAnsweredHoldsNobodyUp) {
  Start();
  for (uint64_t id = 1; id <= 3; ++id) Send(id);
  service->Take(3)(Response(3));
  service->Take(2)(std::nullopt);
  service->Take(1)(std::nullopt);
  EXPECT_EQ(Receive(), 3u);
}

TEST_F(OrderedStreamTest, TheStreamEndsWhenTheLastAnswerIsOut) {
  Start();
  Send(1);
  stream->WritesDone();
  auto answer = service->Take(1);
  answer(Response(1));
  EXPECT_EQ(Receive(), 1u);
  EXPECT_EQ(Receive(), 0u);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(OrderedStreamTest, ReadingStopsAtTheLimitAndGoesOnAfterAnAnswer) {
  Start({.max_requests = 2});
  for (uint64_t id = 1; id <= 3; ++id) Send(id);
  auto first = service->Take(1);
  auto second = service->Take(2);
  EXPECT_EQ(service->Waiting(), 0u);
  first(Response(1));
  EXPECT_EQ(Receive(), 1u);
  service->Take(3)(Response(3));
  second(Response(2));
  EXPECT_EQ(Receive(), 2u);
  EXPECT_EQ(Receive(), 3u);
}

TEST_F(OrderedStreamTest, AnAnswerAfterTheStreamIsGoneIsHarmless) {
  Start();
  Send(1);
  auto answer = service->Take(1);
  context.TryCancel();
  EXPECT_FALSE(stream->Finish().ok());
  server->Shutdown(0);
  answer(Response(1));
}

TEST_F(OrderedStreamTest, CancelsAndAnswersMayRace) {
  Start();
  std::atomic<bool> over{false};
  // Answers whatever is there, from a thread of its own.
  std::thread answering([&] {
    while (!over) {
      std::map<uint64_t, OrderedStream::Answer> taken;
      {
        std::lock_guard lock(service->mutex);
        taken.swap(service->answers);
      }
      for (auto& [id, answer] : taken) answer(Response(id));
    }
  });
  for (int round = 0; round < 300; ++round) {
    grpc::ClientContext one;
    auto racing = stub->ProduceStream(&one);
    for (uint64_t id = 1; id <= 4; ++id) {
      v1::ProduceRequest request;
      request.set_correlation_id(round * 10 + id);
      racing->Write(request);
    }
    v1::ProduceResponse response;
    for (int i = 0; i < round % 4; ++i) racing->Read(&response);
    one.TryCancel();
    racing->Finish();
  }
  over = true;
  answering.join();
}

TEST_F(OrderedStreamTest, AMessageThatCannotBeReadEndsTheStream) {
  service = std::make_unique<Service>(OrderedStreamLimits{});
  auto started = rpc::RpcServer::Start({"127.0.0.1:0"}, {service.get()});
  ASSERT_TRUE(started.ok());
  server = *std::move(started);
  grpc::GenericStub generic(
      rpc::NewChannel("127.0.0.1:" + std::to_string(server->port())));
  grpc::CompletionQueue queue;
  auto call = generic.PrepareCall(&context, "/sillok.v1.Broker/ProduceStream",
                                  &queue);
  void* tag;
  bool ok;
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  // Field 4 (a partition) that promises more bytes than there are.
  call->Write(rpc::ToByteBuffer(Bytes::FromString("\x22\x7f")), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "not a request");
}

}  // namespace
}  // namespace sillok::grpc_door
