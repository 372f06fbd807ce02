#include "test/compat/delivery.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "fmt/format.h"

namespace sillok::compat_test {
namespace {

using Log = std::map<int64_t, std::string>;  // offset -> value
using Partition = std::pair<std::string, int>;

std::string Name(const Partition& partition) {
  return fmt::format("{}-{}", partition.first, partition.second);
}

Delivered ParseLine(const std::string& line) {
  std::vector<std::string> fields;
  size_t begin = 0;
  while (fields.size() < 3) {
    size_t end = line.find('\t', begin);
    if (end == std::string::npos) return {"?", 0, -1, line};
    fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return {fields[0], atoi(fields[1].c_str()), atoll(fields[2].c_str()),
          line.substr(begin)};
}

// "p1-000042" -> p1, 42.
std::optional<std::pair<std::string, int64_t>> ParseValue(
    const std::string& value) {
  size_t dash = value.rfind('-');
  if (dash == std::string::npos || dash + 1 == value.size()) {
    return std::nullopt;
  }
  return std::pair(value.substr(0, dash), atoll(value.c_str() + dash + 1));
}

// The logs as read, and what the readings already contradict.
std::map<Partition, Log> Assemble(const std::vector<Delivered>& read,
                                  std::vector<std::string>* violations) {
  std::map<Partition, Log> logs;
  for (const Delivered& record : read) {
    if (record.topic == "?") {
      violations->push_back("not a delivery line: " + record.value);
      continue;
    }
    Partition partition(record.topic, record.partition);
    auto [at, fresh] = logs[partition].emplace(record.offset, record.value);
    if (!fresh && at->second != record.value) {
      violations->push_back(
          fmt::format("{} offset {} was read as {} and as {}", Name(partition),
                      record.offset, at->second, record.value));
    }
  }
  return logs;
}

void CheckHoles(const std::map<Partition, Log>& logs,
                std::vector<std::string>* violations) {
  for (const auto& [partition, log] : logs) {
    int64_t next = 0;
    for (const auto& [offset, value] : log) {
      if (offset != next) {
        violations->push_back(fmt::format(
            "{} was read at offset {} after {}", Name(partition), offset,
            next - 1));
      }
      next = offset + 1;
    }
  }
}

void CheckOrder(const std::map<Partition, Log>& logs,
                std::vector<std::string>* violations) {
  std::set<std::string> seen;
  for (const auto& [partition, log] : logs) {
    std::map<std::string, int64_t> last;  // by producer
    for (const auto& [offset, value] : log) {
      if (!seen.insert(value).second) {
        violations->push_back(
            fmt::format("{} stands twice, again at {} offset {}", value,
                        Name(partition), offset));
        continue;
      }
      auto number = ParseValue(value);
      if (!number.has_value()) continue;
      auto [at, fresh] = last.emplace(number->first, number->second);
      if (!fresh && number->second < at->second) {
        violations->push_back(fmt::format("{} stands after {} in {}", value,
                                          at->second, Name(partition)));
      }
      at->second = number->second;
    }
  }
}

void CheckAcknowledged(const std::vector<Delivered>& acked,
                       const std::map<Partition, Log>& logs,
                       std::vector<std::string>* violations) {
  std::set<std::string> values;
  for (const auto& [partition, log] : logs) {
    for (const auto& [offset, value] : log) values.insert(value);
  }
  for (const Delivered& record : acked) {
    if (record.topic == "?") {
      violations->push_back("not a delivery line: " + record.value);
      continue;
    }
    if (values.count(record.value) == 0) {
      violations->push_back(fmt::format(
          "LOST: {} was acknowledged at {}-{} offset {}", record.value,
          record.topic, record.partition, record.offset));
      continue;
    }
    if (record.offset < 0) continue;
    auto log = logs.find({record.topic, record.partition});
    if (log == logs.end()) {
      violations->push_back(fmt::format("{} stands in another partition than "
                                        "the {}-{} it was acknowledged for",
                                        record.value, record.topic,
                                        record.partition));
      continue;
    }
    auto at = log->second.find(record.offset);
    if (at == log->second.end() || at->second != record.value) {
      violations->push_back(fmt::format(
          "{} was acknowledged at {}-{} offset {}, where {} stands",
          record.value, record.topic, record.partition, record.offset,
          at == log->second.end() ? "nothing" : at->second));
    }
  }
}

}  // namespace

std::vector<Delivered> ReadDeliveries(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<Delivered> deliveries;
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    deliveries.push_back(ParseLine(text.substr(begin, end - begin)));
  }
  return deliveries;
}

std::vector<std::string> CheckDelivery(const std::vector<Delivered>& acked,
                                       const std::vector<Delivered>& read,
                                       DeliveryRules rules) {
  std::vector<std::string> violations;
  std::map<Partition, Log> logs = Assemble(read, &violations);
  if (rules.whole_log) CheckHoles(logs, &violations);
  if (rules.once_and_in_order) CheckOrder(logs, &violations);
  CheckAcknowledged(acked, logs, &violations);
  return violations;
}

}  // namespace sillok::compat_test
