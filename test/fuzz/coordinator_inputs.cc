#include "test/fuzz/coordinator_inputs.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "coordinator/store/log_format.h"
#include "coordinator/store/snapshot_stream.h"
#include "coordinator/store/store_format.h"
#include "coordinator/tree/row_format.h"
#include "coordinator/tree/znode_tree.h"
#include "coordinator/zab/peer_codec.h"
#include "coordinator/zab/zab.h"
#include "glog/logging.h"
#include "proto/txn.pb.h"
#include "test/sim/zab_image.h"

namespace sillok::coord {
namespace {

// One member of three on a disk that keeps everything.
class Member {
 public:
  Member() {
    zab::Options options;
    options.self = MemberId(1);
    options.voters = {MemberId(1), MemberId(2), MemberId(3)};
    core_ = std::make_unique<zab::Zab>(options, zab::HardState(), Zxid(),
                                       &image_);
    Drive();
  }

  void Tick() {
    core_->Tick();
    Drive();
  }
  void Write() {
    if (token_ != 0) core_->OnPersisted(token_);
    Drive();
  }
  void Stage(const zab::Message& message) {
    core_->OnSnapshotReceived(message.from, message.epoch, message.zxid);
    Drive();
  }
  void Step(zab::Message message) {
    core_->Step(std::move(message));
    Drive();
  }
  const PeerFuzzResult& result() const { return result_; }
  PeerFuzzResult& result() { return result_; }

 private:
  void Drive() {
    while (core_->HasOutput()) {
      zab::Output out = core_->TakeOutput();
      result_.stopped = result_.stopped || !out.fatal.empty();
      for (const zab::Persist& persist : out.persist) Persist(persist);
      for (const zab::Message& message : out.send) {
        CHECK(zab::FromProto(zab::ToProto(message)).ok());
      }
      for (const zab::Entry& entry : out.committed) {
        CHECK(entry.zxid > delivered_) << entry.zxid << " after " << delivered_;
        delivered_ = entry.zxid;
        ++result_.committed;
      }
    }
  }
  void Persist(const zab::Persist& persist) {
    ++result_.persisted;
    CHECK_GT(persist.token, token_);
    token_ = persist.token;
    if (persist.install_snapshot) delivered_ = *persist.install_snapshot;
    if (persist.truncate_after) CHECK(*persist.truncate_after >= delivered_);
    sim::ZabWrite write;
    write.persist = persist;
    image_.Apply(write);
    Zxid before = image_.TrimmedTo();
    for (const zab::Entry& entry : image_.log()) {
      CHECK(zab::IsSuccessor(before, entry.zxid))
          << before << " then " << entry.zxid;
      before = entry.zxid;
    }
    CHECK(image_.hard_state().current_epoch <=
          image_.hard_state().accepted_epoch);
  }

