#include "broker/group/group_records.h"

#include <utility>

#include "glog/logging.h"

namespace sillok {
namespace {

constexpr int16_t kOffsetKeyVersion = 1;
constexpr int16_t kOffsetValueVersion = 3;
constexpr int16_t kExpiringOffsetValueVersion = 1;
constexpr int16_t kGroupKeyVersion = 2;
constexpr int16_t kGroupValueVersion = 3;
constexpr int16_t kNewestReadable = 4;  // of both values
constexpr int16_t kFirstFlexible = 4;

// Big-endian fields appended to a string.
class Writer {
 public:
  template <typename Int>
  void PutInt(Int value) {
    for (int shift = 8 * (sizeof(Int) - 1); shift >= 0; shift -= 8) {
      out_.push_back(
          static_cast<char>(static_cast<uint64_t>(value) >> shift));
    }
  }
  void PutString(std::string_view text) {
    CHECK_LE(text.size(), kMaxRecordStringBytes);
    PutInt(static_cast<int16_t>(text.size()));
    out_.append(text);
  }
  void PutString(const std::optional<std::string>& text) {
    if (text.has_value()) {
      PutString(std::string_view(*text));
    } else {
      PutInt(int16_t{-1});
    }
  }
  void PutBytes(std::string_view bytes) {
    PutInt(static_cast<int32_t>(bytes.size()));
    out_.append(bytes);
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads what Writer writes and the flexible forms. After the first thing that
// does not fit, ok() is false and everything read is zero or empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size(); }
  void set_flexible(bool flexible) { flexible_ = flexible; }

  template <typename Int>
  Int GetInt() {
    const std::string_view bytes = Take(sizeof(Int));
    uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
    return static_cast<Int>(value);
  }
  std::optional<std::string> GetNullableString() {
    const int64_t length =
        flexible_ ? int64_t{GetVarint()} - 1 : int64_t{GetInt<int16_t>()};
    if (!ok_ || length == -1) return std::nullopt;
    return std::string(Take(length));
  }
  // Null where a string has to be is damage.
  std::string GetString() {
    std::optional<std::string> text = GetNullableString();
    if (!text.has_value()) ok_ = false;
    return std::move(text).value_or("");
  }
  // Null counts as empty: nobody tells them apart.
  std::string GetBytes() {
    const int64_t length =
        flexible_ ? int64_t{GetVarint()} - 1 : int64_t{GetInt<int32_t>()};
    if (!ok_ || length == -1) return "";
    return std::string(Take(length));
  }
  // The length of an array whose elements have at least one byte each.
  size_t GetCount() {
    const int64_t count =
        flexible_ ? int64_t{GetVarint()} - 1 : int64_t{GetInt<int32_t>()};
    if (count < 0 || count > static_cast<int64_t>(left())) ok_ = false;
    return ok_ ? static_cast<size_t>(count) : 0;
  }
  void SkipTags() {
    if (!flexible_) return;
    for (uint32_t count = GetVarint(); ok_ && count > 0; --count) {
      GetVarint();  // which tag
      Take(GetVarint());
    }
  }

 private:
  std::string_view Take(int64_t size) {
    if (!ok_ || size < 0 || size > static_cast<int64_t>(bytes_.size())) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  uint32_t GetVarint() {
    uint64_t value = 0;
    for (int shift = 0; shift <= 28; shift += 7) {
      const std::string_view byte = Take(1);
      if (byte.empty()) return 0;
      value |= uint64_t{static_cast<uint8_t>(byte[0]) & 0x7fu} << shift;
      if ((byte[0] & 0x80) == 0) return static_cast<uint32_t>(value);
    }
    ok_ = false;
    return 0;
  }

  std::string_view bytes_;
  bool flexible_ = false;
  bool ok_ = true;
};

GroupMemberValue ReadMember(int16_t version, Reader& in) {
  GroupMemberValue member;
  member.member_id = in.GetString();
  if (version >= 3) member.group_instance_id = in.GetNullableString();
  member.client_id = in.GetString();
  member.client_host = in.GetString();
  if (version >= 1) member.rebalance_timeout_ms = in.GetInt<int32_t>();
  member.session_timeout_ms = in.GetInt<int32_t>();
  if (version == 0) member.rebalance_timeout_ms = member.session_timeout_ms;
  member.subscription = in.GetBytes();
  member.assignment = in.GetBytes();
  in.SkipTags();
  return member;
}

}  // namespace

std::string EncodeOffsetKey(std::string_view group, std::string_view topic,
                            int32_t partition) {
  Writer out;
  out.PutInt(kOffsetKeyVersion);
  out.PutString(group);
  out.PutString(topic);
  out.PutInt(partition);
  return out.Take();
}

std::string EncodeOffsetValue(const OffsetValue& value) {
  Writer out;
  const bool expires = value.expire_timestamp_ms.has_value();
  out.PutInt(expires ? kExpiringOffsetValueVersion : kOffsetValueVersion);
  out.PutInt(value.offset);
  if (!expires) out.PutInt(value.leader_epoch);
  out.PutString(std::string_view(value.metadata));
  out.PutInt(value.commit_timestamp_ms);
  if (expires) out.PutInt(*value.expire_timestamp_ms);
  return out.Take();
}

std::string EncodeGroupKey(std::string_view group) {
  Writer out;
  out.PutInt(kGroupKeyVersion);
  out.PutString(group);
  return out.Take();
}

std::string EncodeGroupValue(const GroupValue& value) {
  Writer out;
  out.PutInt(kGroupValueVersion);
  out.PutString(std::string_view(value.protocol_type));
  out.PutInt(value.generation);
  out.PutString(value.protocol);
  out.PutString(value.leader);
  out.PutInt(value.state_timestamp_ms);
  out.PutInt(static_cast<int32_t>(value.members.size()));
  for (const GroupMemberValue& member : value.members) {
    out.PutString(std::string_view(member.member_id));
    out.PutString(member.group_instance_id);
    out.PutString(std::string_view(member.client_id));
    out.PutString(std::string_view(member.client_host));
    out.PutInt(member.rebalance_timeout_ms);
    out.PutInt(member.session_timeout_ms);
    out.PutBytes(member.subscription);
    out.PutBytes(member.assignment);
  }
  return out.Take();
}

std::variant<std::monostate, OffsetKey, GroupKey> ParseKey(
    std::string_view bytes) {
  Reader in(bytes);
  const int16_t version = in.GetInt<int16_t>();
  if (!in.ok()) return std::monostate();
  if (version == 0 || version == 1) {
    OffsetKey key;
    key.group = in.GetString();
    key.topic = in.GetString();
    key.partition = in.GetInt<int32_t>();
    if (in.ok()) return key;
  } else if (version == kGroupKeyVersion) {
    GroupKey key{in.GetString()};
    if (in.ok()) return key;
  }
  return std::monostate();
}

std::optional<OffsetValue> ParseOffsetValue(std::string_view bytes) {
  Reader in(bytes);
  const int16_t version = in.GetInt<int16_t>();
  if (version < 0 || version > kNewestReadable) return std::nullopt;
  in.set_flexible(version >= kFirstFlexible);
  OffsetValue value;
  value.offset = in.GetInt<int64_t>();
  if (version >= 3) value.leader_epoch = in.GetInt<int32_t>();
  value.metadata = in.GetString();
  value.commit_timestamp_ms = in.GetInt<int64_t>();
  if (version == 1) {
    const int64_t expire = in.GetInt<int64_t>();
    if (expire != -1) value.expire_timestamp_ms = expire;
  }
  in.SkipTags();
  if (!in.ok()) return std::nullopt;
  return value;
}

std::optional<GroupValue> ParseGroupValue(std::string_view bytes) {
  Reader in(bytes);
  const int16_t version = in.GetInt<int16_t>();
  if (version < 0 || version > kNewestReadable) return std::nullopt;
  in.set_flexible(version >= kFirstFlexible);
  GroupValue value;
  value.protocol_type = in.GetString();
  value.generation = in.GetInt<int32_t>();
  value.protocol = in.GetNullableString();
  value.leader = in.GetNullableString();
  if (version >= 2) value.state_timestamp_ms = in.GetInt<int64_t>();
  const size_t count = in.GetCount();
  for (size_t i = 0; i < count && in.ok(); ++i) {
    value.members.push_back(ReadMember(version, in));
  }
  in.SkipTags();
  if (!in.ok()) return std::nullopt;
  return value;
}

std::optional<std::vector<std::string>> ParseSubscribedTopics(
    std::string_view metadata) {
  Reader in(metadata);
  if (in.GetInt<int16_t>() < 0) return std::nullopt;
  const size_t count = in.GetCount();
  std::vector<std::string> topics;
  for (size_t i = 0; i < count && in.ok(); ++i) topics.push_back(in.GetString());
  if (!in.ok()) return std::nullopt;
  return topics;
}

}  // namespace sillok
