#include "client/internal/raw_stream.h"

#include <utility>

#include "base/rpc/raw_bytes.h"

namespace sillok::client {

RawStream* RawStream::Open(Loop* loop, std::shared_ptr<grpc::Channel> channel,
                           const std::string& method, Handler handler) {
  if (loop->stopping()) return nullptr;
  auto* stream = new RawStream(loop, std::move(channel), std::move(handler));
  loop->Register(stream);
  stream->call_ = stream->stub_.PrepareCall(&stream->context_, method,
                                            loop->queue());
  stream->call_->StartCall(static_cast<Completion*>(&stream->started_));
  return stream;
}

RawStream::RawStream(Loop* loop, std::shared_ptr<grpc::Channel> channel,
                     Handler handler)
    : loop_(loop),
      channel_(std::move(channel)),
      handler_(std::move(handler)),
      stub_(channel_) {}

RawStream::~RawStream() { loop_->Unregister(this); }

void RawStream::Write(Bytes message) {
  outgoing_.push_back(std::move(message));
  WriteNext();
}

void RawStream::Close() {
  closed_ = true;
  outgoing_.clear();
  context_.TryCancel();
}

void RawStream::WriteNext() {
  if (!open_ || write_out_ || outgoing_.empty()) return;
  write_out_ = true;
  call_->Write(rpc::ToByteBuffer(outgoing_.front()),
               static_cast<Completion*>(&written_));
  outgoing_.pop_front();
}

void RawStream::OnStarted(bool ok) {
  if (!ok) {
    read_ended_ = true;
    MaybeFinish();
    return;
  }
  open_ = true;
  call_->Read(&incoming_, static_cast<Completion*>(&read_));
  WriteNext();
}

void RawStream::OnRead(bool ok) {
  if (!ok) {
    read_ended_ = true;
    open_ = false;
    MaybeFinish();
    return;
  }
  Bytes message = rpc::ToBytes(incoming_);
  incoming_.Clear();
  call_->Read(&incoming_, static_cast<Completion*>(&read_));
  if (!closed_) handler_.on_message(std::move(message));
}

void RawStream::OnWritten(bool ok) {
  write_out_ = false;
  if (!ok) open_ = false;  // the read side will end too, with the reason
  if (ok && !closed_ && handler_.on_written) handler_.on_written();
  WriteNext();
  MaybeFinish();
}

void RawStream::MaybeFinish() {
  if (!read_ended_ || write_out_ || finishing_) return;
  finishing_ = true;
  call_->Finish(&status_, static_cast<Completion*>(&finished_));
}

void RawStream::OnFinished(bool) {
  if (!closed_) handler_.on_closed(status_);
  delete this;
}

}  // namespace sillok::client
