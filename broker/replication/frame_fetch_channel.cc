#include "broker/replication/frame_fetch_channel.h"

#include "base/net/frame_client.h"
#include "proto/wire/payload_codec.h"

namespace sillok {
namespace {

using HostAndPort = FrameFetchChannelFactory::HostAndPort;

// An answer of this size is appended sooner than another thread is awake. More
// would keep the loop, which carries the answers of all sources, from them.
constexpr size_t kActAtOnceBytes = 16 << 10;

class FrameFetchChannel final : public FetchChannel {
 public:
  FrameFetchChannel(net::Loop* loop, net::FrameClient::Options options)
      : client_(loop, std::move(options)) {}

  void Send(const v1::FetchRequest& request, int64_t timeout_ms,
            Callback done) override {
    std::string wire;
    request.SerializeToString(&wire);
    client_.Call(Bytes::FromString(std::move(wire)), timeout_ms,
                 [done = std::move(done)](absl::StatusOr<Bytes> frame) {
                   done(Parse(std::move(frame)));
                 });
  }

 private:
  static absl::StatusOr<ReplicaFetchResponse> Parse(
      absl::StatusOr<Bytes> frame) {
    if (!frame.ok()) return frame.status();
    ReplicaFetchResponse response;
    absl::Status status =
        ParseFetchResponse(*frame, &response.header, &response.batches);
    if (!status.ok()) return status;
    response.may_act_here = frame->size() <= kActAtOnceBytes;
    return response;
  }

  net::FrameClient client_;
};

}  // namespace

// The better of the two ways, chosen anew for each fetch: the source may have
// come back with another port, or without the listener.
class FrameFetchChannelFactory::Chosen final : public FetchChannel {
 public:
  Chosen(const FrameFetchChannelFactory& factory, BrokerId source,
         std::string host, int port)
      : factory_(factory),
        source_(source),
        host_(std::move(host)),
        port_(port) {}

  void Send(const v1::FetchRequest& request, int64_t timeout_ms,
            Callback done) override {
    Choose();
    channel_->Send(request, timeout_ms, std::move(done));
  }

 private:
  void Choose() {
    std::optional<HostAndPort> found = factory_.find_(source_);
    if (channel_ != nullptr && found == chosen_) return;
    chosen_ = found;
    if (!found.has_value()) {
      channel_ = factory_.others_->Open(source_, host_, port_);
      return;
    }
    net::FrameClient::Options options;
    options.host = std::move(found->first);
    options.port = found->second;
    options.tcp_congestion = factory_.tcp_congestion_;
    channel_ =
        std::make_unique<FrameFetchChannel>(factory_.loop_, std::move(options));
  }

  const FrameFetchChannelFactory& factory_;
  const BrokerId source_;
  const std::string host_;
  const int port_;
  std::optional<HostAndPort> chosen_;
  std::unique_ptr<FetchChannel> channel_;
};

std::unique_ptr<FetchChannel> FrameFetchChannelFactory::Open(
    BrokerId source, const std::string& host, int port) {
  return std::make_unique<Chosen>(*this, source, host, port);
}

}  // namespace sillok
