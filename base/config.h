// Typed configuration: `key=value` properties with Kafka's or ZooKeeper's names.
//
// Sources, the later the stronger: defaults, `--config FILE`, the environment
// (SILLOK_LOG_SEGMENT_BYTES sets log.segment.bytes), `--set key=value`. An
// unknown or malformed key stops the start with one line that names where it
// stands, key, value and what is allowed.
#ifndef SILLOK_BASE_CONFIG_H_
#define SILLOK_BASE_CONFIG_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sillok {

// One key. `check` returns "" or what is allowed ("an integer from 1 to 255").
struct ConfigKey {
  std::string name;
  std::string default_value;
  std::string doc;
  std::function<std::string(const std::string& value)> check;
  bool prefix = false;    // `server.` stands for server.1, server.2, ...
  bool required = false;  // no default
  enum class Type { kString, kInt, kDouble, kBool } type = Type::kString;
};

// The keys a program knows. Built once at start.
class ConfigSpec {
 public:
  ConfigSpec& Int(std::string name, int64_t default_value, std::string doc,
                  int64_t min = std::numeric_limits<int64_t>::min(),
                  int64_t max = std::numeric_limits<int64_t>::max());
  ConfigSpec& Double(std::string name, double default_value, std::string doc,
                     double min, double max);
  ConfigSpec& Bool(std::string name, bool default_value, std::string doc);
  ConfigSpec& String(std::string name, std::string default_value,
                     std::string doc);
  ConfigSpec& Choice(std::string name, std::string default_value,
                     std::vector<std::string> choices, std::string doc);
  // A string that `check` judges.
  ConfigSpec& Checked(
      std::string name, std::string default_value, std::string doc,
      std::function<std::string(const std::string& value)> check);
  // Any key that begins with `prefix` (which ends in '.').
  ConfigSpec& Prefix(
      std::string prefix, std::string doc,
      std::function<std::string(const std::string& value)> check = {});
  // The key declared last has no default and must be given.
  ConfigSpec& Required();

  const std::vector<ConfigKey>& keys() const { return keys_; }
  // Null when no key or prefix fits.
  const ConfigKey* Find(std::string_view name) const;

 private:
  std::vector<ConfigKey> keys_;
};

struct ConfigSources {
  std::string file;                                       // "" = none
  std::vector<std::string> sets;                          // "key=value"
  std::vector<std::pair<std::string, std::string>> env;   // see ReadEnvironment
};

// Immutable once loaded. Get* of a key the spec does not have is a bug (CHECK).
class Config {
 public:
  static absl::StatusOr<Config> Load(const ConfigSpec& spec,
                                     const ConfigSources& sources);

  int64_t GetInt(std::string_view name) const;
  double GetDouble(std::string_view name) const;
  bool GetBool(std::string_view name) const;
  const std::string& GetString(std::string_view name) const;
  // True when a source gave it (its value is not the default).
  bool IsSet(std::string_view name) const;
  // Keys under a prefix, with the prefix cut off: {"1", "host:2888"}.
  std::map<std::string, std::string> GetPrefix(std::string_view prefix) const;

  // Every key with value, default and description, as a properties file.
  std::string Print() const;

 private:
  struct Value {
    std::string text;
    std::string source;  // "default", "/etc/x.properties:3", "--set", ...
  };
  const ConfigSpec* spec_ = nullptr;
  std::map<std::string, Value, std::less<>> values_;
};

// The variables of this process that begin with SILLOK_.
std::vector<std::pair<std::string, std::string>> ReadEnvironment();
// log.segment.bytes -> SILLOK_LOG_SEGMENT_BYTES, dataDir -> SILLOK_DATADIR.
std::string EnvironmentName(std::string_view key);

}  // namespace sillok

#endif  // SILLOK_BASE_CONFIG_H_
