// Which error codes an answer carries, for metrics: every field of a wire
// message whose name ends in `error_code`.
#ifndef SILLOK_BROKER_KAFKA_ERROR_COLLECTOR_H_
#define SILLOK_BROKER_KAFKA_ERROR_COLLECTOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka_door {

using ErrorCounts = std::map<int16_t, int32_t>;  // without 0

class ErrorCollector {
 public:
  template <typename T>
  void Field(const char* name, const T& value,
             const kafka::FieldSpec& = {}) {
    Visit(name, value);
  }
  template <typename T>
  void Tagged(uint32_t, const char* name, const T& value,
              const kafka::FieldSpec& = {},
              const std::type_identity_t<T>& = {}) {
    Visit(name, value);
  }
  ErrorCounts counts;

 private:
  void Visit(const char* name, int16_t value) {
    if (value != 0 && std::string_view(name).ends_with("error_code")) {
      ++counts[value];
    }
  }
  template <typename T>
  void Visit(const char* name, const std::vector<T>& values) {
    if constexpr (std::is_class_v<T>) {
      for (const T& value : values) Visit(name, value);
    }
  }
  template <typename T>
  void Visit(const char* name, const std::optional<T>& value) {
    if (value.has_value()) Visit(name, *value);
  }
  template <typename T>
  void Visit(const char*, const T& value) {
    if constexpr (requires { T::Describe(value, *this); }) {
      T::Describe(value, *this);
    }
  }
};

template <typename Message>
ErrorCounts CountErrors(const Message& message) {
  ErrorCollector collector;
  Message::Describe(message, collector);
  return std::move(collector.counts);
}

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_ERROR_COLLECTOR_H_
