// RawStream: one bidirectional stream of raw messages to a broker.
//
// Messages go out without a copy (Bytes pieces become slices) and come in as the
// slices gRPC read. Loop thread only.
#ifndef SILLOK_CLIENT_INTERNAL_RAW_STREAM_H_
#define SILLOK_CLIENT_INTERNAL_RAW_STREAM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "client/internal/loop.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"

namespace sillok::client {

class RawStream final : public Cancellable {
 public:
  struct Handler {
    std::function<void(Bytes)> on_message;
    // Each Write, when gRPC has taken it over, in order. May be null.
    std::function<void()> on_written;
    // Once, last. Not after Close.
    std::function<void(const grpc::Status&)> on_closed;
  };

  // Opens `method` ("/package.Service/Method"). The stream deletes itself when
  // its last completion is in; the pointer is good until on_closed has run or
  // Close was called. Null when the loop is stopping.
  static RawStream* Open(Loop* loop, std::shared_ptr<grpc::Channel> channel,
                         const std::string& method, Handler handler);

  // Queues a message; the caller bounds the queue by its window.
  void Write(Bytes message);
  // Cancels; no handler runs any more.
  void Close();
  // Cancels; on_closed tells the end.
  void Cancel() override { context_.TryCancel(); }

 private:
  class Tag final : public Completion {
   public:
    using Method = void (RawStream::*)(bool);
    Tag(RawStream* stream, Method method) : stream_(stream), method_(method) {}
    void Done(bool ok) override { (stream_->*method_)(ok); }

   private:
    RawStream* const stream_;
    const Method method_;
  };

  RawStream(Loop* loop, std::shared_ptr<grpc::Channel> channel,
            Handler handler);
  ~RawStream() override;

  void OnStarted(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void WriteNext();
  // When reading ended and no write is out: asks for the final status.
  void MaybeFinish();

  Loop* const loop_;
  std::shared_ptr<grpc::Channel> channel_;
  Handler handler_;
  bool closed_ = false;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  Tag started_{this, &RawStream::OnStarted};
  Tag read_{this, &RawStream::OnRead};
  Tag written_{this, &RawStream::OnWritten};
  Tag finished_{this, &RawStream::OnFinished};
  grpc::ByteBuffer incoming_;
  std::deque<Bytes> outgoing_;
  grpc::Status status_;
  bool open_ = false;       // started, and neither side has failed
  bool write_out_ = false;
  bool read_ended_ = false;
  bool finishing_ = false;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_RAW_STREAM_H_
