// Which bug runs: the one that the environment names.
#ifndef SILLOK_TEST_SUPPORT_PLANTED_BUGS_PLANTED_H_
#define SILLOK_TEST_SUPPORT_PLANTED_BUGS_PLANTED_H_

#include <cstdlib>
#include <string_view>

namespace sillok {

inline bool Planted(std::string_view name) {
  static const char* const planted = std::getenv("PLANTED_BUG");
  return planted != nullptr && name == planted;
}

}  // namespace sillok

#endif  // SILLOK_TEST_SUPPORT_PLANTED_BUGS_PLANTED_H_
