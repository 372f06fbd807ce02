#include "client/internal/consumer_protocol.h"

#include <cstdint>
#include <map>

namespace sillok::client {
namespace {

constexpr int16_t kVersion = 1;

void PutInt(std::string* out, int64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

void PutString(std::string* out, std::string_view text) {
  PutInt(out, static_cast<int64_t>(text.size()), 2);
  out->append(text);
}

// Reads big-endian fields; after a failure everything reads as 0.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  int64_t Int(int bytes) {
    if (rest_.size() < static_cast<size_t>(bytes)) return Fail();
    int64_t value = static_cast<int8_t>(rest_[0]);
    for (int i = 1; i < bytes; ++i) {
      value = value * 256 + static_cast<uint8_t>(rest_[static_cast<size_t>(i)]);
    }
    rest_.remove_prefix(static_cast<size_t>(bytes));
    return value;
  }
  std::string String() {
    int64_t size = Int(2);
    if (size < 0 || static_cast<size_t>(size) > rest_.size()) {
      Fail();
      return {};
    }
    std::string text(rest_.substr(0, static_cast<size_t>(size)));
    rest_.remove_prefix(static_cast<size_t>(size));
    return text;
  }
  // A count of items of at least one byte each.
  int64_t Count() {
    int64_t count = Int(4);
    if (count < 0 || static_cast<size_t>(count) > rest_.size()) return Fail();
    return count;
  }
  bool ok() const { return ok_; }

 private:
  int64_t Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::string EncodeSubscription(const std::vector<std::string>& topics) {
  std::string out;
  PutInt(&out, kVersion, 2);
  PutInt(&out, static_cast<int64_t>(topics.size()), 4);
  for (const std::string& topic : topics) PutString(&out, topic);
  PutInt(&out, -1, 4);  // user data: null
  PutInt(&out, 0, 4);   // owned partitions
  return out;
}

std::optional<std::vector<std::string>> DecodeSubscription(
    std::string_view bytes) {
  Input in(bytes);
  // What later versions add comes after the topics.
  if (in.Int(2) < 0) return std::nullopt;
  std::vector<std::string> topics;
  for (int64_t left = in.Count(); left > 0 && in.ok(); --left) {
    topics.push_back(in.String());
  }
  if (!in.ok()) return std::nullopt;
  return topics;
}

std::string EncodeAssignment(const std::vector<TopicPartition>& partitions) {
  std::map<std::string, std::vector<int32_t>> by_topic;
  for (const TopicPartition& p : partitions) {
    by_topic[p.topic].push_back(p.partition);
  }
  std::string out;
  PutInt(&out, kVersion, 2);
  PutInt(&out, static_cast<int64_t>(by_topic.size()), 4);
  for (const auto& [topic, numbers] : by_topic) {
    PutString(&out, topic);
    PutInt(&out, static_cast<int64_t>(numbers.size()), 4);
    for (int32_t number : numbers) PutInt(&out, number, 4);
  }
  PutInt(&out, -1, 4);  // user data: null
  return out;
}

std::optional<std::vector<TopicPartition>> DecodeAssignment(
    std::string_view bytes) {
  std::vector<TopicPartition> partitions;
  if (bytes.empty()) return partitions;
  Input in(bytes);
  if (in.Int(2) < 0) return std::nullopt;
  for (int64_t topics = in.Count(); topics > 0 && in.ok(); --topics) {
    std::string topic = in.String();
    for (int64_t left = in.Count(); left > 0 && in.ok(); --left) {
      partitions.push_back({topic, static_cast<int32_t>(in.Int(4))});
    }
  }
  if (!in.ok()) return std::nullopt;
  return partitions;
}

}  // namespace sillok::client
