#include "coordinator/server/peer_transport.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/clock.h"
#include "base/rpc/channel.h"
#include "glog/logging.h"

namespace sillok::coord {
namespace {

constexpr uint32_t kProtocolVersion = 1;

}  // namespace

v1::PeerMessage MakeHello(const PeerOptions& options, MemberId to,
                          bool snapshot) {
  v1::PeerMessage message;
  message.set_from(options.self.value());
  message.set_to(to.value());
  message.mutable_hello()->set_ensemble(options.ensemble);
  message.mutable_hello()->set_protocol_version(kProtocolVersion);
  message.mutable_hello()->set_snapshot(snapshot);
  return message;
}

std::string CheckHello(const PeerOptions& options,
                       const v1::PeerMessage& message) {
  std::string me = "member " + std::to_string(options.self.value());
  if (!message.has_hello()) return "the first message must be a hello";
  if (message.hello().protocol_version() != kProtocolVersion) {
    return "peer protocol version " +
           std::to_string(message.hello().protocol_version()) +
           " is not known to " + me;
  }
  if (message.hello().ensemble() != options.ensemble) {
    return me + " belongs to ensemble '" + options.ensemble + "', not to '" +
           message.hello().ensemble() + "'";
  }
  if (message.to() != options.self.value()) {
    return "this is " + me + ", not member " + std::to_string(message.to());
  }
  if (options.addresses.count(MemberId(message.from())) == 0) {
    return "member " + std::to_string(message.from()) + " is not known to " +
           me;
  }
  return "";
}

// The outbound stream to one peer, over all its incarnations.
class PeerTransport::Link {
 public:
  Link(PeerTransport* owner, MemberId peer, const std::string& address)
      : owner_(owner), peer_(peer), address_(address) {}

  void Dial() {
    call_ = new Call(this);
    connected_ = false;
  }
  void Send(v1::PeerMessage message) {
    queued_bytes_ += message.ByteSizeLong();
    queue_.push_back(std::move(message));
    if (queued_bytes_ <= owner_->options_.max_queued_bytes) return;
    LOG(WARNING) << "peer " << peer_ << " does not keep up; queued_bytes="
                 << queued_bytes_ << ", cutting it off";
    Reset();
  }
  void Pump() {
    if (call_ != nullptr) call_->Pump();
  }
  // The peer is there: no reason to wait.
  void DialSoon() { redial_at_ms_ = 0; }
  void OnTick(int64_t now_ms) {
    if (call_ == nullptr && !owner_->stopping_ && now_ms >= redial_at_ms_) {
      Dial();
    }
  }
  void Stop() {
    if (call_ != nullptr) call_->Cancel();
  }
  bool idle() const { return call_ == nullptr; }
  bool connected() const { return connected_; }

 private:
  // One incarnation. Deletes itself when its last operation is done.
  class Call {
   public:
    explicit Call(Link* link) : link_(link) {
      channel_ = rpc::NewChannel(link_->address_);
      stub_ = v1::CoordinatorPeer::NewStub(channel_);
      stream_ = stub_->PrepareAsyncMessages(&context_, queue());
      operations_ = 1;
      stream_->StartCall(&started_);
    }
    void Pump() {
      if (!ready_ || writing_ || failed_ || link_->queue_.empty()) return;
      v1::PeerMessage& next = link_->queue_.front();
      link_->queued_bytes_ -= std::min(next.ByteSizeLong(),
                                       link_->queued_bytes_);
      outgoing_ = std::move(next);
      link_->queue_.pop_front();
      outgoing_.set_sequence(++sequence_);
      Write(!link_->queue_.empty());
    }
    void Cancel() { context_.TryCancel(); }

   private:
    grpc::CompletionQueue* queue() {
      return link_->owner_->loop_->queue();
    }
    void Write(bool more) {
      writing_ = true;
      ++operations_;
      grpc::WriteOptions options;
      if (more) options.set_buffer_hint();
      stream_->Write(outgoing_, options, &written_);
    }
    void OnStarted(bool ok) {
      --operations_;
      if (!ok || failed_) return Fail();
      outgoing_ = MakeHello(link_->owner_->options_, link_->peer_, false);
      outgoing_.set_sequence(++sequence_);
      Write(false);
      ++operations_;
      stream_->Read(&ack_, &read_);
    }
    void OnWritten(bool ok) {
      --operations_;
      writing_ = false;
      if (!ok || failed_) return Fail();
      ready_ = true;
      Pump();
    }
    // Anything the peer says shows that it took the hello.
    void OnRead(bool ok) {
      --operations_;
      if (!ok || failed_) return Fail();
      if (!link_->connected_) {
        link_->connected_ = true;
        link_->failures_ = 0;
        LOG(INFO) << "connected to peer " << link_->peer_ << " at "
                  << link_->address_;
      }
      ++operations_;
      stream_->Read(&ack_, &read_);
    }
    // An operation has failed: the call is over once all others are back too.
    void Fail() {
      if (!std::exchange(failed_, true)) {
        context_.TryCancel();
        ++operations_;
        stream_->Finish(&status_, &finished_);
        return;
      }
      MaybeEnd();
    }
    void OnFinished(bool) {
      --operations_;
      finished_done_ = true;
      MaybeEnd();
    }
    void MaybeEnd() {
      if (!finished_done_ || operations_ > 0) return;
      link_->OnCallEnded(status_);
      delete this;
    }
    Link* const link_;
    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<v1::CoordinatorPeer::Stub> stub_;
    grpc::ClientContext context_;
    std::unique_ptr<
        grpc::ClientAsyncReaderWriter<v1::PeerMessage, v1::PeerAck>>
        stream_;
    v1::PeerMessage outgoing_;
    v1::PeerAck ack_;
    grpc::Status status_;
    uint64_t sequence_ = 0;
    int operations_ = 0;
    bool ready_ = false;  // the hello is written
    bool writing_ = false;
    bool failed_ = false;
    bool finished_done_ = false;
    Operation<Call> started_{this, &Call::OnStarted};
    Operation<Call> written_{this, &Call::OnWritten};
    Operation<Call> read_{this, &Call::OnRead};
    Operation<Call> finished_{this, &Call::OnFinished};
  };

