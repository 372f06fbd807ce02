// Reads the golden files of this folder.
#ifndef SILLOK_TEST_GOLDEN_GOLDEN_H_
#define SILLOK_TEST_GOLDEN_GOLDEN_H_

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sillok::golden {

// `name` relative to test/golden.
inline std::string Path(const std::string& name) {
  return "test/golden/" + name;
}

inline std::string ReadText(const std::string& name) {
  std::ifstream file(Path(name), std::ios::binary);
  EXPECT_TRUE(file.good()) << "no golden file " << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<nlohmann::json> ReadJsonLines(const std::string& name) {
  std::istringstream lines(ReadText(name));
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) rows.push_back(nlohmann::json::parse(line));
  }
  EXPECT_FALSE(rows.empty()) << "golden file " << name << " is empty";
  return rows;
}

inline std::string FromHex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

inline std::string ToHex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    hex.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return hex;
}

}  // namespace sillok::golden

#endif  // SILLOK_TEST_GOLDEN_GOLDEN_H_
