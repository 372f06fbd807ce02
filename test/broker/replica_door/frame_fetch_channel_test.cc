// Over real sockets: the channel against a server that answers as told.
#include "broker/replication/frame_fetch_channel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/net/frame_server.h"
#include "proto/wire/payload_codec.h"

namespace sillok {
namespace {

using Response = absl::StatusOr<ReplicaFetchResponse>;

// What the source says to a fetch; nullopt: nothing, ever.
using Source = std::function<std::optional<Bytes>(const v1::FetchRequest&)>;

class SourceConnection final : public net::FrameHandler {
 public:
  SourceConnection(const Source& source, std::vector<net::ReplyPtr>* kept)
      : source_(source), kept_(kept) {}
  void OnFrame(Bytes frame, net::ReplyPtr reply) override {
    v1::FetchRequest request;
    ASSERT_TRUE(request.ParseFromString(frame.ToString()));
    std::optional<Bytes> answer = source_(request);
    if (answer.has_value()) return reply->Send(net::OutFrame(*answer));
    kept_->push_back(std::move(reply));
  }

 private:
  const Source& source_;
  std::vector<net::ReplyPtr>* const kept_;
};

struct Server {
  explicit Server(Source what) : source(std::move(what)) {
    net::FrameServerOptions options;
    options.listeners = {{"REPLICATION", "127.0.0.1", 0}};
    options.loop_threads = 1;
    auto started = net::FrameServer::Start(
        options, [this](const std::shared_ptr<net::Connection>&) {
          return std::make_unique<SourceConnection>(source, &kept);
        });
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
  }
  ~Server() { server->Stop(0); }

  const Source source;
  std::vector<net::ReplyPtr> kept;  // on the loop thread
  std::unique_ptr<net::FrameServer> server;
};

// The gRPC side: only counts who comes.
class OtherFactory final : public FetchChannelFactory {
 public:
  class Channel final : public FetchChannel {
   public:
    void Send(const v1::FetchRequest&, int64_t, Callback done) override {
      // Not inside Send.
      later_ = std::async(std::launch::async, [done = std::move(done)] {
        done(absl::UnavailableError("the other way"));
      });
    }

   private:
    std::future<void> later_;
  };
  std::unique_ptr<FetchChannel> Open(BrokerId, const std::string&,
                                     int) override {
    ++opened;
    return std::make_unique<Channel>();
  }
  int opened = 0;
};

class FrameFetchChannelTest : public testing::Test {
 protected:
  FrameFetchChannelTest()
      : factory_(&loop_, "",
                 [this](BrokerId) {
                   std::lock_guard lock(mutex_);
                   return port_ == 0 ? std::nullopt
                                     : std::make_optional(std::make_pair(
                                           std::string("127.0.0.1"), port_));
                 },
                 &others_) {
    loop_.Start();
    channel_ = factory_.Open(BrokerId(2), "grpc", 1);
  }
  ~FrameFetchChannelTest() override {
    channel_.reset();
    loop_.Join();
  }

  void PointTo(int port) {
    std::lock_guard lock(mutex_);
    port_ = port;
  }
  Response Fetch(int64_t correlation_id, int64_t timeout_ms = 60'000) {
    v1::FetchRequest request;
    request.set_correlation_id(correlation_id);
    auto promise = std::make_shared<std::promise<Response>>();
    channel_->Send(request, timeout_ms, [promise](Response response) {
      promise->set_value(std::move(response));
    });
    return promise->get_future().get();
  }

