#include "coordinator/server/snapshot_transfer.h"

#include <optional>
#include <utility>

#include "base/net/frame_link.h"
#include "base/status_macros.h"

namespace sillok::coord {
namespace {

constexpr size_t kChunkBytes = 256 << 10;

struct FreeChecksum {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

constexpr int32_t kMaxAckBytes = 64 << 10;

absl::Status ReadAck(net::BlockingLink* link) {
  ASSIGN_OR_RETURN(const std::string bytes, link->Read(kMaxAckBytes));
  v1::PeerAck ack;
  if (!ack.ParseFromString(bytes)) {
    return absl::UnavailableError("an answer that cannot be read");
  }
  if (!ack.refused().empty()) return absl::UnavailableError(ack.refused());
  return absl::OkStatus();
}

}  // namespace

SnapshotSender::SnapshotSender(const PeerOptions& options,
                               CoordinatorStore* store, Done done)
    : options_(options), store_(store), done_(std::move(done)) {}

SnapshotSender::~SnapshotSender() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  if (current_ != nullptr) current_->ShutDown();
  // The executor, a member, runs the rest (which ends at once) and joins.
}

void SnapshotSender::Send(MemberId to, std::string address, uint32_t epoch) {
  ++pending_;
  executor_.Post([this, to, address = std::move(address), epoch] {
    Zxid zxid;
    absl::Status status = Stream(to, address, epoch, &zxid);
    --pending_;
    done_(to, epoch, zxid, status);
  });
}

bool SnapshotSender::Begin(net::BlockingLink* link) {
  std::lock_guard lock(mutex_);
  if (stopping_) return false;
  current_ = link;
  return true;
}

void SnapshotSender::End() {
  std::lock_guard lock(mutex_);
  current_ = nullptr;
}

absl::Status SnapshotSender::Stream(MemberId to, const std::string& address,
                                    uint32_t epoch, Zxid* zxid) {
  const std::optional<net::HostPort> at = net::SplitHostPort(address);
  if (!at.has_value()) return absl::NotFoundError("no such peer");
  net::BlockingLink::Options options;
  options.host = at->host;
  options.port = at->port;
  options.tcp_congestion = options_.tcp_congestion;
  ASSIGN_OR_RETURN(std::unique_ptr<net::BlockingLink> link,
                   net::BlockingLink::Dial(options));
  if (!Begin(link.get())) return absl::CancelledError("stopping");
  absl::Status status;
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader =
      store_->OpenSnapshot(kChunkBytes);
  if (reader.ok()) {
    *zxid = (*reader)->zxid();
    status = Chunks(reader->get(), link.get(), to, epoch);
  } else {
    status = reader.status();
  }
  End();
  return status;
}

absl::Status SnapshotSender::Chunks(SnapshotReader* reader,
                                    net::BlockingLink* link, MemberId to,
                                    uint32_t epoch) {
  v1::PeerMessage message = MakeHello(options_, to, true);
  RETURN_IF_ERROR(link->Write(message.SerializeAsString()));
  RETURN_IF_ERROR(ReadAck(link));
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
    absl::Status written = link->Write(message.SerializeAsString());
    if (!written.ok()) {
      // A receiver that refuses says why and hangs up.
      absl::Status refused = ReadAck(link);
      return refused.ok() ? written : refused;
    }
    data = std::move(next);
  }
  return ReadAck(link);
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
  ensemble_row_ = writer_->ensemble_row();
  RETURN_IF_ERROR(writer_->Stage());
  writer_.reset();
  staged_ = true;
  return absl::OkStatus();
}

}  // namespace sillok::coord
