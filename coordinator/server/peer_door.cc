#include "coordinator/server/peer_door.h"

#include <optional>
#include <utility>

#include "base/net/frame_link.h"
#include "base/status_macros.h"
#include "coordinator/server/peer_transport.h"
#include "coordinator/server/snapshot_transfer.h"
#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::coord {
namespace {

constexpr int64_t kRepeatRefusalMs = 60'000;
// A peer whose machine is gone is missed after three of these.
constexpr int kKeepaliveSeconds = 5;
// Problems remembered so that they are not repeated.
constexpr size_t kMaxRefusals = 100;

net::OutFrame Encode(const std::string& refused) {
  v1::PeerAck ack;
  ack.set_refused(refused);
  return net::OutFrame::FromString(ack.SerializeAsString());
}

}  // namespace

// One connection of a peer.
class PeerDoor::Inbound final : public net::FrameHandler {
 public:
  Inbound(PeerDoor* owner, std::shared_ptr<net::Connection> connection)
      : owner_(owner),
        connection_(std::move(connection)),
        stream_(++owner->last_stream_),
        heard_ms_(owner->loop_->now_ms()) {
    owner_->timed_.insert(this);
  }
  ~Inbound() override { owner_->timed_.erase(this); }

  bool WantsReplies() const override { return false; }
  bool WantsFrame() const override { return !chunk_under_way_; }

  void OnFrame(Bytes frame, net::ReplyPtr) override {
    heard_ms_ = owner_->loop_->now_ms();
    std::string scratch;
    const std::string_view bytes = frame.Flat(&scratch);
    v1::PeerMessage message;
    if (!message.ParseFromArray(bytes.data(),
                                static_cast<int>(bytes.size()))) {
      return connection_->Close("a message that cannot be read");
    }
    switch (phase_) {
      case Phase::kHello:
        return OnHello(message);
      case Phase::kMessages:
        if (message.from() != from_.value()) return;
        if (!owner_->handler_.on_message(from_, stream_, std::move(message))) {
          phase_ = Phase::kOver;
          connection_->Finish("the peer's connection counts no more");
        }
        return;
      case Phase::kSnapshot:
        return OnChunk(std::move(message));
      case Phase::kOver:
        return;
    }
  }

  void OnTick(int64_t now_ms) {
    if (chunk_under_way_) heard_ms_ = now_ms;
    if (now_ms - heard_ms_ < owner_->silence_ms_) return;
    connection_->Close(phase_ == Phase::kSnapshot
                           ? "a snapshot that does not go on"
                           : "no hello");
  }

  void OnClose(net::CloseReason) override {
    if (opened_) {
      // What it causes belongs into a turn of its own.
      owner_->loop_->Post([owner = owner_, from = from_, stream = stream_] {
        owner->handler_.on_closed(from, stream);
      });
    }
    if (sink_ == nullptr) return;
    // Behind a chunk that is on its way.
    owner_->disk_->Post([sink = std::move(sink_),
                         busy = owner_->snapshot_busy_] {
      if (!sink->staged()) *busy = false;
    });
  }

 private:
  enum class Phase { kHello, kMessages, kSnapshot, kOver };

  void OnHello(const v1::PeerMessage& message) {
    const std::string problem = owner_->handler_.check(message);
    if (!problem.empty()) {
      owner_->LogRefusal(connection_->info().peer_host, problem);
      return Refuse(problem);
    }
    from_ = MemberId(message.from());
    if (!message.hello().snapshot()) {
      owner_->timed_.erase(this);
      phase_ = Phase::kMessages;
      opened_ = true;
      owner_->handler_.on_open(from_, stream_);
    } else if (owner_->snapshot_busy_->exchange(true)) {
      return Refuse("another snapshot is being taken in");
    } else {
      phase_ = Phase::kSnapshot;
      sink_ = std::make_shared<SnapshotSink>(owner_->store_);
    }
    connection_->Send(Encode(""));
  }

  void Refuse(const std::string& why) {
    phase_ = Phase::kOver;
    connection_->Send(Encode(why));
    connection_->Finish("");
  }

