#include "broker/replication/grpc_fetch_channel.h"

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/rpc/raw_bytes.h"
#include "grpcpp/generic/generic_stub.h"
#include "proto/wire/payload_codec.h"

namespace sillok {
namespace {

constexpr char kMethod[] = "/sillok.v1.Broker/FetchStream";

absl::Status ToAbsl(const grpc::Status& status) {
  // The numbers are the same in both.
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

// One stream. Owned by gRPC from Start to OnDone and by its FetchChannel; the
// mutex guards everything, callbacks are called without it.
class Stream final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(std::shared_ptr<grpc::Channel> channel)
      : stub_(std::move(channel)) {}

  void Start() {
    running_ = shared_from_this();
    stub_.PrepareBidiStreamingCall(&context_, kMethod, grpc::StubOptions(),
                                   this);
    // Our hold lets Send and Cancel come from outside the reactions.
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }

  // False: the stream has ended; `done` is not taken.
  bool Send(grpc::ByteBuffer request, FetchChannel::Callback* done) {
    std::lock_guard lock(mutex_);
    if (ended_) return false;
    waiting_ = std::move(*done);
    // The answer to the last request may overtake the news that it was written.
    if (writing_) {
      next_outgoing_ = std::move(request);
    } else {
      WriteLocked(std::move(request));
    }
    return true;
  }

  void Cancel() {
    context_.TryCancel();
    ReleaseHold();
  }
  // The owner is gone: nobody is called any more, nor being called when this
  // returns.
  void Abandon() {
    FetchChannel::Callback dropped;
    std::lock_guard lock(calling_);
    std::lock_guard state(mutex_);
    dropped = std::move(waiting_);
    waiting_ = nullptr;
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok && !ended_ && next_outgoing_.has_value()) {
      WriteLocked(*std::exchange(next_outgoing_, std::nullopt));
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      ReleaseHold();
      return;
    }
    absl::StatusOr<ReplicaFetchResponse> answer = ReplicaFetchResponse();
    const absl::Status parsed = ParseFetchResponse(
        rpc::ToBytes(incoming_), &answer->header, &answer->batches);
    if (!parsed.ok()) answer = parsed;
    Answer(std::move(answer));
    if (!parsed.ok()) {
      context_.TryCancel();
      ReleaseHold();
      return;
    }
    incoming_.Clear();
    StartRead(&incoming_);
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<Stream> self = std::move(running_);
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    Answer(status.ok() ? absl::UnavailableError("the source ended the stream")
                       : ToAbsl(status));
  }

 private:
  void WriteLocked(grpc::ByteBuffer request) {
    writing_ = true;
    outgoing_ = std::move(request);
    StartWrite(&outgoing_);
  }
  void Answer(absl::StatusOr<ReplicaFetchResponse> answer) {
    std::lock_guard calling(calling_);
    FetchChannel::Callback done;
    {
      std::lock_guard lock(mutex_);
      done = std::move(waiting_);
      waiting_ = nullptr;
    }
    if (done) done(std::move(answer));
  }
  void ReleaseHold() {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(hold_released_, true)) return;
      ended_ = true;
    }
    RemoveHold();
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;
  std::shared_ptr<Stream> running_;  // this, while gRPC may react

  // Held while the callback runs, so that Abandon can wait for it; taken
  // before mutex_.
  std::mutex calling_;
  std::mutex mutex_;
  grpc::ByteBuffer outgoing_;
  std::optional<grpc::ByteBuffer> next_outgoing_;
  bool writing_ = false;
  FetchChannel::Callback waiting_;
  bool ended_ = false;
  bool hold_released_ = false;
};

class GrpcFetchChannel final : public FetchChannel {
 public:
  GrpcFetchChannel(std::shared_ptr<grpc::Channel> channel, Timer* timer)
      : channel_(std::move(channel)), timer_(timer) {}

  ~GrpcFetchChannel() override {
    timer_->Cancel(timeout_);
    Close();
  }

  void Send(const v1::FetchRequest& request, int64_t timeout_ms,
            Callback done) override {
    timer_->Cancel(timeout_);
    std::string wire;
    request.SerializeToString(&wire);
    const grpc::ByteBuffer buffer =
        rpc::ToByteBuffer(Bytes::FromString(std::move(wire)));
    if (stream_ == nullptr || !stream_->Send(buffer, &done)) {
      Close();
      stream_ = std::make_shared<Stream>(channel_);
      stream_->Start();
      if (!stream_->Send(buffer, &done)) {
        // Ended before the first request. Its callback must not run inside
        // Send.
        timer_->After(0, [done = std::move(done)] {
          done(absl::UnavailableError("the stream could not be opened"));
        });
        return;
      }
    }
    timeout_ = timer_->After(
        timeout_ms, [weak = std::weak_ptr<Stream>(stream_)] {
          if (const std::shared_ptr<Stream> stream = weak.lock()) {
            stream->Cancel();
          }
        });
  }

 private:
  void Close() {
    if (stream_ == nullptr) return;
    stream_->Abandon();
    stream_->Cancel();
    stream_.reset();
  }

  const std::shared_ptr<grpc::Channel> channel_;
  Timer* const timer_;
  std::shared_ptr<Stream> stream_;
  Timer::Id timeout_ = Timer::kNone;
};

}  // namespace

std::unique_ptr<FetchChannel> GrpcFetchChannelFactory::Open(
    BrokerId, const std::string& host, int port) {
  return std::make_unique<GrpcFetchChannel>(
      pool_->Get(host + ":" + std::to_string(port)), timer_);
}

}  // namespace sillok
