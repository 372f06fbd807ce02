#include "proto/kafka/writer.h"

#include "fmt/format.h"

namespace sillok::kafka {
namespace {

constexpr size_t kMaxTextSize = INT16_MAX;

void AppendVarint(uint32_t value, PieceBuffer& out) {
  while (value >= 0x80) {
    out.Append(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.Append(static_cast<char>(value));
}

}  // namespace

void PieceBuffer::Close() {
  if (open_.empty()) return;
  closed_.Append(Bytes::FromString(std::exchange(open_, {})));
}

void PieceBuffer::Append(const Bytes& bytes) {
  for (const BytesPiece& piece : bytes.pieces()) {
    if (piece.size < kPieceSize) {
      open_.append(piece.data, piece.size);
    } else {
      Close();
      closed_.Append(piece);
    }
  }
}

void PieceBuffer::Append(PieceBuffer&& other) {
  Append(other.closed_);
  open_.append(other.open_);
}

Bytes PieceBuffer::Take() {
  Close();
  return std::exchange(closed_, {});
}

Writer::Writer(const MessageInfo& info, int16_t version)
    : info_(info), version_(version), flexible_(version >= info.flexible) {
  if (!info.Has(version)) {
    Fail(fmt::format("is not a version between {} and {}", info.min, info.max));
  }
}

absl::StatusOr<Bytes> Writer::Finish() {
  if (ok() && out_.size() > INT32_MAX) Fail("is over 2 GiB");
  if (!ok()) return status_;
  return out_.Take();
}

void Writer::Fail(const std::string& what) {
  if (!ok()) return;
  std::string path;
  for (const Frame* frame = frame_; frame != nullptr; frame = frame->outer) {
    if (frame->field == nullptr) continue;
    path = path.empty() ? frame->field : frame->field + ("." + path);
  }
  status_ = absl::InvalidArgumentError(
      fmt::format("{} v{}: {}{}{}", info_.name, version_, path,
                  path.empty() ? "" : ": ", what));
}

void Writer::PutInteger(int64_t value, size_t size) {
  char bytes[8];
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(value >> (8 * (size - 1 - i)));
  }
  out_.Append(bytes, size);
}

void Writer::PutVarint(uint32_t value) { AppendVarint(value, out_); }

void Writer::PutLength(size_t length, size_t classic_width, bool classic) {
  if (length > INT32_MAX - 1) {
    Fail(fmt::format("has {} bytes or elements", length));
  } else if (flexible_ && !classic) {
    PutVarint(static_cast<uint32_t>(length + 1));
  } else {
    PutInteger(static_cast<int64_t>(length), classic_width);
  }
}

void Writer::PutNull(size_t classic_width, const FieldSpec& spec) {
  if (!spec.Nullable(version_)) {
    Fail("is null, which this version has not");
  } else if (flexible_ && !spec.classic) {
    PutVarint(0);
  } else {
    PutInteger(-1, classic_width);
  }
}

void Writer::Value(const Uuid& value, const FieldSpec&) {
  out_.Append(reinterpret_cast<const char*>(value.data()), value.size());
}

void Writer::Value(const std::string& value, const FieldSpec& spec) {
  if (value.size() > kMaxTextSize) {
    Fail(fmt::format("is a text of {} bytes, the most is {}", value.size(),
                     kMaxTextSize));
    return;
  }
  PutLength(value.size(), 2, spec.classic);
  out_.Append(value.data(), value.size());
}

void Writer::Value(const std::optional<std::string>& value,
                   const FieldSpec& spec) {
  if (value.has_value()) {
    Value(*value, spec);
  } else {
    PutNull(2, spec);
  }
}

void Writer::Value(const Bytes& value, const FieldSpec& spec) {
  PutLength(value.size(), 4, spec.classic);
  if (ok()) out_.Append(value);
}

void Writer::Value(const std::optional<Bytes>& value, const FieldSpec& spec) {
  if (value.has_value()) {
    Value(*value, spec);
  } else {
    PutNull(4, spec);
  }
}

void Writer::AddTag(uint32_t tag, PieceBuffer value) {
  if (value.size() > INT32_MAX) {
    Fail("is over 2 GiB");
    return;
  }
  ++frame_->tag_count;
  AppendVarint(tag, frame_->tags);
  AppendVarint(static_cast<uint32_t>(value.size()), frame_->tags);
  frame_->tags.Append(std::move(value));
}

void Writer::PutTags(Frame& frame) {
  PutVarint(frame.tag_count);
  out_.Append(std::move(frame.tags));
}

}  // namespace sillok::kafka
