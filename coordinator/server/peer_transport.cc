#include "coordinator/server/peer_transport.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/net/frame_link.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "glog/logging.h"

namespace sillok::coord {
namespace {

// 2: frames instead of gRPC.
constexpr uint32_t kProtocolVersion = 2;
// A refusal that stays the same is said again after this.
constexpr int64_t kRepeatRefusalMs = 60'000;

// Memory for a message of `size` bytes, and the frame that it becomes.
struct Draft {
  Draft(const std::shared_ptr<net::BufferCache>& cache, size_t size)
      : size(size), memory(net::TakeBuffer(cache, size)) {}
  uint8_t* begin() { return reinterpret_cast<uint8_t*>(memory.get()); }
  Bytes Finish() && {
    Bytes bytes;
    const char* data = memory.get();
    bytes.Append({data, size, std::move(memory)});
    return bytes;
  }
  const size_t size;
  std::shared_ptr<char> memory;
};

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

// The connection to one peer, over all its incarnations.
class PeerTransport::Link {
 public:
  Link(PeerTransport* owner, MemberId peer, std::string address)
      : owner_(owner), peer_(peer), address_(std::move(address)) {}
  ~Link() {
    if (link_ != nullptr) link_->Finish();
  }

  void Dial() {
    const std::optional<net::HostPort> at = net::SplitHostPort(address_);
    if (!at.has_value()) return OnEnded("the address is not host:port");
    net::FrameLink::Options options;
    options.host = at->host;
    options.port = at->port;
    options.tcp_congestion = owner_->options_.tcp_congestion;
    options.max_frame_bytes = kMaxPeerFrameBytes;
    link_ = net::FrameLink::Dial(
        owner_->loop_, std::move(options),
        {[this](Bytes frame) { OnAnswer(frame); },
         [this](const std::string& why) { OnEnded(why); }});
    link_->Send(net::OutFrame::FromString(
        MakeHello(owner_->options_, peer_, false).SerializeAsString()));
    for (const Bytes& frame : waiting_) link_->Send(net::OutFrame(frame));
    ForgetWaiting();
  }
  void Send(Bytes frame) {
    if (link_ != nullptr) {
      link_->Send(net::OutFrame(frame));
    } else {
      waiting_bytes_ += static_cast<int64_t>(frame.size());
      waiting_.push_back(std::move(frame));
    }
    const int64_t queued =
        link_ != nullptr ? link_->unsent_bytes() : waiting_bytes_;
    if (queued <= owner_->options_.max_queued_bytes) return;
    LOG(WARNING) << "peer " << peer_ << " does not keep up; queued_bytes="
                 << queued << ", cutting it off";
    Reset();
  }
  // The peer is there: no reason to wait.
  void DialSoon() { redial_at_ms_ = 0; }
  void OnTick(int64_t now_ms) {
    if (link_ == nullptr && now_ms >= redial_at_ms_) Dial();
  }
  bool connected() const { return connected_; }
  const std::string& address() const { return address_; }

 private:
  // Anything the peer says but no shows that it took the hello.
  void OnAnswer(const Bytes& frame) {
    std::string scratch;
    const std::string_view bytes = frame.Flat(&scratch);
    v1::PeerAck ack;
    if (!ack.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      link_->Close();
      return OnEnded("an answer that cannot be read");
    }
    if (!ack.refused().empty()) return OnRefused(ack.refused());
    if (std::exchange(connected_, true)) return;
    failures_ = 0;
    last_refusal_.clear();
    LOG(INFO) << "connected to peer " << peer_ << " at " << address_;
  }

  void OnRefused(const std::string& why) {
    const int64_t now_ms = Clock::Real().MonotonicMs();
    if (why != last_refusal_ || now_ms >= repeat_refusal_at_ms_) {
      LOG(WARNING) << "peer " << peer_ << " at " << address_
                   << " refuses this member: " << why;
      last_refusal_ = why;
      repeat_refusal_at_ms_ = now_ms + kRepeatRefusalMs;
    }
    link_->Close();
    ++failures_;  // which leaves the line below to the first one
    OnEnded(why);
    redial_at_ms_ = now_ms + owner_->options_.redial_refused_ms;
  }

  void Reset() {
    if (link_ != nullptr) {
      link_->Close();
      link_.reset();
    }
    PauseBeforeRedial();
    owner_->handler_.on_reset(peer_);
  }

  void OnEnded(const std::string& why) {
    if (connected_ || failures_ == 0) {
      LOG(WARNING) << (connected_ ? "lost peer " : "no connection to peer ")
                   << peer_ << " at " << address_ << ": " << why;
    }
    link_.reset();
    // Somebody whose own connection is open is there, though its door may not
    // be open yet, or for us.
    const bool lost = connected_ || owner_->inbound_.count(peer_) == 0;
    PauseBeforeRedial();
    owner_->handler_.on_reset(peer_);
    if (lost) owner_->handler_.on_lost(peer_);
  }

  void PauseBeforeRedial() {
    connected_ = false;
    ForgetWaiting();
    const PeerOptions& options = owner_->options_;
    redial_at_ms_ =
        Clock::Real().MonotonicMs() +
        std::min(options.redial_min_ms << std::min<size_t>(failures_, 10),
                 options.redial_max_ms);
    ++failures_;
  }

  void ForgetWaiting() {
    waiting_.clear();
    waiting_bytes_ = 0;
  }

