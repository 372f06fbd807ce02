#include "coordinator/server/snapshot_transfer.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "base/rpc/channel.h"
#include "base/status_macros.h"
#include "proto/peer.grpc.pb.h"

namespace sillok::coord {
namespace {

constexpr size_t kChunkBytes = 256 << 10;

struct FreeChecksum {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

}  // namespace

SnapshotSender::SnapshotSender(const PeerOptions& options,
                               CoordinatorStore* store, Done done)
    : options_(options), store_(store), done_(std::move(done)) {}

SnapshotSender::~SnapshotSender() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  if (current_ != nullptr) current_->TryCancel();
  // The executor, a member, runs the rest (which ends at once) and joins.
}

void SnapshotSender::Send(MemberId to, uint32_t epoch) {
  ++pending_;
  executor_.Post([this, to, epoch] {
    Zxid zxid;
    absl::Status status = Stream(to, epoch, &zxid);
    --pending_;
    done_(to, epoch, zxid, status);
  });
}

absl::Status SnapshotSender::Stream(MemberId to, uint32_t epoch, Zxid* zxid) {
  auto address = options_.addresses.find(to);
  if (address == options_.addresses.end()) {
    return absl::NotFoundError("no such peer");
  }
  grpc::ClientContext context;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return absl::CancelledError("stopping");
    current_ = &context;
  }
  auto reset = [this] {
    std::lock_guard lock(mutex_);
    current_ = nullptr;
  };
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader =
      store_->OpenSnapshot(kChunkBytes);
  if (!reader.ok()) {
    reset();
    return reader.status();
  }
  *zxid = (*reader)->zxid();
  auto stub = v1::CoordinatorPeer::NewStub(rpc::NewChannel(address->second));
  auto stream = stub->Messages(&context);
  // A receiver that refuses ends the call; the reason is in its status.
  absl::Status status = Chunks(
      reader->get(), to, epoch,
      [&](const v1::PeerMessage& message) { return stream->Write(message); });
  if (status.ok() || absl::IsUnavailable(status)) {
    stream->WritesDone();
  } else {
    context.TryCancel();
  }
  v1::PeerAck ack;
  while (stream->Read(&ack)) {
  }
  grpc::Status end = stream->Finish();
  reset();
  if (!end.ok()) return absl::UnavailableError(end.error_message());
  return status;
}

absl::Status SnapshotSender::Chunks(
    SnapshotReader* reader, MemberId to, uint32_t epoch,
    const std::function<bool(const v1::PeerMessage&)>& write) {
  v1::PeerMessage message = MakeHello(options_, to, true);
  if (!write(message)) return absl::UnavailableError("the peer hung up");
  std::unique_ptr<XXH3_state_t, FreeChecksum> checksum(XXH3_createState());
  XXH3_64bits_reset(checksum.get());
  uint64_t id = next_id_++;
  ASSIGN_OR_RETURN(std::optional<std::string> data, reader->Next());
  for (uint64_t index = 0; data.has_value(); ++index) {
    ASSIGN_OR_RETURN(std::optional<std::string> next, reader->Next());
    message.set_epoch(epoch);
    v1::SnapshotChunk* chunk = message.mutable_snapshot_chunk();
    XXH3_64bits_update(checksum.get(), data->data(), data->size());
    chunk->set_snapshot_id(id);
    chunk->set_zxid(reader->zxid().value());
    chunk->set_index(index);
    chunk->set_data(*std::move(data));
    chunk->set_last(!next.has_value());
    if (chunk->last()) chunk->set_checksum(XXH3_64bits_digest(checksum.get()));
    if (!write(message)) return absl::UnavailableError("the peer hung up");
    data = std::move(next);
  }
  return absl::OkStatus();
}

SnapshotSink::SnapshotSink(CoordinatorStore* store)
    : store_(store), checksum_(XXH3_createState()) {
  XXH3_64bits_reset(checksum_);
}

SnapshotSink::~SnapshotSink() { XXH3_freeState(checksum_); }

absl::Status SnapshotSink::Add(const v1::PeerMessage& message) {
  if (!message.has_snapshot_chunk() || staged_) {
    return absl::InvalidArgumentError("a snapshot chunk was expected");
  }
  const v1::SnapshotChunk& chunk = message.snapshot_chunk();
  if (writer_ == nullptr) {
    ASSIGN_OR_RETURN(writer_, store_->BeginInstall());
    id_ = chunk.snapshot_id();
    epoch_ = message.epoch();
    zxid_ = Zxid(chunk.zxid());
  }
  if (chunk.snapshot_id() != id_ || chunk.index() != next_index_ ||
      message.epoch() != epoch_ || Zxid(chunk.zxid()) != zxid_) {
    return absl::DataLossError("a snapshot chunk is out of order");
  }
  ++next_index_;
  XXH3_64bits_update(checksum_, chunk.data().data(), chunk.data().size());
  RETURN_IF_ERROR(writer_->Add(chunk.data()));
  if (!chunk.last()) return absl::OkStatus();
  if (XXH3_64bits_digest(checksum_) != chunk.checksum()) {
    return absl::DataLossError("the snapshot's checksum is wrong");
  }
  if (!writer_->complete() || writer_->zxid() != zxid_) {
    return absl::DataLossError("the snapshot is not complete");
  }
  RETURN_IF_ERROR(writer_->Stage());
  writer_.reset();
  staged_ = true;
  return absl::OkStatus();
}

}  // namespace sillok::coord
