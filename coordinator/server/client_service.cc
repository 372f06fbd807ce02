#include "coordinator/server/client_service.h"

#include <grpcpp/grpcpp.h>

#include <cstring>
#include <deque>
#include <string>
#include <utility>

namespace sillok::coord {
namespace {

// A client that does not take its answers is not read from either.
constexpr size_t kMaxQueuedMessages = 4'096;

grpc::Status EndStatus(StreamEnd end) {
  switch (end) {
    case StreamEnd::kDone:
      return grpc::Status::OK;
    case StreamEnd::kUnavailable:
      return {grpc::StatusCode::UNAVAILABLE,
              "this member does not serve clients now"};
    case StreamEnd::kTooNew:
      return {grpc::StatusCode::FAILED_PRECONDITION,
              "the client has seen a later state than this member has"};
    case StreamEnd::kSessionGone:
      return {grpc::StatusCode::ABORTED,
              "the session has expired or is served elsewhere now"};
    case StreamEnd::kBadRequest:
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "connect must be the first message, and the first only"};
    case StreamEnd::kAuthFailed:
      return {grpc::StatusCode::UNAUTHENTICATED,
              "the client gave an identity that it could not prove"};
  }
  return {grpc::StatusCode::INTERNAL, "unknown end"};
}

// "ipv4:10.0.0.7:40322" or "ipv6:[::1]:40322" (its brackets may be escaped)
// -> the address; what comes over a Unix socket is this machine.
std::string AddressOf(std::string peer) {
  const size_t scheme = peer.find(':');
  const size_t port = peer.rfind(':');
  if (peer.rfind("ipv", 0) != 0 || port <= scheme) return "127.0.0.1";
  std::string address = peer.substr(scheme + 1, port - scheme - 1);
  for (const char* bracket : {"%5B", "%5D", "[", "]"}) {
    const size_t at = address.find(bracket);
    if (at != std::string::npos) address.erase(at, std::strlen(bracket));
  }
  return address;
}

}  // namespace

// One client stream. Deletes itself when it has ended and no operation of it is
// in the queue any more.
class ClientService::Stream {
 public:
  explicit Stream(ClientService* owner) : owner_(owner) {
    owner_->service_.RequestSession(&context_, &stream_, queue(), queue(),
                                    &accepted_);
  }

  void Enqueue(v1::SessionResponse message) {
    queue_.push_back(std::move(message));
  }
  void End(StreamEnd end) {
    ending_ = true;
    end_status_ = EndStatus(end);
  }
  // Writes what waits; ends the stream behind the last message.
  void Pump() {
    if (writing_ || finishing_ || !open_) return;
    if (!queue_.empty()) {
      outgoing_ = std::move(queue_.front());
      queue_.pop_front();
      writing_ = true;
      grpc::WriteOptions options;
      // What follows at once goes into the same packet.
      if (!queue_.empty()) options.set_buffer_hint();
      stream_.Write(outgoing_, options, &written_);
    } else if (ending_) {
      Finish();
    }
  }
  // False when it stays paused.
  bool ReadOn() {
    if (reading_ || ending_ || !open_) return true;
    if (queue_.size() >= kMaxQueuedMessages ||
        !owner_->handler_.clients.wants_requests(id_)) {
      return false;
    }
    Read();
    return true;
  }

 private:
  grpc::ServerCompletionQueue* queue() { return owner_->loop_->queue(); }

  void OnAccepted(bool ok) {
    if (!ok) {
      delete this;  // the server shuts down
      return;
    }
    new Stream(owner_);
    id_ = ConnectionId(++owner_->last_id_);
    owner_->streams_.emplace(id_, this);
    open_ = true;
    owner_->handler_.clients.on_connection(id_, AddressOf(context_.peer()));
    Read();
  }

  void Read() {
    reading_ = true;
    stream_.Read(&incoming_, &read_);
  }

