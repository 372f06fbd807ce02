// The version of this build.
#ifndef SILLOK_BASE_VERSION_H_
#define SILLOK_BASE_VERSION_H_

namespace sillok {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace sillok

#endif  // SILLOK_BASE_VERSION_H_
