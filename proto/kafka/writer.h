// The visitor that turns a message into bytes.
#ifndef SILLOK_PROTO_KAFKA_WRITER_H_
#define SILLOK_PROTO_KAFKA_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

// Bytes that grow at the end: small things are copied into one text, large ones
// taken over as pieces.
class PieceBuffer {
 public:
  // At this size handing a piece through is cheaper than copying it.
  static constexpr size_t kPieceSize = 512;

  void Append(const char* data, size_t size) { open_.append(data, size); }
  void Append(char byte) { open_.push_back(byte); }
  void Append(const Bytes& bytes);
  void Append(PieceBuffer&& other);
  size_t size() const { return closed_.size() + open_.size(); }
  Bytes Take();

 private:
  void Close();

  Bytes closed_;
  std::string open_;
};

class Writer {
 public:
  Writer(const MessageInfo& info, int16_t version);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // The one outermost struct.
  template <typename T>
  void Message(const T& message) {
    if (ok()) Value(message, {});
  }
  absl::StatusOr<Bytes> Finish();

  template <typename T>
  void Field(const char* name, const T& value, const FieldSpec& spec = {}) {
    if (!ok() || !spec.Has(version_)) return;
    frame_->field = name;
    Value(value, spec);
  }

  // Written only if it is not the default.
  template <typename T>
  void Tagged(uint32_t tag, const char* name, const T& value,
              const FieldSpec& spec = {},
              const std::type_identity_t<T>& fallback = {}) {
    if (!ok() || !flexible_ || !spec.Has(version_)) return;
    if (IsDefault(value, fallback)) return;
    frame_->field = name;
    PieceBuffer outer = std::exchange(out_, {});
    Value(value, spec);
    AddTag(tag, std::exchange(out_, std::move(outer)));
  }

 private:
  // One per struct being written; lives on the stack of Value().
  struct Frame {
    Frame* outer = nullptr;
    const char* field = nullptr;
    uint32_t tag_count = 0;
    PieceBuffer tags;
  };

  bool ok() const { return status_.ok(); }
  void Fail(const std::string& what);

  template <typename T>
  static bool IsDefault(const T& value, const T& fallback) {
    return value == fallback;
  }
  template <typename T>
  static bool IsDefault(const std::vector<T>& value, const std::vector<T>&) {
    return value.empty();
  }

  void Value(bool value, const FieldSpec&) { PutInteger(value, 1); }
  void Value(int8_t value, const FieldSpec&) { PutInteger(value, 1); }
  void Value(int16_t value, const FieldSpec&) { PutInteger(value, 2); }
  void Value(int32_t value, const FieldSpec&) { PutInteger(value, 4); }
  void Value(int64_t value, const FieldSpec&) { PutInteger(value, 8); }
  void Value(const Uuid& value, const FieldSpec&);
  void Value(const std::string& value, const FieldSpec& spec);
  void Value(const std::optional<std::string>& value, const FieldSpec& spec);
  void Value(const Bytes& value, const FieldSpec& spec);
  void Value(const std::optional<Bytes>& value, const FieldSpec& spec);

  template <typename T>
  void Value(const std::vector<T>& values, const FieldSpec&) {
    PutLength(values.size(), 4, false);
    for (const T& value : values) {
      if (!ok()) return;
      Value(value, {});
    }
  }

  template <typename T>
  void Value(const std::optional<std::vector<T>>& values,
             const FieldSpec& spec) {
    if (values.has_value()) {
      Value(*values, spec);
    } else {
      PutNull(4, spec);
    }
  }

  template <typename T>
  void Value(const T& value, const FieldSpec&) {
    Frame frame;
    frame.outer = frame_;
    frame_ = &frame;
    T::Describe(value, *this);
    if (flexible_) PutTags(frame);
    frame_ = frame.outer;
  }

  void PutInteger(int64_t value, size_t size);
  void PutVarint(uint32_t value);
  void PutLength(size_t length, size_t classic_width, bool classic);
  void PutNull(size_t classic_width, const FieldSpec& spec);
  void AddTag(uint32_t tag, PieceBuffer value);
  void PutTags(Frame& frame);

  const MessageInfo& info_;
  const int16_t version_;
  const bool flexible_;
  PieceBuffer out_;
  Frame* frame_ = nullptr;
  absl::Status status_;
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_WRITER_H_
