// Two visitors of message descriptions: one prints, one fills with noise.
#ifndef SILLOK_TEST_SUPPORT_KAFKA_VISITORS_H_
#define SILLOK_TEST_SUPPORT_KAFKA_VISITORS_H_

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

std::string Base64(const std::string& bytes, bool for_urls);
// "topic_id" -> "topicId".
std::string CamelCase(const char* snake_case);

// Writes text with functions that are not templates wherever it can: it is
// compiled for every message.
class JsonDump {
 public:
  JsonDump(int16_t version, bool flexible)
      : version_(version), flexible_(flexible) {}

  template <typename T>
  void Field(const char* name, const T& value, const FieldSpec& spec = {}) {
    if (!spec.Has(version_)) return;
    Key(name);
    Add(value);
  }
  template <typename T>
  void Tagged(uint32_t, const char* name, const T& value,
              const FieldSpec& spec = {},
              const std::type_identity_t<T>& fallback = {}) {
    if (!flexible_ || !spec.Has(version_)) return;
    JsonDump mine(version_, flexible_);
    JsonDump theirs(version_, flexible_);
    mine.Add(value);
    theirs.Add(fallback);
    if (mine.text_ == theirs.text_) return;
    Key(name);
    text_ += mine.text_;
  }

  void Add(bool value) { text_ += value ? "true" : "false"; }
  void Add(int8_t value) { Add(int64_t{value}); }
  void Add(int16_t value) { Add(int64_t{value}); }
  void Add(int32_t value) { Add(int64_t{value}); }
  void Add(int64_t value);
  void Add(const std::string& value);
  void Add(const Bytes& value);
  void Add(const Uuid& value);
  template <typename T>
  void Add(const std::optional<T>& value) {
    if (value.has_value()) {
      Add(*value);
    } else {
      text_ += "null";
    }
  }
  template <typename T>
  void Add(const std::vector<T>& values) {
    Open('[');
    for (const T& value : values) {
      Separate();
      Add(value);
    }
    Close(']');
  }
  template <typename T>
  void Add(const T& value) {
    Open('{');
    T::Describe(value, *this);
    Close('}');
  }

  const std::string& text() const { return text_; }

 private:
  void Key(const char* name);
  void Separate();
  void Open(char bracket) { text_ += bracket; }
  void Close(char bracket) { text_ += bracket; }

  const int16_t version_;
  const bool flexible_;
  bool is_records_ = false;  // the value that comes is called so
  std::string text_;
};

class RandomFill {
 public:
  RandomFill(int16_t version, bool flexible, std::mt19937_64& random)
      : version_(version), flexible_(flexible), random_(random) {}

  template <typename T>
  void Field(const char*, T& value, const FieldSpec& spec = {}) {
    if (spec.Has(version_)) Fill(value, spec);
  }
  template <typename T>
  void Tagged(uint32_t, const char*, T& value, const FieldSpec& spec = {},
              const std::type_identity_t<T>& = {}) {
    if (flexible_ && spec.Has(version_) && Below(2) == 0) Fill(value, spec);
  }

  void Fill(bool& value, const FieldSpec&) { value = Below(2) == 0; }
  void Fill(int8_t& value, const FieldSpec&) { value = Number(); }
  void Fill(int16_t& value, const FieldSpec&) { value = Number(); }
  void Fill(int32_t& value, const FieldSpec&) { value = Number(); }
  void Fill(int64_t& value, const FieldSpec&) { value = Number(); }
  void Fill(std::string& value, const FieldSpec&) { value = Text(); }
  void Fill(Bytes& value, const FieldSpec&);
  void Fill(Uuid& value, const FieldSpec&);
  template <typename T>
  void Fill(std::optional<T>& value, const FieldSpec& spec) {
    value.reset();
    if (spec.Nullable(version_) && Below(4) == 0) return;
    Fill(value.emplace(), spec);
  }
  template <typename T>
  void Fill(std::vector<T>& values, const FieldSpec&) {
    values.resize(Below(4));
    for (T& value : values) Fill(value, {});
  }
  template <typename T>
  void Fill(T& value, const FieldSpec&) {
    T::Describe(value, *this);
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  int64_t Number();
  std::string Text();

  const int16_t version_;
  const bool flexible_;
  std::mt19937_64& random_;
};

}  // namespace sillok::kafka

#endif  // SILLOK_TEST_SUPPORT_KAFKA_VISITORS_H_