  sim::ZabImage image_;
  std::unique_ptr<zab::Zab> core_;
  uint64_t token_ = 0;
  Zxid delivered_;
  PeerFuzzResult result_;
};

std::string_view Rest(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The key of a record with a key; `bytes` is left with the value.
std::string_view TakeKey(std::string_view* bytes) {
  if (bytes->empty()) return {};
  size_t length = std::min<size_t>(static_cast<uint8_t>(bytes->front()),
                                   bytes->size() - 1);
  std::string_view key = bytes->substr(1, length);
  bytes->remove_prefix(1 + length);
  return key;
}

bool ReadState(std::string_view bytes) {
  auto state = DecodeState(bytes);
  if (state.ok()) CHECK(EncodeState(*state) == bytes);
  return state.ok();
}

bool ReadRecords(std::string_view body, FrameBuilder* again) {
  RecordReader reader(body);
  while (true) {
    auto record = reader.Next();
    if (!record.ok()) return false;
    if (!record->has_value()) return true;
    switch ((*record)->kind) {
      case LogRecord::Kind::kEntry:
        again->AddEntry((*record)->zxid, (*record)->txn);
        break;
      case LogRecord::Kind::kTruncate:
        again->AddTruncate((*record)->zxid);
        break;
      case LogRecord::Kind::kHardState:
        again->AddHardState((*record)->hard_state);
        break;
      case LogRecord::Kind::kInstall:
        again->AddInstall((*record)->zxid, (*record)->active_rows);
        break;
      case LogRecord::Kind::kPacked:
        LOG(FATAL) << "a packed record comes out as it is";
    }
  }
}

// A frame, and what may be in one whose checksum is right.
bool ReadFrame(std::string_view bytes) {
  FrameBuilder body;
  ReadRecords(bytes, &body);
  auto header = DecodeFrameHeader(kFuzzedLifeTag, bytes);
  if (!header || bytes.size() != kFrameHeaderBytes + header->body_bytes) {
    return false;
  }
  bytes.remove_prefix(kFrameHeaderBytes);
  if (!FrameBodyMatches(kFuzzedLifeTag, *header, bytes)) return false;
  FrameBuilder again;
  if (!ReadRecords(bytes, &again)) return false;
  constexpr char kPacked[] = {5, 0, 0, 0};
  if (bytes.substr(0, 4) == std::string_view(kPacked, 4)) return true;
  CHECK(again.Finish(kFuzzedLifeTag, header->number, again.bytes())
            .substr(kFrameHeaderBytes) == bytes);
  return true;
}

bool ReadSegmentHeader(std::string_view bytes) {
  auto header = DecodeSegmentHeader(bytes);
  if (!header.ok()) return false;
  auto again = DecodeSegmentHeader(EncodeSegmentHeader(*header));
  CHECK(again.ok() && *again == *header);
  return true;
}

bool ReadRow(std::string_view bytes) {
  std::string_view key = TakeKey(&bytes);
  ZnodeTree tree;
  tree.Clear();
  if (!tree.LoadRow(key, bytes).ok()) return false;
  return tree.FinishLoad(Zxid(1, 1)).ok();
}

bool ReadChunk(std::string_view bytes) {
  SnapshotDecoder decoder;
  return decoder.Decode(bytes).ok();
}

// What cannot be applied is an error of the tree, never the end of the process.
bool ApplyTxn(std::string_view bytes) {
  v1::Txn txn;
  if (!txn.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return false;
  }
  ZnodeTree tree;
  return tree.Apply(Zxid(1, 1), txn).ok();
}

}  // namespace

std::string ScriptPiece(uint8_t control, const v1::PeerMessage& message) {
  std::string bytes = message.SerializeAsString();
  CHECK_LT(bytes.size(), 256u);
  std::string piece;
  piece.push_back(static_cast<char>(bytes.size()));
  piece.push_back(static_cast<char>(control));
  return piece + bytes;
}

PeerFuzzResult FuzzPeerScript(const uint8_t* data, size_t size) {
  Member member;
  while (size >= 2 && !member.result().stopped) {
    const size_t length = std::min<size_t>(data[0], size - 2);
    const uint8_t control = data[1];
    v1::PeerMessage wire;
    const bool parsed =
        wire.ParseFromArray(data + 2, static_cast<int>(length));
    data += 2 + length;
    size -= 2 + length;
    if (control & 1) member.Tick();
    if (control & 2) member.Write();
    if (!parsed) continue;
    auto message = zab::FromProto(std::move(wire));
    if (!message.ok()) continue;
    auto again = zab::FromProto(zab::ToProto(*message));
    CHECK(again.ok());
    CHECK_EQ(zab::DebugString(*again), zab::DebugString(*message));
    ++member.result().messages;
    if (control & 4) {
      member.Stage(*message);
    } else {
      member.Step(*std::move(message));
    }
  }
  return member.result();
}

bool FuzzStoredRecord(const uint8_t* data, size_t size) {
  if (size == 0) return false;
  std::string_view bytes = Rest(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0: return ReadState(bytes);
    case 1: return ReadFrame(bytes);
    case 5: return ReadSegmentHeader(bytes);
    case 2: return ReadRow(bytes);
    case 3: return ReadChunk(bytes);
    default: return ApplyTxn(bytes);
  }
}

}  // namespace sillok::coord
