#include "coordinator/tree/path.h"

#include <cinttypes>
#include <cstdio>
#include <optional>

namespace sillok {
namespace {

// Takes one character off the front of `text`; none when it is not UTF-8
// (overlong forms and surrogates are not).
std::optional<uint32_t> TakeCharacter(std::string_view* text) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>((*text)[i]);
  };
  const unsigned char first = byte(0);
  size_t length;
  uint32_t character, smallest;
  if (first < 0x80) {
    length = 1, character = first, smallest = 0;
  } else if ((first & 0xe0) == 0xc0) {
    length = 2, character = first & 0x1f, smallest = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, character = first & 0x0f, smallest = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, character = first & 0x07, smallest = 0x10000;
  } else {
    return std::nullopt;
  }
  if (text->size() < length) return std::nullopt;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    character = (character << 6) | (byte(i) & 0x3f);
  }
  if (character < smallest) return std::nullopt;
  text->remove_prefix(length);
  return character;
}

bool IsAllowedCharacter(uint32_t c) {
  if (c <= 0x1f) return false;
  if (c >= 0x7f && c <= 0x9f) return false;
  if (c >= 0xd800 && c <= 0xf8ff) return false;
  return c < 0xfff0;
}

bool HasOnlyAllowedCharacters(std::string_view text) {
  while (!text.empty()) {
    const std::optional<uint32_t> c = TakeCharacter(&text);
    if (!c || !IsAllowedCharacter(*c)) return false;
  }
  return true;
}

}  // namespace

bool IsValidPath(std::string_view path) {
  if (path.empty() || path[0] != '/') return false;
  if (path.size() == 1) return true;
  std::string_view rest = path.substr(1);
  while (true) {
    const size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return HasOnlyAllowedCharacters(path);
}

bool IsReservedPath(std::string_view path) {
  return path == kRootPath || path == kSystemPath ||
         path == kSystemQuotaPath || path == kSystemConfigPath;
}

std::string_view ParentPath(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? kRootPath : path.substr(0, slash);
}

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string SequenceSuffix(int64_t counter) {
  char text[24];
  std::snprintf(text, sizeof(text), "%010" PRId64, counter);
  return text;
}

}  // namespace sillok
