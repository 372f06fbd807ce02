#include "coordinator/store/snapshot_stream.h"

#include "coordinator/store/store_format.h"

namespace sillok {
namespace {

// A chunk: checksum, magic, zxid, index, rows so far, flags (8 bytes each),
// then rows as key size, value size (8 bytes together), key, value.
constexpr uint64_t kMagic = 0x31'6b'6f'6c'6c'69'73'00;  // format 1
constexpr size_t kHeaderBytes = 48;
constexpr uint64_t kLastFlag = 1;
constexpr size_t kRowHeaderBytes = 8;

absl::Status Damaged(const char* what) {
  return absl::DataLossError(std::string("snapshot chunk: ") + what);
}

}  // namespace

void SnapshotEncoder::AddRow(std::string_view key, std::string_view value) {
  PutFixed64((uint64_t{key.size()} << 32) | value.size(), &body_);
  body_.append(key);
  body_.append(value);
  ++rows_;
}

std::string SnapshotEncoder::TakeChunk(bool last) {
  std::string covered;
  covered.reserve(kHeaderBytes + body_.size());
  PutFixed64(kMagic, &covered);
  PutFixed64(zxid_.value(), &covered);
  PutFixed64(next_index_++, &covered);
  PutFixed64(rows_, &covered);
  PutFixed64(last ? kLastFlag : 0, &covered);
  covered += body_;
  body_.clear();
  // Each checksum is the seed of the next, so the last one covers them all.
  running_ = Checksum64(running_, covered);
  std::string chunk;
  chunk.reserve(8 + covered.size());
  PutFixed64(running_, &chunk);
  chunk += covered;
  return chunk;
}

absl::StatusOr<std::vector<SnapshotDecoder::Row>> SnapshotDecoder::Decode(
    std::string_view chunk) {
  if (complete_) return Damaged("after the last one");
  if (chunk.size() < kHeaderBytes) return Damaged("too short");
  if (GetFixed64(chunk.data() + 8) != kMagic) {
    return Damaged("not of a format this version knows");
  }
  const uint64_t running = Checksum64(running_, chunk.substr(8));
  if (GetFixed64(chunk.data() + 24) != next_index_) {
    return Damaged("out of order");
  }
  if (GetFixed64(chunk.data()) != running) {
    return Damaged("checksum does not match");
  }
  const Zxid zxid(GetFixed64(chunk.data() + 16));
  if (next_index_ > 0 && zxid != zxid_) return Damaged("of another snapshot");

  std::vector<Row> rows;
  std::string_view rest = chunk.substr(kHeaderBytes);
  while (!rest.empty()) {
    if (rest.size() < kRowHeaderBytes) return Damaged("cut-off row");
    const uint64_t sizes = GetFixed64(rest.data());
    const uint64_t key_size = sizes >> 32, value_size = sizes & 0xffffffff;
    rest.remove_prefix(kRowHeaderBytes);
    if (rest.size() < key_size + value_size) return Damaged("cut-off row");
    rows.emplace_back(rest.substr(0, key_size),
                      rest.substr(key_size, value_size));
    rest.remove_prefix(key_size + value_size);
  }
  if (GetFixed64(chunk.data() + 32) != rows_ + rows.size()) {
    return Damaged("rows are missing");
  }
  zxid_ = zxid;
  ++next_index_;
  rows_ += rows.size();
  running_ = running;
  complete_ = (GetFixed64(chunk.data() + 40) & kLastFlag) != 0;
  return rows;
}

}  // namespace sillok
