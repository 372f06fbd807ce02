// Hex and base64, both ways, and whether bytes are UTF-8. Pure.
#ifndef SILLOK_TOOLS_TEXT_CODING_H_
#define SILLOK_TOOLS_TEXT_CODING_H_

#include <optional>
#include <string>
#include <string_view>

namespace sillok::tools {

std::string ToHex(std::string_view bytes);
std::optional<std::string> FromHex(std::string_view text);
std::string ToBase64(std::string_view bytes);
std::optional<std::string> FromBase64(std::string_view text);
bool IsUtf8(std::string_view bytes);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_TEXT_CODING_H_
