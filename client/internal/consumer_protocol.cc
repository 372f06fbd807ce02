#include "client/internal/consumer_protocol.h"

namespace sillok::client {
namespace {

void PutInt(std::string* out, int64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

void PutString(std::string* out, std::string_view text) {
  PutInt(out, static_cast<int64_t>(text.size()), 2);
  out->append(text);
}

void PutBytes(std::string* out, const std::optional<std::string>& bytes) {
  PutInt(out, bytes ? static_cast<int64_t>(bytes->size()) : -1, 4);
  if (bytes) out->append(*bytes);
}

// [(topic, [partition])]: neighbours of one topic share an entry.
void PutPartitions(std::string* out,
                   const std::vector<TopicPartition>& partitions) {
  std::string entries;
  int64_t count = 0;
  for (size_t begin = 0, end = 0; begin < partitions.size(); begin = end) {
    const std::string& topic = partitions[begin].topic;
    while (end < partitions.size() && partitions[end].topic == topic) ++end;
    ++count;
    PutString(&entries, topic);
    PutInt(&entries, static_cast<int64_t>(end - begin), 4);
    for (size_t i = begin; i < end; ++i) {
      PutInt(&entries, partitions[i].partition, 4);
    }
  }
  PutInt(out, count, 4);
  out->append(entries);
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
    auto text = NullableText(2);
    if (!text) Fail();
    return text.value_or("");
  }
  // A text or bytes behind its size of so many bytes; -1 = null.
  std::optional<std::string> NullableText(int size_bytes) {
    int64_t size = Int(size_bytes);
    if (size == -1 || !ok_) return std::nullopt;
    if (size < 0 || static_cast<size_t>(size) > rest_.size()) {
      Fail();
      return std::nullopt;
    }
    std::string text(rest_.substr(0, static_cast<size_t>(size)));
    rest_.remove_prefix(static_cast<size_t>(size));
    return text;
  }
  std::vector<TopicPartition> Partitions() {
    std::vector<TopicPartition> partitions;
    for (int64_t topics = Count(); topics > 0 && ok_; --topics) {
      std::string topic = String();
      for (int64_t left = Count(); left > 0 && ok_; --left) {
        partitions.push_back({topic, static_cast<int32_t>(Int(4))});
      }
    }
    return partitions;
  }
  // A count of items of at least one byte each.
  int64_t Count() {
    int64_t count = Int(4);
    if (count < 0 || static_cast<size_t>(count) > rest_.size()) return Fail();
    return count;
  }
  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }

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

std::string EncodeSubscription(const ConsumerSubscription& subscription,
                               int16_t version) {
  std::string out;
  PutInt(&out, version, 2);
  PutInt(&out, static_cast<int64_t>(subscription.topics.size()), 4);
  for (const std::string& topic : subscription.topics) PutString(&out, topic);
  PutBytes(&out, subscription.user_data);
  if (version >= 1) PutPartitions(&out, subscription.owned);
  if (version >= 2) PutInt(&out, subscription.generation, 4);
  if (version < 3) return out;
  if (subscription.rack) {
    PutString(&out, *subscription.rack);
  } else {
    PutInt(&out, -1, 2);
  }
  return out;
}

std::optional<ConsumerSubscription> DecodeSubscription(std::string_view bytes) {
  Input in(bytes);
  int64_t version = in.Int(2);
  if (version < 0) return std::nullopt;
  ConsumerSubscription subscription;
  for (int64_t left = in.Count(); left > 0 && in.ok(); --left) {
    subscription.topics.push_back(in.String());
  }
  subscription.user_data = in.NullableText(4);
  if (version >= 1) subscription.owned = in.Partitions();
  if (version >= 2) subscription.generation = static_cast<int32_t>(in.Int(4));
  if (version >= 3) subscription.rack = in.NullableText(2);
  if (!in.ok()) return std::nullopt;
  if (version > 1 || !subscription.user_data) return subscription;
  // Members of version 1 tell the generation in their user data: it alone, or
  // after their last assignment.
  const std::string& data = *subscription.user_data;
  if (data.size() == 4) {
    subscription.generation = static_cast<int32_t>(Input(data).Int(4));
  } else if (auto sticky = DecodeStickyUserData(data)) {
    subscription.generation = sticky->generation;
  }
  return subscription;
}

std::string EncodeAssignment(const std::vector<TopicPartition>& partitions,
                             const std::optional<std::string>& user_data,
                             int16_t version) {
  std::string out;
  PutInt(&out, version, 2);
  PutPartitions(&out, partitions);
  PutBytes(&out, user_data);
  return out;
}

std::optional<std::vector<TopicPartition>> DecodeAssignment(
    std::string_view bytes) {
  if (bytes.empty()) return std::vector<TopicPartition>();
  Input in(bytes);
  if (in.Int(2) < 0) return std::nullopt;
  std::vector<TopicPartition> partitions = in.Partitions();
  if (!in.ok()) return std::nullopt;
  return partitions;
}

std::string EncodeStickyUserData(const StickyUserData& data) {
  std::string out;
  PutPartitions(&out, data.assignment);
  PutInt(&out, data.generation, 4);
  return out;
}

std::optional<StickyUserData> DecodeStickyUserData(std::string_view bytes) {
  Input in(bytes);
  StickyUserData data;
  data.assignment = in.Partitions();
  if (in.ok() && !in.done()) data.generation = static_cast<int32_t>(in.Int(4));
  if (!in.ok()) return std::nullopt;
  return data;
}

std::string EncodeGeneration(int32_t generation) {
  std::string out;
  PutInt(&out, generation, 4);
  return out;
}

}  // namespace sillok::client
