#include "broker/replica_door/replica_door.h"

#include <utility>

#include "broker/api/fetch.h"
#include "broker/file_frames/file_frames.h"
#include "proto/broker.pb.h"
#include "proto/wire/payload_codec.h"

namespace sillok {
namespace {

// A request names each partition that is fetched: some tens of bytes.
constexpr int32_t kMaxRequestBytes = 64 << 20;

class ReplicaConnection final : public net::FrameHandler {
 public:
  ReplicaConnection(const api::BrokerContext& context,
                    const net::ConnectionInfo& info)
      : context_(context) {
    caller_.client_host = "/" + info.peer_host;
    caller_.listener = info.listener;
    caller_.departure = std::make_shared<api::Departure>();
  }

  void OnFrame(Bytes frame, net::ReplyPtr reply) override {
    std::string scratch;
    const std::string_view wire = frame.Flat(&scratch);
    v1::FetchRequest request;
    if (!request.ParseFromArray(wire.data(), static_cast<int>(wire.size()))) {
      return reply->Close("not a FetchRequest");
    }
    if (request.replica_id_plus_one() <= 0) {
      return reply->Close("a FetchRequest that is no replica's");
    }
    // Parts of files: what was appended since goes from the page cache to the
    // follower's socket. Should the log have been cut and written anew meanwhile,
    // the follower refuses batches of an epoch it does not know.
    api::Fetch(context_, caller_, std::move(request),
               api::FetchForm::kRanges,
               [reply = std::move(reply)](api::FetchAnswer answer) {
                 Answer(std::move(answer), reply);
               });
  }

  void OnClose(net::CloseReason reason) override {
    caller_.departure->Leave();
  }

 private:
  static void Answer(api::FetchAnswer answer, const net::ReplyPtr& reply) {
    std::vector<Bytes> batches;
    batches.reserve(answer.batches.size());
    for (const api::FetchedBatches& fetched : answer.batches) {
      absl::StatusOr<Bytes> bytes = BytesOfRanges(fetched.ranges);
      // The follower asks again, and is told by the log what is wrong with it.
      if (!bytes.ok()) {
        return reply->Close(std::string(bytes.status().message()));
      }
      batches.push_back(*std::move(bytes));
    }
    reply->Send(ToOutFrame(
        Bytes(), SerializeFetchResponse(std::move(answer.response), batches)));
  }

  const api::BrokerContext& context_;
  api::RequestContext caller_;
};

}  // namespace

std::unique_ptr<net::FrameHandler> NewReplicaConnection(
    const api::BrokerContext& context,
    std::shared_ptr<net::Connection> connection) {
  return std::make_unique<ReplicaConnection>(context, connection->info());
}

absl::StatusOr<std::unique_ptr<net::FrameServer>> StartReplicaDoor(
    std::vector<net::ListenAddress> listeners,
    const std::string& tcp_congestion, const api::BrokerContext& context,
    MetricsRegistry* metrics) {
  net::FrameServerOptions options;
  options.name = "replica";
  options.listeners = std::move(listeners);
  options.loop_threads = 1;
  options.tcp_congestion = tcp_congestion;
  options.max_frame_bytes = kMaxRequestBytes;
  options.metrics = metrics;
  return net::FrameServer::Start(
      std::move(options),
      [&context](const std::shared_ptr<net::Connection>& connection) {
        return NewReplicaConnection(context, connection);
      });
}

}  // namespace sillok