  std::mutex mutex_;
  int port_ = 0;
  net::Loop loop_{"follow"};
  OtherFactory others_;
  FrameFetchChannelFactory factory_;
  std::unique_ptr<FetchChannel> channel_;
};

// A partition with `size` bytes of its own kind for each of `sizes`.
std::optional<Bytes> Answer(const v1::FetchRequest& request,
                            const std::vector<size_t>& sizes) {
  v1::FetchResponse response;
  response.set_correlation_id(request.correlation_id());
  std::vector<Bytes> batches;
  for (size_t i = 0; i < sizes.size(); ++i) {
    response.add_partitions()->set_partition(static_cast<int32_t>(i));
    batches.push_back(Bytes::FromString(
        std::string(sizes[i], static_cast<char>('a' + i))));
  }
  return SerializeFetchResponse(std::move(response), batches);
}

TEST_F(FrameFetchChannelTest, AnswersComeWholeWhateverTheirSize) {
  const std::vector<size_t> sizes = {0, 1, 100, 40'000, 5'000'000};
  Server server([&](const v1::FetchRequest& request) {
    return Answer(request, sizes);
  });
  PointTo(server.server->port());
  for (int64_t round = 1; round <= 3; ++round) {
    Response response = Fetch(round);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->header.correlation_id(), round);
    ASSERT_EQ(response->batches.size(), sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) {
      EXPECT_EQ(response->batches[i].ToString(),
                std::string(sizes[i], static_cast<char>('a' + i)));
    }
  }
  EXPECT_EQ(server.server->stats().connections_accepted, 1);
  EXPECT_EQ(others_.opened, 0);
}

TEST_F(FrameFetchChannelTest, ASourceWithoutTheListenerIsReachedTheOtherWay) {
  EXPECT_FALSE(Fetch(1).ok());
  EXPECT_EQ(others_.opened, 1);
  EXPECT_FALSE(Fetch(2).ok());
  EXPECT_EQ(others_.opened, 1) << "nothing has changed: the same channel";
}

TEST_F(FrameFetchChannelTest, TheSourceIsFollowedToAnotherPortAndToTheOtherWay) {
  auto answer = [](const v1::FetchRequest& request) {
    return Answer(request, {10});
  };
  {
    Server first(answer);
    PointTo(first.server->port());
    ASSERT_TRUE(Fetch(1).ok());
  }
  EXPECT_FALSE(Fetch(2).ok());  // nobody is there
  Server second(answer);
  PointTo(second.server->port());
  Response response = Fetch(3);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->header.correlation_id(), 3);
  EXPECT_EQ(others_.opened, 0);
  PointTo(0);  // the listener was taken away
  EXPECT_FALSE(Fetch(4).ok());
  EXPECT_EQ(others_.opened, 1);
  PointTo(second.server->port());
  EXPECT_TRUE(Fetch(5).ok());
}

TEST_F(FrameFetchChannelTest, ASilentSourceIsADeadlineAndThenTriedAgain) {
  Server server([](const v1::FetchRequest& request) -> std::optional<Bytes> {
    if (request.correlation_id() == 1) return std::nullopt;
    return Answer(request, {10});
  });
  PointTo(server.server->port());
  EXPECT_EQ(Fetch(1, /*timeout_ms=*/20).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  // On a new connection: a late answer to the first cannot be taken for this.
  Response response = Fetch(2);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->header.correlation_id(), 2);
  EXPECT_EQ(server.server->stats().connections_accepted, 2);
}

TEST_F(FrameFetchChannelTest, AnAnswerThatIsNoneIsAnError) {
  Server server([](const v1::FetchRequest&) {
    return std::optional<Bytes>(Bytes::FromString("\xff\xff\xff"));
  });
  PointTo(server.server->port());
  EXPECT_FALSE(Fetch(1).ok());
}

TEST_F(FrameFetchChannelTest, NobodyIsCalledOnceTheChannelIsGone) {
  Server server(
      [](const v1::FetchRequest&) { return std::optional<Bytes>(); });
  PointTo(server.server->port());
  auto called = std::make_shared<std::atomic<bool>>(false);
  channel_->Send(v1::FetchRequest(), 60'000,
                 [called](Response) { *called = true; });
  channel_.reset();
  loop_.Join();
  EXPECT_FALSE(*called);
  EXPECT_EQ(called.use_count(), 1) << "what the callback held is let go";
}

TEST_F(FrameFetchChannelTest, TheChannelMayGoInsideItsOwnCallback) {
  Server server(
      [](const v1::FetchRequest& request) { return Answer(request, {1}); });
  PointTo(server.server->port());
  std::promise<void> gone;
  channel_->Send(v1::FetchRequest(), 60'000, [&](Response response) {
    EXPECT_TRUE(response.ok()) << response.status();
    channel_.reset();
    gone.set_value();
  });
  gone.get_future().wait();
}

}  // namespace
}  // namespace sillok
