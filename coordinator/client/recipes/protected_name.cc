#include "coordinator/client/recipes/protected_name.h"

#include <algorithm>
#include <charconv>

namespace sillok::coord {
namespace {

constexpr std::string_view kPrefix = "_c_";

}  // namespace

std::string ProtectedName(std::string_view guid, std::string_view rest) {
  std::string name(kPrefix);
  name += guid;
  name += '-';
  name += rest;
  return name;
}

std::string_view GuidOfProtected(std::string_view name) {
  if (name.substr(0, kPrefix.size()) != kPrefix) return {};
  name.remove_prefix(kPrefix.size());
  size_t end = name.find('-');
  return end == std::string_view::npos ? std::string_view{}
                                       : name.substr(0, end);
}

std::string_view RestOfProtected(std::string_view name) {
  std::string_view guid = GuidOfProtected(name);
  if (guid.empty()) return {};
  return name.substr(kPrefix.size() + guid.size() + 1);
}

std::optional<SequentialName> ParseSequential(std::string_view name) {
  // Ten digits, more once the parent has seen that many creates.
  size_t digits = name.size();
  while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') {
    --digits;
  }
  if (name.size() - digits < 10) return std::nullopt;
  int64_t sequence = 0;
  auto [end, error] = std::from_chars(name.data() + digits,
                                      name.data() + name.size(), sequence);
  if (error != std::errc()) return std::nullopt;
  return SequentialName{name.substr(0, digits), sequence};
}

std::vector<std::string> FindProtected(const std::vector<std::string>& children,
                                       std::string_view guid) {
  std::vector<std::string> found;
  for (const std::string& child : children) {
    if (!guid.empty() && GuidOfProtected(child) == guid) found.push_back(child);
  }
  auto sequence = [](const std::string& name) {
    auto parsed = ParseSequential(name);
    return parsed ? parsed->sequence : INT64_MAX;
  };
  std::sort(found.begin(), found.end(),
            [&](const std::string& a, const std::string& b) {
              return sequence(a) < sequence(b);
            });
  return found;
}

}  // namespace sillok::coord
