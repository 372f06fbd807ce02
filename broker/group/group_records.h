// The records of `__consumer_offsets`, as Kafka writes them: a key and a value
// that each begin with a 16-bit version. docs/format/internal-topics.md.
//
// Written: offset key 1 with value 3 (1 when it has a time to expire), group key 2 with value 3. Read: offset
// keys 0 and 1 with values 0 to 4, group key 2 with values 0 to 4. A key is
// deleted by a null value. Keys of other versions (Kafka's newer group types)
// are passed over.
#ifndef SILLOK_BROKER_GROUP_GROUP_RECORDS_H_
#define SILLOK_BROKER_GROUP_GROUP_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sillok {

// Strings in these records have a 16-bit length: nothing longer may be written.
inline constexpr size_t kMaxRecordStringBytes = 32'767;

struct OffsetKey {
  std::string group;
  std::string topic;
  int32_t partition = 0;

  friend bool operator==(const OffsetKey&, const OffsetKey&) = default;
};

struct OffsetValue {
  int64_t offset = -1;
  int32_t leader_epoch = -1;  // -1 = unknown
  std::string metadata;
  int64_t commit_timestamp_ms = -1;
  // When the one who committed wants it forgotten; Kafka wrote it before 2.1,
  // and value version 1, which has no leader epoch, is still the only one that
  // can hold it.
  std::optional<int64_t> expire_timestamp_ms;

  friend bool operator==(const OffsetValue&, const OffsetValue&) = default;
};

struct GroupKey {
  std::string group;

  friend bool operator==(const GroupKey&, const GroupKey&) = default;
};

struct GroupMemberValue {
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::string client_id;
  std::string client_host;
  int32_t rebalance_timeout_ms = 0;
  int32_t session_timeout_ms = 0;
  std::string subscription;
  std::string assignment;

  friend bool operator==(const GroupMemberValue&,
                         const GroupMemberValue&) = default;
};

struct GroupValue {
  std::string protocol_type;
  int32_t generation = 0;
  std::optional<std::string> protocol;
  std::optional<std::string> leader;  // member id
  // When the group came into its state (Empty, for retention); -1 = unknown.
  int64_t state_timestamp_ms = -1;
  std::vector<GroupMemberValue> members;

  friend bool operator==(const GroupValue&, const GroupValue&) = default;
};

// Strings must not be longer than kMaxRecordStringBytes.
std::string EncodeOffsetKey(std::string_view group, std::string_view topic,
                            int32_t partition);
std::string EncodeOffsetValue(const OffsetValue& value);
std::string EncodeGroupKey(std::string_view group);
std::string EncodeGroupValue(const GroupValue& value);

// monostate: bytes that are no key known here. None of these functions trusts
// its input.
std::variant<std::monostate, OffsetKey, GroupKey> ParseKey(
    std::string_view bytes);
std::optional<OffsetValue> ParseOffsetValue(std::string_view bytes);
std::optional<GroupValue> ParseGroupValue(std::string_view bytes);

// The topics in a consumer's subscription (the metadata of a group of protocol
// type "consumer", any version): the one look into members' bytes, needed to
// tell which offsets are still in use. Empty when it cannot be read.
std::optional<std::vector<std::string>> ParseSubscribedTopics(
    std::string_view metadata);

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_GROUP_RECORDS_H_
