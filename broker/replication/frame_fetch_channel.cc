#include "broker/replication/frame_fetch_channel.h"

#include "base/net/frame_client.h"
#include "proto/wire/payload_codec.h"

namespace sillok {
namespace {

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
    return response;
  }

  net::FrameClient client_;
};

}  // namespace

std::unique_ptr<FetchChannel> FrameFetchChannelFactory::Open(
    BrokerId source, const std::string& host, int port) {
  std::optional<HostAndPort> found = find_(source);
  if (!found.has_value()) return others_->Open(source, host, port);
  net::FrameClient::Options options;
  options.host = std::move(found->first);
  options.port = found->second;
  options.tcp_congestion = tcp_congestion_;
  return std::make_unique<FrameFetchChannel>(loop_, std::move(options));
}

}  // namespace sillok
