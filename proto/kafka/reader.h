// The visitor that fills a message from bytes nobody has checked yet.
//
// Nothing is believed: a length is compared with the bytes left before it is
// used, an array's count with the least its elements can take, and the memory
// of all that is decoded is bounded by the size of the input. After the first
// error every further call does nothing, so a description needs no checks.
#ifndef SILLOK_PROTO_KAFKA_READER_H_
#define SILLOK_PROTO_KAFKA_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "proto/kafka/message.h"
#include "proto/kafka/min_size.h"

namespace sillok::kafka {

class Reader {
 public:
  // What a message may take in memory: kBaseBudget + kBudgetPerByte times its
  // bytes. Real messages stay under 8 times; a list of a million empty names
  // does not.
  static constexpr size_t kBaseBudget = 1 << 20;
  static constexpr size_t kBudgetPerByte = 16;

  Reader(const Bytes& input, size_t position, const MessageInfo& info,
         int16_t version);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The one outermost struct.
  template <typename T>
  void Message(T& message) {
    message = T();
    if (ok()) Value(message, {});
  }
  // What came of it; bytes left over are an error here.
  absl::Status Finish();
  // The same where something may follow: a body after its header.
  absl::Status status() const { return status_; }
  size_t position() const { return position_; }

  template <typename T>
  void Field(const char* name, T& value, const FieldSpec& spec = {}) {
    if (!ok() || !spec.Has(version_)) return;
    frame_->field = name;
    Value(value, spec);
  }

  // The default is the value's own: `value` is fresh, and stays as it is when
  // the tag is not there.
  template <typename T>
  void Tagged(uint32_t tag, const char* name, T& value,
              const FieldSpec& spec = {}, const std::type_identity_t<T>& = {}) {
    if (!ok() || !flexible_ || !spec.Has(version_)) return;
    frame_->field = name;
    if (!SeekTag(tag)) return;
    const size_t limit = limit_;
    limit_ = position_ + frame_->tag_size;
    Value(value, spec);
    if (ok() && position_ != limit_) Fail("is shorter than its tag says");
    limit_ = limit;
    NextTag();
  }

 private:
  // One per struct being read; lives on the stack of Value().
  struct Frame {
    Frame* outer = nullptr;
    const char* field = nullptr;
    // The tag section, which is read forward only: header of the tag that is
    // next, and how many there are after it.
    bool tags_open = false;
    bool has_tag = false;
    uint32_t tag = 0;
    uint32_t tag_size = 0;
    uint32_t tags_left = 0;
  };

  bool ok() const { return status_.ok(); }
  size_t left() const { return limit_ - position_; }
  void Fail(const std::string& what);

  void Value(bool& value, const FieldSpec&);
  void Value(int8_t& value, const FieldSpec&);
  void Value(int16_t& value, const FieldSpec&);
  void Value(int32_t& value, const FieldSpec&);
  void Value(int64_t& value, const FieldSpec&);
  void Value(Uuid& value, const FieldSpec&);
  void Value(std::string& value, const FieldSpec& spec);
  void Value(std::optional<std::string>& value, const FieldSpec& spec);
  void Value(Bytes& value, const FieldSpec& spec);
  void Value(std::optional<Bytes>& value, const FieldSpec& spec);

  template <typename T>
  void Value(std::vector<T>& values, const FieldSpec&) {
    const std::optional<size_t> count =
        ReadCount(MinSizeOf<T>(version_, flexible_), sizeof(T), false);
    if (count.has_value()) Elements(values, *count);
  }

  template <typename T>
  void Value(std::optional<std::vector<T>>& values, const FieldSpec& spec) {
    const std::optional<size_t> count = ReadCount(
        MinSizeOf<T>(version_, flexible_), sizeof(T), spec.Nullable(version_));
    values.reset();
    if (count.has_value()) Elements(values.emplace(), *count);
  }

  template <typename T>
  void Value(T& value, const FieldSpec&) {
    Frame frame;
    frame.outer = frame_;
    frame_ = &frame;
    T::Describe(value, *this);
    if (ok() && flexible_) SkipTags();
    frame_ = frame.outer;
  }

  template <typename T>
  void Elements(std::vector<T>& values, size_t count) {
    values.resize(count);
    for (T& value : values) {
      if (!ok()) return;
      Value(value, {});
    }
  }

  // `size` bytes, or null and an error.
  const char* Take(size_t size);
  uint64_t TakeInteger(size_t size);
  uint32_t TakeVarint();
  // A length or count: nullopt is null, or an error (see ok()).
  std::optional<size_t> ReadLength(size_t classic_width, bool nullable,
                                   bool classic);
  std::optional<size_t> ReadCount(size_t min_size, size_t element_size,
                                  bool nullable);
  std::optional<size_t> ReadTextLength(const FieldSpec& spec, bool nullable);
  void TakeText(size_t size, std::string& value);
  void TakeBytes(size_t size, Bytes& value);
  bool Charge(size_t memory);

  // Opens the tag section if need be and skips tags below `tag`; true if the
  // next one is `tag`.
  bool SeekTag(uint32_t tag);
  void OpenTags();
  void NextTag();
  void SkipTags();

  const MessageInfo& info_;
  const int16_t version_;
  const bool flexible_;
  BytesPiece input_;
  size_t position_;
  size_t limit_;  // end of the input, or of the tag being read
  size_t budget_;
  Frame* frame_ = nullptr;
  absl::Status status_;
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_READER_H_
