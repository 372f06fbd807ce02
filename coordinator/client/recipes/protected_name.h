// Names of znodes that their maker finds again: "_c_<guid>-<rest>", as Apache
// Curator writes them.
//
// The answer to a create can be lost with the connection, and a sequential
// znode's name is in the answer only. With a random id in the name the maker
// looks for it among the children and knows whether there is a znode, and which.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_PROTECTED_NAME_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_PROTECTED_NAME_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sillok::coord {

// "_c_<guid>-<rest>"
std::string ProtectedName(std::string_view guid, std::string_view rest);
// What stands behind the guid; "" for a name that is not protected.
std::string_view RestOfProtected(std::string_view name);
// "" likewise.
std::string_view GuidOfProtected(std::string_view name);

// A sequential znode's name in its parts: "lock-0000000012" is "lock-" and 12.
struct SequentialName {
  std::string_view stem;
  int64_t sequence;
};
std::optional<SequentialName> ParseSequential(std::string_view name);

// The children with this guid, the oldest (lowest sequence) first.
std::vector<std::string> FindProtected(const std::vector<std::string>& children,
                                       std::string_view guid);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_PROTECTED_NAME_H_
