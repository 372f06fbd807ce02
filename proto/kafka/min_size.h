// The least bytes a value can take on the wire: what an array's count is held
// against before memory is taken for it.
#ifndef SILLOK_PROTO_KAFKA_MIN_SIZE_H_
#define SILLOK_PROTO_KAFKA_MIN_SIZE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

class MinSize {
 public:
  MinSize(int16_t version, bool flexible)
      : version_(version), flexible_(flexible) {}

  template <typename T>
  void Field(const char*, const T& value, const FieldSpec& spec = {}) {
    if (spec.Has(version_)) Add(value);
  }
  template <typename T>
  void Tagged(uint32_t, const char*, const T&, const FieldSpec& = {},
              const std::type_identity_t<T>& = {}) {}

  void Add(bool) { size_ += 1; }
  void Add(int8_t) { size_ += 1; }
  void Add(int16_t) { size_ += 2; }
  void Add(int32_t) { size_ += 4; }
  void Add(int64_t) { size_ += 8; }
  void Add(const Uuid&) { size_ += 16; }
  void Add(const std::string&) { size_ += flexible_ ? 1 : 2; }
  void Add(const Bytes&) { size_ += flexible_ ? 1 : 4; }
  template <typename T>
  void Add(const std::vector<T>&) {
    size_ += flexible_ ? 1 : 4;
  }
  template <typename T>
  void Add(const std::optional<T>&) {
    Add(T());
  }
  template <typename T>
  void Add(const T& value) {
    T::Describe(value, *this);
    if (flexible_) size_ += 1;  // the tag section's count
  }

  size_t size() const { return size_; }

 private:
  const int16_t version_;
  const bool flexible_;
  size_t size_ = 0;
};

template <typename T>
size_t MinSizeOf(int16_t version, bool flexible) {
  MinSize visitor(version, flexible);
  visitor.Add(T());
  return visitor.size();
}

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_MIN_SIZE_H_