  void OnRead(bool ok) {
    reading_ = false;
    if (!ok) {
      Disconnect();
      return;
    }
    if (ending_ || finishing_) {
      MaybeDelete();
      return;
    }
    owner_->handler_.clients.on_request(id_, std::move(incoming_));
    incoming_.Clear();
    if (!ReadOn()) owner_->paused_.push_back(id_);
  }

  void OnWritten(bool ok) {
    writing_ = false;
    if (!ok) {
      Disconnect();
      return;
    }
    Pump();
  }

  // The client is gone, or has said its last word.
  void Disconnect() {
    if (!std::exchange(disconnected_, true) && !ending_) {
      owner_->handler_.clients.on_disconnect(id_);
      ending_ = true;
    }
    queue_.clear();
    if (!finishing_ && !writing_) {
      Finish();
    } else {
      MaybeDelete();
    }
  }

  void Finish() {
    finishing_ = true;
    stream_.Finish(end_status_, &finished_);
  }

  void OnFinished(bool) {
    finished_done_ = true;
    MaybeDelete();
  }

  void MaybeDelete() {
    if (!finished_done_ || reading_ || writing_) return;
    owner_->streams_.erase(id_);
    delete this;
  }

  ClientService* const owner_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<v1::SessionResponse, v1::SessionRequest>
      stream_{&context_};
  ConnectionId id_;
  v1::SessionRequest incoming_;
  v1::SessionResponse outgoing_;
  std::deque<v1::SessionResponse> queue_;
  grpc::Status end_status_;
  bool open_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool finishing_ = false;
  bool finished_done_ = false;
  bool disconnected_ = false;
  Operation<Stream> accepted_{this, &Stream::OnAccepted};
  Operation<Stream> read_{this, &Stream::OnRead};
  Operation<Stream> written_{this, &Stream::OnWritten};
  Operation<Stream> finished_{this, &Stream::OnFinished};
};

class ClientService::StatusCall {
 public:
  explicit StatusCall(ClientService* owner) : owner_(owner) {
    owner_->service_.RequestMemberStatus(
        &context_, &request_, &responder_, owner_->loop_->queue(),
        owner_->loop_->queue(), &accepted_);
  }

 private:
  void OnAccepted(bool ok) {
    if (!ok) {
      delete this;
      return;
    }
    new StatusCall(owner_);
    v1::MemberStatusResponse response;
    owner_->handler_.fill_status(&response);
    responder_.Finish(response, grpc::Status::OK, &finished_);
  }
  void OnFinished(bool) { delete this; }

  ClientService* const owner_;
  grpc::ServerContext context_;
  v1::MemberStatusRequest request_;
  grpc::ServerAsyncResponseWriter<v1::MemberStatusResponse> responder_{
      &context_};
  Operation<StatusCall> accepted_{this, &StatusCall::OnAccepted};
  Operation<StatusCall> finished_{this, &StatusCall::OnFinished};
};

ClientService::ClientService() = default;
ClientService::~ClientService() = default;

void ClientService::Start(EventLoop* loop, Handler handler) {
  loop_ = loop;
  handler_ = std::move(handler);
  new Stream(this);
  new StatusCall(this);
}

void ClientService::Do(ClientAction action) {
  auto it = streams_.find(action.connection);
  if (it == streams_.end()) return;
  if (action.message.has_value()) {
    it->second->Enqueue(std::move(*action.message));
  } else {
    it->second->End(action.end);
  }
  dirty_.push_back(action.connection);
}

void ClientService::EndTurn() {
  for (ConnectionId id : std::exchange(dirty_, {})) {
    auto it = streams_.find(id);
    if (it != streams_.end()) it->second->Pump();
  }
  std::vector<ConnectionId> still_paused;
  for (ConnectionId id : std::exchange(paused_, {})) {
    auto it = streams_.find(id);
    if (it != streams_.end() && !it->second->ReadOn()) {
      still_paused.push_back(id);
    }
  }
  paused_ = std::move(still_paused);
}

}  // namespace sillok::coord