  void Reset() {
    queue_.clear();
    queued_bytes_ = 0;
    own_doing_ = true;
    if (call_ != nullptr) call_->Cancel();
    owner_->handler_.on_reset(peer_);
  }

  void OnCallEnded(const grpc::Status& status) {
    call_ = nullptr;
    bool was_connected = std::exchange(connected_, false);
    bool own_doing = std::exchange(own_doing_, false);
    queue_.clear();
    queued_bytes_ = 0;
    if (owner_->stopping_) return;
    if (was_connected ||
        (failures_ == 0 &&
         status.error_code() != grpc::StatusCode::UNAVAILABLE)) {
      LOG(WARNING) << "lost peer " << peer_ << " at " << address_ << ": "
                   << status.error_message();
    }
    const PeerOptions& options = owner_->options_;
    int64_t pause = std::min(
        options.redial_min_ms << std::min<size_t>(failures_, 10),
        options.redial_max_ms);
    ++failures_;
    redial_at_ms_ = Clock::Real().MonotonicMs() + pause;
    owner_->handler_.on_reset(peer_);
    if (!own_doing) owner_->handler_.on_lost(peer_);
  }

  PeerTransport* const owner_;
  const MemberId peer_;
  const std::string address_;
  Call* call_ = nullptr;
  bool connected_ = false;
  bool own_doing_ = false;  // this side cancelled the call
  size_t failures_ = 0;
  int64_t redial_at_ms_ = 0;
  std::deque<v1::PeerMessage> queue_;
  size_t queued_bytes_ = 0;
};

PeerTransport::PeerTransport(PeerOptions options, EventLoop* loop,
                             Handler handler)
    : options_(std::move(options)),
      loop_(loop),
      handler_(std::move(handler)) {
  for (const auto& [peer, address] : options_.addresses) {
    links_[peer] = std::make_unique<Link>(this, peer, address);
  }
}

PeerTransport::~PeerTransport() = default;

void PeerTransport::Start() {
  for (auto& [peer, link] : links_) link->Dial();
}

void PeerTransport::Send(MemberId to, v1::PeerMessage message) {
  auto it = links_.find(to);
  if (it != links_.end()) it->second->Send(std::move(message));
}

void PeerTransport::EndTurn() {
  for (auto& [peer, link] : links_) link->Pump();
}

void PeerTransport::OnTick(int64_t now_ms) {
  for (auto& [peer, link] : links_) link->OnTick(now_ms);
}

void PeerTransport::Stop() {
  stopping_ = true;
  for (auto& [peer, link] : links_) link->Stop();
}

bool PeerTransport::idle() const {
  return std::all_of(links_.begin(), links_.end(),
                     [](const auto& link) { return link.second->idle(); });
}

bool PeerTransport::connected(MemberId peer) const {
  auto it = links_.find(peer);
  return it != links_.end() && it->second->connected();
}

void PeerTransport::OnInboundOpen(MemberId from, uint64_t stream) {
  bool replaces = inbound_.count(from) != 0;
  inbound_[from] = stream;
  if (replaces) handler_.on_reset(from);
  auto link = links_.find(from);
  if (link != links_.end()) link->second->DialSoon();
}

void PeerTransport::OnInboundMessage(MemberId from, uint64_t stream,
                                     v1::PeerMessage message) {
  auto it = inbound_.find(from);
  if (it == inbound_.end() || it->second != stream) return;
  handler_.on_message(std::move(message));
}

void PeerTransport::OnInboundClosed(MemberId from, uint64_t stream) {
  auto it = inbound_.find(from);
  if (it == inbound_.end() || it->second != stream) return;
  inbound_.erase(it);
  if (stopping_) return;
  handler_.on_reset(from);
  handler_.on_lost(from);
}

}  // namespace sillok::coord
