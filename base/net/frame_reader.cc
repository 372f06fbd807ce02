#include "base/net/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sillok::net {
namespace {

constexpr size_t kLengthBytes = 4;
// A frame above this is likely followed by another: reading far ahead would mean
// copying its beginning.
constexpr size_t kLargeFrame = 32 << 10;
constexpr size_t kPeek = 512;

int32_t DecodeLength(std::string_view bytes) {
  auto at = [&](int i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(bytes[i]));
  };
  return static_cast<int32_t>(at(0) << 24 | at(1) << 16 | at(2) << 8 | at(3));
}

}  // namespace

FrameReader::ReadTarget FrameReader::Target(char* scratch,
                                            size_t scratch_size) {
  ReadTarget target;
  scratch_ = scratch;
  scratch_used_ = unread_.size();  // part of a length: three bytes at most
  if (scratch_used_ > 0) {
    std::memmove(scratch, unread_.data(), scratch_used_);
    unread_ = {};
  }
  if (frame_ != nullptr) {
    size_t rest = static_cast<size_t>(length_) - filled_;
    target.parts[target.count++] = {frame_.get() + filled_, rest};
    target.size += rest;
  }
  bool large = frame_ != nullptr ? static_cast<size_t>(length_) > kLargeFrame
                                 : last_was_large_;
  size_t ahead = std::min(scratch_size - scratch_used_,
                          large ? kPeek : scratch_size);
  target.parts[target.count++] = {scratch + scratch_used_, ahead};
  target.size += ahead;
  return target;
}

void FrameReader::Received(size_t bytes) {
  if (frame_ != nullptr) {
    size_t straight = std::min(bytes, static_cast<size_t>(length_) - filled_);
    filled_ += straight;
    bytes -= straight;
  }
  unread_ = {scratch_, scratch_used_ + bytes};
}

FrameReader::Step FrameReader::Next() {
  if (frame_ == nullptr) {
    if (unread_.size() < kLengthBytes) return Step::kMore;
    length_ = shortened_ > 0 ? shortened_ : DecodeLength(unread_);
    return length_ < 0 || length_ > max_ ? Step::kBadLength : Step::kLength;
  }
  size_t missing = static_cast<size_t>(length_) - filled_;
  size_t taken = std::min(missing, unread_.size());
  if (taken > 0) {
    std::memcpy(frame_.get() + filled_, unread_.data(), taken);
    unread_.remove_prefix(taken);
    filled_ += taken;
  }
  return taken == missing ? Step::kFrame : Step::kMore;
}

void FrameReader::Begin(std::shared_ptr<char> buffer) {
  unread_.remove_prefix(kLengthBytes);
  frame_ = std::move(buffer);
  filled_ = 0;
}

Bytes FrameReader::TakeFrame() {
  last_was_large_ = static_cast<size_t>(length_) > kLargeFrame;
  Bytes bytes;
  const char* data = frame_.get();
  bytes.Append({data, static_cast<size_t>(length_), std::move(frame_)});
  frame_ = nullptr;
  return bytes;
}

void FrameReader::LetGo() {
  if (unread_.empty()) {
    if (!kept_.empty()) std::string().swap(kept_);
    return;
  }
  std::string kept(unread_);  // unread_ may lie in kept_
  kept_ = std::move(kept);
  unread_ = kept_;
}

}  // namespace sillok::net
