#include "base/config.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "glog/logging.h"

extern char** environ;

namespace sillok {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string IntRange(int64_t min, int64_t max) {
  bool has_min = min != std::numeric_limits<int64_t>::min();
  bool has_max = max != std::numeric_limits<int64_t>::max();
  if (has_min && has_max) {
    return fmt::format("an integer from {} to {}", min, max);
  }
  if (has_min) return fmt::format("an integer of at least {}", min);
  if (has_max) return fmt::format("an integer of at most {}", max);
  return "an integer";
}

// How far two names are apart (insert, delete, replace), for "did you mean".
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string DidYouMean(const ConfigSpec& spec, std::string_view name) {
  const ConfigKey* best = nullptr;
  size_t best_distance = name.size() / 3 + 1;
  for (const ConfigKey& key : spec.keys()) {
    size_t distance = EditDistance(name, key.name);
    if (distance < best_distance) {
      best_distance = distance;
      best = &key;
    }
  }
  return best == nullptr
             ? " (--print-config lists the keys)"
             : fmt::format(" (did you mean '{}'?)", best->name);
}

struct Setting {
  std::string key, value, source;
};

absl::StatusOr<Setting> SplitSetting(std::string_view text,
                                     std::string source) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos || Trim(text.substr(0, equals)).empty()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: '{}' is not key=value", source, text));
  }
  return Setting{std::string(Trim(text.substr(0, equals))),
                 std::string(Trim(text.substr(equals + 1))), std::move(source)};
}

absl::Status ReadFile(const std::string& path, std::vector<Setting>* settings) {
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(
        fmt::format("cannot read config file {}: {}", path, strerror(errno)));
  }
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::string_view text = Trim(line);
    if (text.empty() || text[0] == '#' || text[0] == '!') continue;
    ASSIGN_OR_RETURN(Setting setting,
                     SplitSetting(text, fmt::format("{}:{}", path, number)));
    settings->push_back(std::move(setting));
  }
  return absl::OkStatus();
}

}  // namespace

ConfigSpec& ConfigSpec::Int(std::string name, int64_t default_value,
                            std::string doc, int64_t min, int64_t max) {
  Checked(std::move(name), std::to_string(default_value), std::move(doc),
          [min, max](const std::string& value) -> std::string {
            auto number = ParseNumber<int64_t>(value);
            bool good = number && *number >= min && *number <= max;
            return good ? "" : IntRange(min, max);
          });
  keys_.back().type = ConfigKey::Type::kInt;
  return *this;
}

ConfigSpec& ConfigSpec::Double(std::string name, double default_value,
                               std::string doc, double min, double max) {
  Checked(std::move(name), fmt::format("{}", default_value), std::move(doc),
          [min, max](const std::string& value) -> std::string {
            auto number = ParseNumber<double>(value);
            bool good = number && *number >= min && *number <= max;
            return good ? "" : fmt::format("a number from {} to {}", min, max);
          });
  keys_.back().type = ConfigKey::Type::kDouble;
  return *this;
}

ConfigSpec& ConfigSpec::Bool(std::string name, bool default_value,
                             std::string doc) {
  Choice(std::move(name), default_value ? "true" : "false", {"true", "false"},
         std::move(doc));
  keys_.back().type = ConfigKey::Type::kBool;
  return *this;
}

ConfigSpec& ConfigSpec::String(std::string name, std::string default_value,
                               std::string doc) {
  return Checked(std::move(name), std::move(default_value), std::move(doc), {});
}

ConfigSpec& ConfigSpec::Choice(std::string name, std::string default_value,
                               std::vector<std::string> choices,
                               std::string doc) {
  return Checked(
      std::move(name), std::move(default_value), std::move(doc),
      [choices = std::move(choices)](const std::string& value) -> std::string {
        if (std::find(choices.begin(), choices.end(), value) != choices.end()) {
          return "";
        }
        std::string allowed = "one of";
        for (const std::string& choice : choices) {
          allowed += (&choice == &choices.front() ? " " : ", ") + choice;
        }
        return allowed;
      });
}

ConfigSpec& ConfigSpec::Checked(
    std::string name, std::string default_value, std::string doc,
    std::function<std::string(const std::string& value)> check) {
  CHECK(Find(name) == nullptr) << name << " is declared twice";
  keys_.push_back({std::move(name), std::move(default_value), std::move(doc),
                   std::move(check)});
  return *this;
}

