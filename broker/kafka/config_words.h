// Kafka's numbers for where a configuration value comes from.
#ifndef SILLOK_BROKER_KAFKA_CONFIG_WORDS_H_
#define SILLOK_BROKER_KAFKA_CONFIG_WORDS_H_

#include <cstdint>
#include <string_view>
#include <utility>

namespace sillok::kafka_door {

inline constexpr int8_t kDefaultSource = 5;

// `source` as broker/api/config_admin.h names it; 0 (unknown) for other names.
inline int8_t SourceNumber(std::string_view source) {
  constexpr std::pair<std::string_view, int8_t> kSources[] = {
      {"TOPIC", 1},  {"DYNAMIC_BROKER", 2}, {"DYNAMIC_DEFAULT_BROKER", 3},
      {"BROKER", 4}, {"DEFAULT", kDefaultSource}};
  for (const auto& [name, number] : kSources) {
    if (name == source) return number;
  }
  return 0;
}

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_CONFIG_WORDS_H_
