#include "coordinator/server/client_service.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace sillok::coord {
namespace {

// A client that does not take its answers is not read from either.
constexpr size_t kMaxQueuedMessages = 4'096;
// Requests of a stream that are read before the member wants them.
constexpr int kMaxReadAhead = 64;

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

// One client stream. Each operation under way holds it, and the service does
// from its beginning to its end.
class ClientService::Stream : public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(ClientService* owner) : owner_(owner) {}

  // Waits for a client.
  void Await() {
    accepting_ = shared_from_this();
    owner_->service_.RequestSession(&context_, &stream_, queue(), queue(),
                                    &accepted_);
  }

  // --- On the loop.
  void Enqueue(v1::SessionResponse message) {
    fresh_.push_back(std::move(message));
  }
  void End(StreamEnd end) {
    over_ = true;
    std::lock_guard lock(mutex_);
    end_status_ = EndStatus(end);
  }
  // Hands over what waits; ends the stream behind the last message.
  void Pump() {
    Next next;
    {
      std::lock_guard lock(mutex_);
      for (v1::SessionResponse& message : fresh_) {
        outbox_.push_back(std::move(message));
      }
      ending_ |= over_;
      next = NextToDo();
    }
    fresh_.clear();
    Do(next);
  }
  // Gives the member what has been read, as far as it wants that. False when
  // something is left.
  bool Feed() {
    while (!inbox_.empty() && !over_) {
      if (Backlogged() || !clients().wants_requests(id_)) return false;
      v1::SessionRequest request = std::move(inbox_.front());
      inbox_.pop_front();
      // Whoever took the count to the limit left the stream unread.
      if (unfed_.fetch_sub(1) == kMaxReadAhead) StartRead();
      clients().on_request(id_, std::move(request));
    }
    return true;
  }

 private:
  enum class Next { kNothing, kWrite, kFinish };

  grpc::ServerCompletionQueue* queue() { return owner_->loop_->queue(); }
  const ClientHandler& clients() { return owner_->handler_.clients; }

  bool Backlogged() {
    std::lock_guard lock(mutex_);
    return outbox_.size() >= kMaxQueuedMessages;
  }

  // Under mutex_, and whoever gets an answer must do it.
  Next NextToDo() {
    if (writing_ || finishing_) return Next::kNothing;
    if (!outbox_.empty()) {
      outgoing_ = std::move(outbox_.front());
      outbox_.pop_front();
      more_follows_ = !outbox_.empty();
      writing_ = true;
      return Next::kWrite;
    }
    if (!ending_) return Next::kNothing;
    finishing_ = true;
    last_status_ = end_status_;
    return Next::kFinish;
  }
  // Not under mutex_: gRPC may call back.
  void Do(Next next) {
    if (next == Next::kWrite) {
      write_hold_ = shared_from_this();
      grpc::WriteOptions options;
      // What follows at once goes into the same packet.
      if (more_follows_) options.set_buffer_hint();
      stream_.Write(outgoing_, options, &written_);
    } else if (next == Next::kFinish) {
      finish_hold_ = shared_from_this();
      stream_.Finish(last_status_, &finished_);
    }
  }
  void StartRead() {
    read_hold_ = shared_from_this();
    stream_.Read(&incoming_, &read_);
  }

  // --- On the polling thread.
  Task OnAccepted(bool ok) {
    std::shared_ptr<Stream> self = std::move(accepting_);
    if (!ok) return nullptr;  // the server shuts down
    std::make_shared<Stream>(owner_)->Await();
    StartRead();
    return [self] { self->Begin(); };
  }

  Task OnRead(bool ok) {
    std::shared_ptr<Stream> self = std::move(read_hold_);
    if (!ok) return [self] { self->Disconnected(); };
    auto request = std::make_shared<v1::SessionRequest>(std::move(incoming_));
    incoming_.Clear();
    if (unfed_.fetch_add(1) + 1 < kMaxReadAhead) StartRead();
    return [self, request] { self->Arrived(std::move(*request)); };
  }

  Task OnWritten(bool ok) {
    std::shared_ptr<Stream> self = std::move(write_hold_);
    Next next;
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      if (!ok) {  // the read says so, too
        outbox_.clear();
        ending_ = true;
      }
      next = NextToDo();
    }
    Do(next);
    return nullptr;
  }

  Task OnFinished(bool) {
    std::shared_ptr<Stream> self = std::move(finish_hold_);
    return [self] { self->owner_->streams_.erase(self->id_); };
  }

  // --- On the loop.
  void Begin() {
    id_ = ConnectionId(++owner_->last_id_);
    owner_->streams_.emplace(id_, shared_from_this());
    clients().on_connection(id_, AddressOf(context_.peer()));
  }

  void Arrived(v1::SessionRequest request) {
    inbox_.push_back(std::move(request));
    // Behind others it waits with them.
    if (inbox_.size() == 1 && !Feed()) owner_->paused_.push_back(id_);
  }

  // The client is gone, or has said its last word.
  void Disconnected() {
    if (!std::exchange(over_, true)) clients().on_disconnect(id_);
    inbox_.clear();
    fresh_.clear();
    Next next;
    {
      std::lock_guard lock(mutex_);
      outbox_.clear();
      ending_ = true;
      next = NextToDo();
    }
    Do(next);
  }

  ClientService* const owner_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<v1::SessionResponse, v1::SessionRequest>
      stream_{&context_};

  // The loop's.
  ConnectionId id_;
  std::deque<v1::SessionRequest> inbox_;  // read, not given to the member
  std::vector<v1::SessionResponse> fresh_;
  bool over_ = false;  // for the member

  v1::SessionRequest incoming_;     // of the read under way
  std::atomic<int> unfed_{0};       // read, and not given to the member
  v1::SessionResponse outgoing_;    // of the write under way
  bool more_follows_ = false;
  grpc::Status last_status_;  // of the end under way

  std::mutex mutex_;
  std::deque<v1::SessionResponse> outbox_;  // under mutex_
  grpc::Status end_status_;                 // under mutex_
  bool writing_ = false;                    // under mutex_
  bool ending_ = false;                     // under mutex_
  bool finishing_ = false;                  // under mutex_

  // What each operation under way holds.
  std::shared_ptr<Stream> accepting_, read_hold_, write_hold_, finish_hold_;
  PolledOperation<Stream> accepted_{this, &Stream::OnAccepted};
  PolledOperation<Stream> read_{this, &Stream::OnRead};
  PolledOperation<Stream> written_{this, &Stream::OnWritten};
  PolledOperation<Stream> finished_{this, &Stream::OnFinished};
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
  std::make_shared<Stream>(this)->Await();
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
    if (it != streams_.end() && !it->second->Feed()) {
      still_paused.push_back(id);
    }
  }
  paused_ = std::move(still_paused);
}

}  // namespace sillok::coord