ConfigSpec& ConfigSpec::Prefix(
    std::string prefix, std::string doc,
    std::function<std::string(const std::string& value)> check) {
  keys_.push_back({std::move(prefix), "", std::move(doc), std::move(check),
                   /*prefix=*/true});
  return *this;
}

ConfigSpec& ConfigSpec::Required() {
  keys_.back().required = true;
  return *this;
}

const ConfigKey* ConfigSpec::Find(std::string_view name) const {
  for (const ConfigKey& key : keys_) {
    if (key.prefix ? name.starts_with(key.name) && name.size() > key.name.size()
                   : key.name == name) {
      return &key;
    }
  }
  return nullptr;
}

absl::StatusOr<Config> Config::Load(const ConfigSpec& spec,
                                    const ConfigSources& sources) {
  std::vector<Setting> settings;
  if (!sources.file.empty()) {
    RETURN_IF_ERROR(ReadFile(sources.file, &settings));
  }
  for (const ConfigKey& key : spec.keys()) {
    for (const auto& [name, value] : sources.env) {
      if (!key.prefix && name == EnvironmentName(key.name)) {
        settings.push_back({key.name, value, name});
      }
    }
  }
  for (const std::string& set : sources.sets) {
    ASSIGN_OR_RETURN(Setting setting, SplitSetting(set, "--set"));
    settings.push_back(std::move(setting));
  }

  Config config;
  config.spec_ = &spec;
  for (const ConfigKey& key : spec.keys()) {
    if (!key.prefix) config.values_[key.name] = {key.default_value, "default"};
  }
  for (Setting& setting : settings) {
    const ConfigKey* key = spec.Find(setting.key);
    if (key == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("{}: unknown key '{}'{}", setting.source, setting.key,
                      DidYouMean(spec, setting.key)));
    }
    std::string allowed = key->check ? key->check(setting.value) : "";
    if (!allowed.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {}={} is not allowed: it must be {}",
                      setting.source, setting.key, setting.value, allowed));
    }
    config.values_[setting.key] = {std::move(setting.value),
                                   std::move(setting.source)};
  }
  for (const ConfigKey& key : spec.keys()) {
    if (key.required && !config.IsSet(key.name)) {
      return absl::InvalidArgumentError(
          fmt::format("'{}' must be set: {}", key.name, key.doc));
    }
  }
  return config;
}

const std::string& Config::GetString(std::string_view name) const {
  auto it = values_.find(name);
  CHECK(it != values_.end()) << "no config key " << std::string(name);
  return it->second.text;
}

int64_t Config::GetInt(std::string_view name) const {
  auto value = ParseNumber<int64_t>(GetString(name));
  CHECK(value.has_value()) << std::string(name) << " is not an integer key";
  return *value;
}

double Config::GetDouble(std::string_view name) const {
  auto value = ParseNumber<double>(GetString(name));
  CHECK(value.has_value()) << std::string(name) << " is not a number key";
  return *value;
}

bool Config::GetBool(std::string_view name) const {
  return GetString(name) == "true";
}

bool Config::IsSet(std::string_view name) const {
  auto it = values_.find(name);
  return it != values_.end() && it->second.source != "default";
}

std::map<std::string, std::string> Config::GetPrefix(
    std::string_view prefix) const {
  std::map<std::string, std::string> found;
  for (const auto& [name, value] : values_) {
    if (name.starts_with(prefix)) {
      found[name.substr(prefix.size())] = value.text;
    }
  }
  return found;
}

std::string Config::Print() const {
  std::string text;
  for (const ConfigKey& key : spec_->keys()) {
    text += fmt::format("# {}\n", key.doc);
    if (key.prefix) {
      for (const auto& [name, value] : GetPrefix(key.name)) {
        text += fmt::format("{}{}={}\n", key.name, name, value);
      }
    } else {
      const Value& value = values_.find(key.name)->second;
      text += fmt::format("# default: {}{}\n{}={}\n", key.default_value,
                          value.source == "default"
                              ? ""
                              : fmt::format("; set by {}", value.source),
                          key.name, value.text);
    }
    text += "\n";
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> ReadEnvironment() {
  std::vector<std::pair<std::string, std::string>> found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text = *entry;
    size_t equals = text.find('=');
    if (text.starts_with("SILLOK_") && equals != std::string_view::npos) {
      found.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return found;
}

std::string EnvironmentName(std::string_view key) {
  std::string name = "SILLOK_";
  for (char c : key) {
    name += isalnum(static_cast<unsigned char>(c))
                ? static_cast<char>(toupper(static_cast<unsigned char>(c)))
                : '_';
  }
  return name;
}

}  // namespace sillok
