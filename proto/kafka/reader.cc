#include "proto/kafka/reader.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"

namespace sillok::kafka {
namespace {

constexpr size_t kMaxTextSize = INT16_MAX;

BytesPiece OnePiece(const Bytes& input) {
  if (input.pieces().size() == 1) return input.pieces()[0];
  if (input.empty()) return {};
  return Bytes::FromString(input.ToString()).pieces()[0];
}

// How many bytes of `text` from `at` on are one character of UTF-8; 0: none.
size_t CharacterSize(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<uint8_t>(text[at + i])
                                : uint8_t{0};
  };
  const auto follows = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool beyond = first == 0xF4 && byte(1) > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4
                                                                          : 0;
  }
  return 0;
}

// U+FFFD in the place of what is not UTF-8, as Kafka reads texts. Nothing
// behind a door need then fear a text that it cannot pass on.
void ReplaceWrongBytes(std::string& text) {
  size_t good = 0;
  while (good < text.size()) {
    const size_t size = CharacterSize(text, good);
    if (size == 0) break;
    good += size;
  }
  if (good == text.size()) return;
  std::string out = text.substr(0, good);
  for (size_t at = good; at < text.size();) {
    const size_t size = CharacterSize(text, at);
    out += size == 0 ? "\xEF\xBF\xBD" : std::string_view(text).substr(at, size);
    at += size == 0 ? 1 : size;
  }
  text = std::move(out);
}

}  // namespace

Reader::Reader(const Bytes& input, size_t position, const MessageInfo& info,
               int16_t version)
    : info_(info),
      version_(version),
      flexible_(version >= info.flexible),
      input_(OnePiece(input)),
      position_(position),
      limit_(input_.size),
      budget_(kBaseBudget + kBudgetPerByte * input_.size) {
  if (!info.Has(version)) {
    Fail(fmt::format("is not a version between {} and {}", info.min, info.max));
  } else if (position > input_.size) {
    position_ = limit_;
    Fail(fmt::format("begins at {} of {} bytes", position, input_.size));
  }
}

absl::Status Reader::Finish() {
  if (ok() && left() > 0) {
    Fail(fmt::format("{} bytes left over at the end", left()));
  }
  return status_;
}

void Reader::Fail(const std::string& what) {
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

const char* Reader::Take(size_t size) {
  if (!ok()) return nullptr;
  if (size > left()) {
    Fail(fmt::format("needs {} bytes, {} are left", size, left()));
    return nullptr;
  }
  const char* data = input_.data + position_;
  position_ += size;
  return data;
}

uint64_t Reader::TakeInteger(size_t size) {
  const char* data = Take(size);
  if (data == nullptr) return 0;
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value = value << 8 | static_cast<uint8_t>(data[i]);
  }
  return value;
}

uint32_t Reader::TakeVarint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const char* byte = Take(1);
    if (byte == nullptr) return 0;
    value |= static_cast<uint64_t>(*byte & 0x7f) << shift;
    if ((*byte & 0x80) != 0) continue;
    if (value <= UINT32_MAX) return static_cast<uint32_t>(value);
    break;
  }
  Fail("is a varint of more than 32 bits");
  return 0;
}

void Reader::Value(bool& value, const FieldSpec&) {
  value = TakeInteger(1) != 0;
}
void Reader::Value(int8_t& value, const FieldSpec&) {
  value = static_cast<int8_t>(TakeInteger(1));
}
void Reader::Value(int16_t& value, const FieldSpec&) {
  value = static_cast<int16_t>(TakeInteger(2));
}
void Reader::Value(int32_t& value, const FieldSpec&) {
  value = static_cast<int32_t>(TakeInteger(4));
}
void Reader::Value(int64_t& value, const FieldSpec&) {
  value = static_cast<int64_t>(TakeInteger(8));
}

void Reader::Value(Uuid& value, const FieldSpec&) {
  if (const char* data = Take(value.size()); data != nullptr) {
    std::copy(data, data + value.size(), value.begin());
  }
}

void Reader::Value(std::string& value, const FieldSpec& spec) {
  const auto size = ReadTextLength(spec, false);
  if (size.has_value()) TakeText(*size, value);
}

void Reader::Value(std::optional<std::string>& value, const FieldSpec& spec) {
  const auto size = ReadTextLength(spec, spec.Nullable(version_));
  value.reset();
  if (size.has_value()) TakeText(*size, value.emplace());
}