  PeerTransport* const owner_;
  const MemberId peer_;
  const std::string address_;
  std::shared_ptr<net::FrameLink> link_;  // null: there is a pause
  std::vector<Bytes> waiting_;            // for the next one
  int64_t waiting_bytes_ = 0;
  bool connected_ = false;
  size_t failures_ = 0;
  int64_t redial_at_ms_ = 0;
  std::string last_refusal_;
  int64_t repeat_refusal_at_ms_ = 0;
};

PeerTransport::PeerTransport(PeerOptions options, net::Loop* loop,
                             Handler handler)
    : options_(std::move(options)),
      loop_(loop),
      handler_(std::move(handler)) {
  for (const auto& [peer, address] : options_.addresses) AddLink(peer, address);
}

PeerTransport::~PeerTransport() = default;

void PeerTransport::AddLink(MemberId peer, const std::string& address) {
  links_[peer] = std::make_unique<Link>(this, peer, address);
  if (started_ && !stopping_) links_[peer]->Dial();
}

void PeerTransport::Start() {
  started_ = true;
  for (auto& [peer, link] : links_) link->Dial();
}

void PeerTransport::SetPeers(std::map<MemberId, std::string> addresses) {
  addresses.erase(options_.self);
  for (auto it = links_.begin(); it != links_.end();) {
    const auto named = addresses.find(it->first);
    if (named != addresses.end() && named->second == it->second->address()) {
      ++it;
      continue;
    }
    const MemberId peer = it->first;
    LOG(INFO) << "peer " << peer << " at " << it->second->address()
              << (named == addresses.end() ? " is let go"
                                           : " is at " + named->second);
    it = links_.erase(it);
    if (named == addresses.end()) inbound_.erase(peer);
    handler_.on_reset(peer);
  }
  for (const auto& [peer, address] : addresses) {
    if (links_.count(peer) == 0) AddLink(peer, address);
  }
}

void PeerTransport::Send(MemberId to, const v1::PeerMessage& message) {
  Draft draft(buffers_, message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(draft.begin());
  SendFrame(to, std::move(draft).Finish());
}

void PeerTransport::Send(MemberId to, const v1::PeerMessage& head, int field,
                         const google::protobuf::MessageLite& body) {
  using Wire = google::protobuf::internal::WireFormatLite;
  using Out = google::protobuf::io::CodedOutputStream;
  const uint32_t tag =
      Wire::MakeTag(field, Wire::WIRETYPE_LENGTH_DELIMITED);
  const auto body_size = static_cast<uint32_t>(body.ByteSizeLong());
  const size_t head_size = head.ByteSizeLong();
  Draft draft(buffers_, head_size + Out::VarintSize32(tag) +
                            Out::VarintSize32(body_size) + body_size);
  uint8_t* at = head.SerializeWithCachedSizesToArray(draft.begin());
  at = Out::WriteVarint32ToArray(tag, at);
  at = Out::WriteVarint32ToArray(body_size, at);
  body.SerializeWithCachedSizesToArray(at);
  SendFrame(to, std::move(draft).Finish());
}

void PeerTransport::SendFrame(MemberId to, Bytes frame) {
  auto it = links_.find(to);
  if (it != links_.end()) it->second->Send(std::move(frame));
}

void PeerTransport::OnTick(int64_t now_ms) {
  if (stopping_) return;
  for (auto& [peer, link] : links_) link->OnTick(now_ms);
}

void PeerTransport::Stop() {
  stopping_ = true;
  links_.clear();
}

bool PeerTransport::connected(MemberId peer) const {
  auto it = links_.find(peer);
  return it != links_.end() && it->second->connected();
}

std::string PeerTransport::address(MemberId peer) const {
  auto it = links_.find(peer);
  return it == links_.end() ? "" : it->second->address();
}

PeerDoor::Handler PeerTransport::MakeDoorHandler() {
  PeerDoor::Handler handler;
  handler.check = [this](const v1::PeerMessage& hello) {
    return CheckHello(hello);
  };
  handler.on_open = [this](MemberId from, uint64_t stream) {
    OnInboundOpen(from, stream);
  };
  handler.on_message = [this](MemberId from, uint64_t stream,
                              v1::PeerMessage message) {
    return OnInboundMessage(from, stream, std::move(message));
  };
  handler.on_closed = [this](MemberId from, uint64_t stream) {
    OnInboundClosed(from, stream);
  };
  return handler;
}

std::string PeerTransport::CheckHello(const v1::PeerMessage& message) const {
  const std::string me = "member " + std::to_string(options_.self.value());
  if (!message.has_hello()) return "the first message must be a hello";
  if (message.hello().protocol_version() != kProtocolVersion) {
    return "peer protocol version " +
           std::to_string(message.hello().protocol_version()) +
           " is not known to " + me;
  }
  if (message.hello().ensemble() != options_.ensemble) {
    return me + " belongs to ensemble '" + options_.ensemble + "', not to '" +
           message.hello().ensemble() + "'";
  }
  if (message.to() != options_.self.value()) {
    return "this is " + me + ", not member " + std::to_string(message.to());
  }
  if (links_.count(MemberId(message.from())) == 0) {
    return "member " + std::to_string(message.from()) +
           " is not in the ensemble that " + me + " knows";
  }
  return "";
}

void PeerTransport::OnInboundOpen(MemberId from, uint64_t stream) {
  bool replaces = inbound_.count(from) != 0;
  inbound_[from] = stream;
  if (replaces) handler_.on_reset(from);
  auto link = links_.find(from);
  if (link != links_.end()) link->second->DialSoon();
}

bool PeerTransport::OnInboundMessage(MemberId from, uint64_t stream,
                                     v1::PeerMessage message) {
  auto it = inbound_.find(from);
  if (it == inbound_.end() || it->second != stream) return false;
  handler_.on_message(std::move(message));
  return true;
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
