#include "coordinator/zoo_cfg.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <string_view>

#include "coordinator/config.h"
#include "fmt/format.h"

namespace sillok {
namespace {

std::string Trim(std::string_view text) {
  size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return "";
  size_t last = text.find_last_not_of(" \t\r");
  return std::string(text.substr(first, last - first + 1));
}

bool StartsWith(const std::string& text, std::string_view prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

// ZooKeeper's yes and no, where our key is true or false.
std::string OurValue(const ConfigKey& key, const std::string& value) {
  if (key.type != ConfigKey::Type::kBool) return value;
  return value == "yes" ? "true" : value == "no" ? "false" : value;
}

}  // namespace

absl::StatusOr<ZooCfg> ReadZooCfg(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(
        fmt::format("cannot read {}: {}", path, strerror(errno)));
  }
  ZooCfg result;
  std::map<std::string, std::string> given;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::string text = Trim(line);
    if (text.empty() || text[0] == '#' || text[0] == '!') continue;
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(
          fmt::format("{}:{}: '{}' is not key=value", path, number, text));
    }
    std::string key = Trim(std::string_view(text).substr(0, equals));
    if (StartsWith(key, "zookeeper.")) key = key.substr(strlen("zookeeper."));
    const std::string value = Trim(std::string_view(text).substr(equals + 1));
    given[key] = value;
    const ConfigKey* known = CoordinatorConfigSpec().Find(key);
    if (known == nullptr) {
      if (key != "admin.serverPort") result.ignored.push_back(key);
      continue;
    }
    result.sets.push_back(key + "=" + OurValue(*known, value));
  }
  auto otherwise = [&](const std::string& key, const std::string& value) {
    if (given.count(key) == 0) result.sets.push_back(key + "=" + value);
  };
  otherwise("clientPortAddress", "*");
  otherwise("grpc.listen", "127.0.0.1:0");
  const std::string admin =
      given.count("admin.serverPort") != 0 ? given["admin.serverPort"] : "0";
  otherwise("admin.listen", "127.0.0.1:" + admin);
  return result;
}

}  // namespace sillok