void Reader::Value(Bytes& value, const FieldSpec& spec) {
  const auto size = ReadLength(4, false, spec.classic);
  if (size.has_value()) TakeBytes(*size, value);
}

void Reader::Value(std::optional<Bytes>& value, const FieldSpec& spec) {
  const auto size = ReadLength(4, spec.Nullable(version_), spec.classic);
  value.reset();
  if (size.has_value()) TakeBytes(*size, value.emplace());
}

std::optional<size_t> Reader::ReadLength(size_t classic_width, bool nullable,
                                         bool classic) {
  int64_t length;
  if (flexible_ && !classic) {
    length = static_cast<int64_t>(TakeVarint()) - 1;
  } else if (classic_width == 2) {
    length = static_cast<int16_t>(TakeInteger(2));
  } else {
    length = static_cast<int32_t>(TakeInteger(4));
  }
  if (!ok()) return std::nullopt;
  if (length == -1 && nullable) return std::nullopt;
  if (length < 0) {
    Fail(length == -1 ? "is null, which this version has not"
                      : fmt::format("has length {}", length));
    return std::nullopt;
  }
  return static_cast<size_t>(length);
}

std::optional<size_t> Reader::ReadTextLength(const FieldSpec& spec,
                                             bool nullable) {
  const auto size = ReadLength(2, nullable, spec.classic);
  if (size.has_value() && *size > kMaxTextSize) {
    Fail(fmt::format("is a text of {} bytes, the most is {}", *size,
                     kMaxTextSize));
    return std::nullopt;
  }
  return size;
}

std::optional<size_t> Reader::ReadCount(size_t min_size, size_t element_size,
                                        bool nullable) {
  const auto count = ReadLength(4, nullable, false);
  if (!count.has_value()) return std::nullopt;
  if (*count > left() / std::max<size_t>(min_size, 1)) {
    Fail(fmt::format("has {} elements in {} bytes", *count, left()));
    return std::nullopt;
  }
  if (!Charge(*count * element_size)) return std::nullopt;
  return count;
}

void Reader::TakeText(size_t size, std::string& value) {
  if (size > left() || !Charge(size)) {
    Take(size);  // says what is missing
    return;
  }
  value.assign(Take(size), size);
  ReplaceWrongBytes(value);
  if (value.size() > kMaxTextSize) {
    Fail("is a text of too many bytes that are not UTF-8");
    value.clear();
  } else if (value.size() > size) {
    Charge(value.size() - size);
  }
}

void Reader::TakeBytes(size_t size, Bytes& value) {
  const char* data = Take(size);
  if (data == nullptr || !Charge(sizeof(BytesPiece))) return;
  value.Append({data, size, input_.owner});
}

bool Reader::Charge(size_t memory) {
  if (memory > budget_) {
    Fail("the message would take too much memory for its size");
    return false;
  }
  budget_ -= memory;
  return true;
}

void Reader::OpenTags() {
  frame_->tags_open = true;
  frame_->tags_left = TakeVarint();
  // Each takes a tag and a size.
  if (ok() && frame_->tags_left > left() / 2) {
    Fail(
        fmt::format("{} tagged fields in {} bytes", frame_->tags_left, left()));
  }
  NextTag();
}

void Reader::NextTag() {
  const bool first = !frame_->has_tag;
  const uint32_t last = frame_->tag;
  frame_->has_tag = false;
  if (!ok() || frame_->tags_left == 0) return;
  --frame_->tags_left;
  frame_->tag = TakeVarint();
  frame_->tag_size = TakeVarint();
  if (!ok()) return;
  if (!first && frame_->tag <= last) {
    Fail(fmt::format("tag {} after tag {}", frame_->tag, last));
  } else if (frame_->tag_size > left()) {
    Fail(fmt::format("tag {} has {} bytes, {} are left", frame_->tag,
                     frame_->tag_size, left()));
  } else {
    frame_->has_tag = true;
  }
}

bool Reader::SeekTag(uint32_t tag) {
  if (!frame_->tags_open) OpenTags();
  while (ok() && frame_->has_tag && frame_->tag < tag) {
    Take(frame_->tag_size);
    NextTag();
  }
  return ok() && frame_->has_tag && frame_->tag == tag;
}

void Reader::SkipTags() {
  if (!frame_->tags_open) OpenTags();
  while (ok() && frame_->has_tag) {
    Take(frame_->tag_size);
    NextTag();
  }
}

}  // namespace sillok::kafka
