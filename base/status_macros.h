// RETURN_IF_ERROR and ASSIGN_OR_RETURN, as in newer Abseil releases.
#ifndef SILLOK_BASE_STATUS_MACROS_H_
#define SILLOK_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RETURN_IF_ERROR(expr)                              \
  do {                                                     \
    if (absl::Status status_macro_ = (expr); !status_macro_.ok()) { \
      return status_macro_;                                \
    }                                                      \
  } while (false)

#define SILLOK_MACRO_CONCAT_INNER(a, b) a##b
#define SILLOK_MACRO_CONCAT(a, b) SILLOK_MACRO_CONCAT_INNER(a, b)
#define ASSIGN_OR_RETURN(lhs, expr)                                          \
  auto SILLOK_MACRO_CONCAT(status_or_, __LINE__) = (expr);                   \
  if (!SILLOK_MACRO_CONCAT(status_or_, __LINE__).ok()) {                     \
    return SILLOK_MACRO_CONCAT(status_or_, __LINE__).status();               \
  }                                                                          \
  lhs = std::move(SILLOK_MACRO_CONCAT(status_or_, __LINE__)).value()

#endif  // SILLOK_BASE_STATUS_MACROS_H_
