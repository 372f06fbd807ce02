#include "coordinator/server/peer_service.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "coordinator/server/snapshot_transfer.h"
#include "glog/logging.h"

namespace sillok::coord {
namespace {

// Messages of one peer that may wait for the loop before its stream is read on.
constexpr int kMaxUnderWay = 64;

}  // namespace

// One stream of a peer. Ends itself: Finish is called once, when no read is
// outstanding and none will follow; OnDone deletes it.
class PeerService::Inbound final
    : public grpc::ServerBidiReactor<v1::PeerMessage, v1::PeerAck> {
 public:
  explicit Inbound(PeerService* owner)
      : owner_(owner), stream_(owner->next_stream_++) {
    StartRead(&incoming_);
  }

 private:
  void OnReadDone(bool ok) override {
    switch (phase_) {
      case Phase::kHello:
        return ok ? OnHello() : Finish(grpc::Status::CANCELLED);
      case Phase::kMessages:
        return ok ? OnMessage() : OnMessagesEnd();
      case Phase::kSnapshot:
        return ok ? OnChunk() : EndSnapshot(grpc::Status::CANCELLED);
    }
  }

  void OnHello() {
    std::string problem = CheckHello(owner_->options_, incoming_);
    if (!problem.empty()) {
      LOG(WARNING) << "refused a peer: " << problem;
      return Finish({grpc::StatusCode::FAILED_PRECONDITION, problem});
    }
    from_ = MemberId(incoming_.from());
    if (incoming_.hello().snapshot()) {
      if (owner_->snapshot_busy_.exchange(true)) {
        return Finish({grpc::StatusCode::UNAVAILABLE,
                       "another snapshot is being taken in"});
      }
      phase_ = Phase::kSnapshot;
      sink_ = std::make_unique<SnapshotSink>(owner_->store_);
    } else {
      phase_ = Phase::kMessages;
      Post([this] { owner_->handler_.on_open(from_, stream_); });
      ack_.set_sequence(incoming_.sequence());
      StartWrite(&ack_);
    }
    StartRead(&incoming_);
  }

  void OnMessage() {
    auto message = std::make_shared<v1::PeerMessage>(std::move(incoming_));
    bool read_on = under_way_.fetch_add(1) + 1 < kMaxUnderWay;
    Post([this, message] {
      bool counts = message->from() == from_.value();
      if (counts) {
        owner_->handler_.on_message(from_, stream_, std::move(*message));
      }
      // Whoever took the count to the limit left the stream unread.
      if (under_way_.fetch_sub(1) == kMaxUnderWay) StartRead(&incoming_);
    });
    if (read_on) StartRead(&incoming_);
  }

  void OnMessagesEnd() {
    // In line behind the messages; after it nothing refers to this object.
    Post([this] {
      owner_->handler_.on_closed(from_, stream_);
      Finish(grpc::Status::OK);
    });
  }

  void OnChunk() {
    owner_->disk_->Post([this] {
      absl::Status status = sink_->Add(incoming_);
      if (!status.ok()) {
        LOG(WARNING) << "snapshot from peer " << from_
                     << " refused: " << status;
        return EndSnapshot(
            {grpc::StatusCode::DATA_LOSS, std::string(status.message())});
      }
      if (!sink_->staged()) return StartRead(&incoming_);
      LOG(INFO) << "snapshot from peer " << from_ << " staged, zxid="
                << sink_->zxid();
      PeerService* owner = owner_;
      owner->loop_->Post([owner, from = from_, epoch = sink_->epoch(),
                          zxid = sink_->zxid()] {
        owner->handler_.on_snapshot(from, epoch, zxid);
      });
      Finish(grpc::Status::OK);
    });
  }

  void EndSnapshot(grpc::Status status) {
    sink_.reset();
    owner_->SnapshotConsumed();
    Finish(std::move(status));
  }

  void OnDone() override { delete this; }

  // The server is shut down before the loop is stopped, so none is dropped.
  void Post(Task task) { owner_->loop_->Post(std::move(task)); }

  enum class Phase { kHello, kMessages, kSnapshot };

  PeerService* const owner_;
  const uint64_t stream_;
  Phase phase_ = Phase::kHello;
  MemberId from_;
  v1::PeerMessage incoming_;
  v1::PeerAck ack_;
  std::atomic<int> under_way_{0};
  std::unique_ptr<SnapshotSink> sink_;
};

PeerService::PeerService(const PeerOptions& options, EventLoop* loop,
                         Executor* disk, CoordinatorStore* store)
    : options_(options), loop_(loop), disk_(disk), store_(store) {}

grpc::ServerBidiReactor<v1::PeerMessage, v1::PeerAck>* PeerService::Messages(
    grpc::CallbackServerContext* context) {
  return new Inbound(this);
}

}  // namespace sillok::coord
