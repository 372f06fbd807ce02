#include "test/support/kafka_visitors.h"

#include <nlohmann/json.hpp>
#include <string_view>

namespace sillok::kafka {

std::string Base64(const std::string& bytes, bool for_urls) {
  std::string digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  digits += for_urls ? "-_" : "+/";
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(byte);
    for (count += 8; count >= 6; count -= 6) {
      text.push_back(digits[bits >> (count - 6) & 63]);
    }
  }
  if (count > 0) text.push_back(digits[bits << (6 - count) & 63]);
  while (!for_urls && text.size() % 4 != 0) text.push_back('=');
  return text;
}

std::string CamelCase(const char* snake_case) {
  std::string name;
  bool upper = false;
  for (const char c : std::string_view(snake_case)) {
    if (c == '_') {
      upper = true;
    } else {
      name.push_back(upper ? static_cast<char>(c - 'a' + 'A') : c);
      upper = false;
    }
  }
  return name;
}

void JsonDump::Add(int64_t value) { text_ += std::to_string(value); }

void JsonDump::Add(const std::string& value) {
  text_ += nlohmann::json(value).dump();
}

void JsonDump::Add(const Bytes& value) {
  text_ += '"' + (is_records_ ? "" : Base64(value.ToString(), false)) + '"';
}

void JsonDump::Add(const Uuid& value) {
  text_ += '"' + Base64(std::string(value.begin(), value.end()), true) + '"';
}

void JsonDump::Separate() {
  if (text_.back() != '[' && text_.back() != '{') text_ += ',';
}

void JsonDump::Key(const char* name) {
  Separate();
  is_records_ = std::string_view(name) == "records";
  text_ += '"' + CamelCase(name) + "\":";
}

int64_t RandomFill::Number() {
  const int64_t number = static_cast<int64_t>(random_());
  return Below(2) == 0 ? number : number % 100;
}

std::string RandomFill::Text() {
  // Now and then long enough for a two-byte length.
  std::string text(Below(8) == 0 ? Below(300) : Below(12), '\0');
  for (char& c : text) c = static_cast<char>('a' + Below(26));
  return text;
}

void RandomFill::Fill(Bytes& value, const FieldSpec&) {
  value = Bytes();
  for (uint64_t pieces = Below(3); pieces > 0; --pieces) {
    // Some above the size from which a writer hands pieces through.
    std::string piece(Below(4) == 0 ? Below(2000) : Below(20), '\0');
    for (char& c : piece) c = static_cast<char>(random_());
    value.Append(Bytes::FromString(std::move(piece)));
  }
}

void RandomFill::Fill(Uuid& value, const FieldSpec&) {
  for (uint8_t& byte : value) byte = static_cast<uint8_t>(random_());
}

}  // namespace sillok::kafka
