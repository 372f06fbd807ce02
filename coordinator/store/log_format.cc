#include "coordinator/store/log_format.h"

#include <lz4.h>

#include <bit>
#include <cstring>

#include "coordinator/store/store_format.h"

namespace sillok {
namespace {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied as they are in memory");

constexpr uint64_t kMagic = 0x314c6b6f6c6c6973;  // "sillokL1"
constexpr size_t kHeaderBytes = 96;  // with the checksum at its end
constexpr size_t kRecordHeaderBytes = 16;
// A write of less takes one page or two, packed or not.
constexpr size_t kWorthPackingBytes = 1024;
// LZ4 cannot make more of a byte.
constexpr size_t kMaxExpansion = 255;

template <typename Number>
void Put(Number value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
template <typename Number>
Number Get(const char* in) {
  Number value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}

uint64_t Seed(uint64_t tag, uint64_t number) {
  return tag ^ (number * 0x9e3779b97f4a7c15);
}

// Of all of a frame's header but the check itself (bytes 12 to 15).
uint32_t HeaderCheck(const char* header) {
  char bytes[kFrameHeaderBytes];
  std::memcpy(bytes, header, kFrameHeaderBytes);
  std::memset(bytes + 12, 0, 4);
  return static_cast<uint32_t>(
      Checksum64(0, std::string_view(bytes, kFrameHeaderBytes)));
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string page;
  page.reserve(kLogPageBytes);
  Put(kMagic, &page);
  Put(uint64_t{header.format}, &page);
  Put(header.log_id, &page);
  Put(header.sequence, &page);
  Put(header.bytes, &page);
  Put(header.previous.value(), &page);
  Put(header.first_frame, &page);
  Put(header.previous_end, &page);
  Put(uint64_t{header.hard_state.accepted_epoch}, &page);
  Put(uint64_t{header.hard_state.current_epoch}, &page);
  Put(uint64_t{header.active_rows}, &page);
  Put(Checksum64(0, page), &page);
  page.resize(kLogPageBytes, '\0');
  return page;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view page) {
  if (page.size() < kHeaderBytes) {
    return absl::DataLossError("the segment is cut off in its header");
  }
  if (Get<uint64_t>(page.data()) != kMagic) {
    return absl::DataLossError("not a segment of the log");
  }
  if (Get<uint64_t>(page.data() + kHeaderBytes - 8) !=
      Checksum64(0, page.substr(0, kHeaderBytes - 8))) {
    return absl::DataLossError("the segment's header is damaged");
  }
  const auto field = [&](int i) { return Get<uint64_t>(page.data() + 8 * i); };
  if (field(1) < kUnpackedSegmentFormat || field(1) > kSegmentFormat) {
    return absl::FailedPreconditionError(
        "the segment has format " + std::to_string(field(1)) +
        "; this version knows formats up to " +
        std::to_string(kSegmentFormat));
  }
  SegmentHeader header;
  header.format = static_cast<uint32_t>(field(1));
  header.log_id = field(2);
  header.sequence = field(3);
  header.bytes = field(4);
  header.previous = Zxid(field(5));
  header.first_frame = field(6);
  header.previous_end = field(7);
  header.hard_state.accepted_epoch = static_cast<uint32_t>(field(8));
  header.hard_state.current_epoch = static_cast<uint32_t>(field(9));
  header.active_rows = static_cast<uint32_t>(field(10));
  if (header.active_rows > 1) {
    return absl::DataLossError("the segment's header names no rows");
  }
  return header;
}

uint64_t LifeTag(uint64_t log_id, uint64_t sequence) {
  std::string bytes;
  Put(log_id, &bytes);
  Put(sequence, &bytes);
  return Checksum64(kMagic, bytes);
}

std::optional<FrameHeader> DecodeFrameHeader(uint64_t tag,
                                             std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes || Get<uint64_t>(bytes.data()) != tag ||
      Get<uint32_t>(bytes.data() + 12) != HeaderCheck(bytes.data())) {
    return std::nullopt;
  }
  FrameHeader header;
  header.body_bytes = Get<uint32_t>(bytes.data() + 8);
  header.number = Get<uint64_t>(bytes.data() + 16);
  header.checksum = Get<uint64_t>(bytes.data() + 24);
  if (header.body_bytes > kMaxFrameBodyBytes) return std::nullopt;
  return header;
}

bool FrameBodyMatches(uint64_t tag, const FrameHeader& header,
                      std::string_view body) {
  return Checksum64(Seed(tag, header.number), body) == header.checksum;
}

void FrameBuilder::Clear() { bytes_.assign(kFrameHeaderBytes, '\0'); }

// 16 bytes: the kind, how long it is altogether, and 8 bytes of its own.
void FrameBuilder::Head(LogRecord::Kind kind, size_t bytes) {
  Put(static_cast<uint32_t>(kind), &bytes_);
  Put(static_cast<uint32_t>(bytes), &bytes_);
}

void FrameBuilder::AddEntry(Zxid zxid, std::string_view txn) {
  Head(LogRecord::Kind::kEntry, kRecordHeaderBytes + txn.size());
  Put(zxid.value(), &bytes_);
  bytes_.append(txn);
}

void FrameBuilder::AddTruncate(Zxid after) {
  Head(LogRecord::Kind::kTruncate, kRecordHeaderBytes);
  Put(after.value(), &bytes_);
}

void FrameBuilder::AddHardState(const zab::HardState& hard_state) {
  Head(LogRecord::Kind::kHardState, kRecordHeaderBytes);
  Put(hard_state.accepted_epoch, &bytes_);
  Put(hard_state.current_epoch, &bytes_);
}

void FrameBuilder::AddInstall(Zxid zxid, uint32_t active_rows) {
  Head(LogRecord::Kind::kInstall, kRecordHeaderBytes + 8);
  Put(zxid.value(), &bytes_);
  Put(uint64_t{active_rows}, &bytes_);
}

void FrameBuilder::Pack() {
  const std::string_view body =
      std::string_view(bytes_).substr(kFrameHeaderBytes);
  if (body.size() < kWorthPackingBytes || body.size() > LZ4_MAX_INPUT_SIZE) {
    return;
  }
  packed_.resize(body.size() - body.size() / 8 - kRecordHeaderBytes);
  const int size = LZ4_compress_default(
      body.data(), packed_.data(), static_cast<int>(body.size()),
      static_cast<int>(packed_.size()));
  if (size <= 0) return;
  const uint64_t unpacked = body.size();
  Clear();
  Head(LogRecord::Kind::kPacked, kRecordHeaderBytes + static_cast<size_t>(size));
  Put(unpacked, &bytes_);
  bytes_.append(packed_, 0, static_cast<size_t>(size));
}

std::string_view FrameBuilder::Finish(uint64_t tag, uint64_t number,
                                      size_t padded) {
  const std::string_view body =
      std::string_view(bytes_).substr(kFrameHeaderBytes);
  const uint32_t size = static_cast<uint32_t>(body.size());
  const uint64_t checksum = Checksum64(Seed(tag, number), body);
  char* header = bytes_.data();
  std::memcpy(header, &tag, 8);
  std::memcpy(header + 8, &size, 4);
  std::memcpy(header + 16, &number, 8);
  std::memcpy(header + 24, &checksum, 8);
  const uint32_t check = HeaderCheck(header);
  std::memcpy(header + 12, &check, 4);
  bytes_.resize(padded, '\0');
  return bytes_;
}

absl::Status RecordReader::Unpack() {
  const absl::Status broken =
      absl::DataLossError("a frame holds what cannot be unpacked");
  // It has the frame for itself.
  if (begun_ || rest_.size() <= kRecordHeaderBytes ||
      Get<uint32_t>(rest_.data() + 4) != rest_.size()) {
    return broken;
  }
  const uint64_t size = Get<uint64_t>(rest_.data() + 8);
  rest_.remove_prefix(kRecordHeaderBytes);
  // No memory is taken for what cannot be there.
  if (size == 0 || size > kMaxFrameBodyBytes ||
      size / kMaxExpansion > rest_.size()) {
    return broken;
  }
  unpacked_.resize(size);
  const int got = LZ4_decompress_safe(
      rest_.data(), unpacked_.data(), static_cast<int>(rest_.size()),
      static_cast<int>(unpacked_.size()));
  if (got < 0 || static_cast<uint64_t>(got) != size) return broken;
  rest_ = unpacked_;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<LogRecord>> RecordReader::Next() {
  if (rest_.empty()) return std::nullopt;
  const auto broken = [] {
    return absl::DataLossError("a frame holds what is no record");
  };
  if (rest_.size() < kRecordHeaderBytes) return broken();
  LogRecord record;
  record.kind = static_cast<LogRecord::Kind>(Get<uint32_t>(rest_.data()));
  if (record.kind == LogRecord::Kind::kPacked) {
    if (absl::Status status = Unpack(); !status.ok()) return status;
    begun_ = true;
    if (rest_.size() < kRecordHeaderBytes) return broken();
    record.kind = static_cast<LogRecord::Kind>(Get<uint32_t>(rest_.data()));
  }
  const size_t bytes = Get<uint32_t>(rest_.data() + 4);
  if (bytes < kRecordHeaderBytes || bytes > rest_.size()) return broken();
  const char* value = rest_.data() + 8;
  size_t expected = kRecordHeaderBytes;
  switch (record.kind) {
    case LogRecord::Kind::kEntry:
      record.txn = rest_.substr(kRecordHeaderBytes,
                                bytes - kRecordHeaderBytes);
      expected = bytes;
      break;
    case LogRecord::Kind::kTruncate:
      break;
    case LogRecord::Kind::kHardState:
      record.hard_state = {Get<uint32_t>(value), Get<uint32_t>(value + 4)};
      break;
    case LogRecord::Kind::kInstall:
      expected = kRecordHeaderBytes + 8;
      if (bytes != expected) return broken();
      record.active_rows =
          static_cast<uint32_t>(Get<uint64_t>(value + 8) > 1
                                    ? 2
                                    : Get<uint64_t>(value + 8));
      if (record.active_rows > 1) return broken();
      break;
    default:
      return broken();
  }
  if (bytes != expected) return broken();
  begun_ = true;
  if (record.kind != LogRecord::Kind::kHardState) {
    record.zxid = Zxid(Get<uint64_t>(value));
  }
  rest_.remove_prefix(bytes);
  return record;
}

}  // namespace sillok
