// Small judgements that several parts of the group table make.
#ifndef SILLOK_BROKER_GROUP_GROUP_CHECKS_H_
#define SILLOK_BROKER_GROUP_GROUP_CHECKS_H_

#include <cstddef>
#include <string>

#include "base/error.h"

namespace sillok {

// Names that end up in records, ids made of them included, stay well below
// what a record's string can hold.
inline constexpr size_t kMaxNameBytes = 10'000;

inline bool IsGroupIdTooLong(const std::string& group_id) {
  return group_id.size() > kMaxNameBytes;
}

// For calls of members; offsets alone may be kept under an empty id, as in
// Kafka.
inline bool IsGroupIdValid(const std::string& group_id) {
  return !group_id.empty() && !IsGroupIdTooLong(group_id);
}

inline ErrorCode NoSuchGroup(const std::string& group_id) {
  return IsGroupIdValid(group_id) ? ErrorCode::UNKNOWN_MEMBER_ID
                                  : ErrorCode::INVALID_GROUP_ID;
}

// What a group call is told when its record could not be written.
inline ErrorCode GroupError(ErrorCode error) {
  return error == ErrorCode::MESSAGE_TOO_LARGE
             ? ErrorCode::UNKNOWN_SERVER_ERROR
             : error;
}

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_GROUP_CHECKS_H_
