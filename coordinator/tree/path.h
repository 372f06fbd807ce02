// The rules of znode paths. Pure functions.
#ifndef SILLOK_COORDINATOR_TREE_PATH_H_
#define SILLOK_COORDINATOR_TREE_PATH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sillok {

inline constexpr std::string_view kRootPath = "/";
inline constexpr std::string_view kSystemPath = "/zookeeper";
inline constexpr std::string_view kSystemQuotaPath = "/zookeeper/quota";
inline constexpr std::string_view kSystemConfigPath = "/zookeeper/config";

// For maps by path that are asked with views.
struct PathHash {
  using is_transparent = void;
  size_t operator()(std::string_view path) const {
    return std::hash<std::string_view>()(path);
  }
};

// A path a znode can have: starts with '/', does not end in one (but for "/"
// itself), no empty, "." or ".." component, valid UTF-8 without control
// characters, surrogates, private use (U+E000-U+F8FF), U+FFF0-U+FFFF and what
// needs two UTF-16 units (ZooKeeper's rule, which is written in those units).
bool IsValidPath(std::string_view path);

// "/", "/zookeeper" and what is below it from the start: never deleted.
bool IsReservedPath(std::string_view path);

// What is before the last '/'; "/" for "/a" and for "/" itself. `path` must
// contain a '/'. It need not be valid: the parent of "/a/x/" is "/a/x".
std::string_view ParentPath(std::string_view path);

// What is after the last '/'.
std::string_view BaseName(std::string_view path);

// The suffix of a sequential znode: at least ten digits. ZooKeeper's counter has
// 32 bits and wraps to negative numbers, which breaks the order; this one has 64
// and grows an eleventh digit.
std::string SequenceSuffix(int64_t counter);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_PATH_H_