  void OnChunk(v1::PeerMessage message) {
    chunk_under_way_ = true;
    owner_->disk_->Post([this, owner = owner_, connection = connection_,
                         sink = sink_, from = from_,
                         message = std::make_shared<v1::PeerMessage>(
                             std::move(message))] {
      const absl::Status status = sink->Add(*message);
      if (sink->staged()) {
        LOG(INFO) << "snapshot from peer " << from << " staged, zxid="
                  << sink->zxid();
        owner->loop_->Post(
            [owner, from, epoch = sink->epoch(), zxid = sink->zxid(),
             ensemble_row = sink->ensemble_row()] {
              owner->handler_.on_snapshot(from, epoch, zxid, ensemble_row);
            });
      }
      // Does not run when the connection, and so this object, has ended.
      connection->Post([this, status] { OnChunkTaken(status); });
    });
  }

  void OnChunkTaken(const absl::Status& status) {
    chunk_under_way_ = false;
    if (!status.ok()) {
      LOG(WARNING) << "snapshot from peer " << from_ << " refused: " << status;
      return Refuse(std::string(status.message()));
    }
    if (!sink_->staged()) return connection_->ReadOn();
    phase_ = Phase::kOver;
    connection_->Send(Encode(""));
    connection_->Finish("");
  }

  PeerDoor* const owner_;
  const std::shared_ptr<net::Connection> connection_;
  const uint64_t stream_;
  int64_t heard_ms_;
  Phase phase_ = Phase::kHello;
  bool opened_ = false;
  MemberId from_;
  bool chunk_under_way_ = false;
  std::shared_ptr<SnapshotSink> sink_;  // used on the disk's thread
};

absl::StatusOr<std::unique_ptr<PeerDoor>> PeerDoor::Start(
    const Options& options, std::shared_ptr<net::Loop> loop, Executor* disk,
    CoordinatorStore* store, Handler handler) {
  const std::optional<net::HostPort> at = net::SplitHostPort(options.listen);
  if (!at.has_value()) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not host:port", options.listen));
  }
  net::FrameServerOptions server;
  server.name = "peer";
  server.listeners = {{"PEER", at->host, at->port}};
  server.loop = loop;
  server.tcp_congestion = options.tcp_congestion;
  server.max_frame_bytes = kMaxPeerFrameBytes;
  server.idle_timeout_ms = 0;
  server.keepalive_s = kKeepaliveSeconds;
  server.cold_read_threads = 0;
  std::unique_ptr<PeerDoor> door(
      new PeerDoor(options.silence_ms, std::move(loop), disk, store,
                   std::move(handler)));
  ASSIGN_OR_RETURN(
      door->server_,
      net::FrameServer::Start(
          std::move(server),
          [owner = door.get()](
              const std::shared_ptr<net::Connection>& connection) {
            return std::make_unique<Inbound>(owner, connection);
          }));
  return door;
}

PeerDoor::PeerDoor(int64_t silence_ms, std::shared_ptr<net::Loop> loop,
                   Executor* disk, CoordinatorStore* store, Handler handler)
    : silence_ms_(silence_ms),
      loop_(std::move(loop)),
      disk_(disk),
      store_(store),
      handler_(std::move(handler)) {}

PeerDoor::~PeerDoor() = default;

void PeerDoor::Stop() { server_->Stop(0); }

void PeerDoor::OnTick(int64_t now_ms) {
  for (Inbound* inbound : timed_) inbound->OnTick(now_ms);
}

void PeerDoor::LogRefusal(const std::string& peer, const std::string& problem) {
  const int64_t now_ms = loop_->now_ms();
  if (refusals_.size() >= kMaxRefusals) refusals_.clear();
  auto [it, fresh] = refusals_.emplace(peer + " " + problem, 0);
  if (!fresh && now_ms < it->second) return;
  it->second = now_ms + kRepeatRefusalMs;
  LOG(WARNING) << "refused a peer at " << peer << ": " << problem;
}

}  // namespace sillok::coord
