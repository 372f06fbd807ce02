// Strong types for the numbers that could be swapped by mistake.
//
// A StrongId has a value and an order and nothing else: two different ids do
// not compare, convert or add. Offsets alone can be counted with.
#ifndef SILLOK_BASE_IDS_H_
#define SILLOK_BASE_IDS_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

namespace sillok {

template <typename Tag, typename Rep>
class StrongId {
 public:
  using rep = Rep;
  constexpr StrongId() = default;
  explicit constexpr StrongId(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;

 private:
  Rep value_{};
};

template <typename Tag, typename Rep>
std::ostream& operator<<(std::ostream& out, StrongId<Tag, Rep> id) {
  return out << +id.value();
}

using BrokerId = StrongId<struct BrokerIdTag, int32_t>;
// Raised by the controller at every change of a partition's leader; -1 unknown.
using LeaderEpoch = StrongId<struct LeaderEpochTag, int32_t>;
// The znode version of a partition's state: raised by every ISR change too.
using PartitionEpoch = StrongId<struct PartitionEpochTag, int32_t>;
using ControllerEpoch = StrongId<struct ControllerEpochTag, int32_t>;
// The czxid of a broker's registration znode (KIP-380): one per incarnation.
using BrokerEpoch = StrongId<struct BrokerEpochTag, int64_t>;
using ProducerId = StrongId<struct ProducerIdTag, int64_t>;
using ProducerEpoch = StrongId<struct ProducerEpochTag, int16_t>;
using SessionId = StrongId<struct SessionIdTag, uint64_t>;
// A coordinator member (`server.N`).
using MemberId = StrongId<struct MemberIdTag, int32_t>;

inline constexpr BrokerId kNoBroker{-1};
inline constexpr LeaderEpoch kNoLeaderEpoch{-1};
inline constexpr ProducerId kNoProducerId{-1};

// A record's place in a partition. Offset arithmetic is the one arithmetic that
// is meant: offset + count, offset - offset.
class Offset {
 public:
  constexpr Offset() = default;
  explicit constexpr Offset(int64_t value) : value_(value) {}
  constexpr int64_t value() const { return value_; }
  friend constexpr auto operator<=>(Offset, Offset) = default;
  friend constexpr Offset operator+(Offset o, int64_t n) {
    return Offset(o.value_ + n);
  }
  friend constexpr Offset operator-(Offset o, int64_t n) {
    return Offset(o.value_ - n);
  }
  friend constexpr int64_t operator-(Offset a, Offset b) {
    return a.value_ - b.value_;
  }
  constexpr Offset& operator+=(int64_t n) {
    value_ += n;
    return *this;
  }
  friend std::ostream& operator<<(std::ostream& out, Offset o) {
    return out << o.value_;
  }

 private:
  int64_t value_ = 0;
};

inline constexpr Offset kNoOffset{-1};

// ZooKeeper's transaction id: which epoch proposed it, and its number there.
//
// 23 bits of epoch over 40 bits of counter (ZooKeeper has 32 and 32, and must
// hold an election every 2^32 transactions, ZOOKEEPER-1277). The top bit stays
// clear, so that the value is positive in clients that keep it in an int64.
// Counter 0 of an epoch is no transaction: it is "the start of that epoch".
class Zxid {
 public:
  static constexpr int kCounterBits = 40;
  static constexpr uint64_t kMaxCounter = (uint64_t{1} << kCounterBits) - 1;
  static constexpr uint32_t kMaxEpoch = (1u << 23) - 1;

  constexpr Zxid() = default;
  explicit constexpr Zxid(uint64_t value) : value_(value) {}
  constexpr Zxid(uint32_t epoch, uint64_t counter)
      : value_((uint64_t{epoch} << kCounterBits) | counter) {}
  constexpr uint64_t value() const { return value_; }
  constexpr uint32_t epoch() const {
    return static_cast<uint32_t>(value_ >> kCounterBits);
  }
  constexpr uint64_t counter() const { return value_ & kMaxCounter; }
  // The next transaction of the same epoch.
  constexpr Zxid Next() const { return Zxid(value_ + 1); }
  friend constexpr auto operator<=>(Zxid, Zxid) = default;
  friend std::ostream& operator<<(std::ostream& out, Zxid z) {
    return out << z.epoch() << '.' << z.counter();
  }

 private:
  uint64_t value_ = 0;
};

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;
  friend auto operator<=>(const TopicPartition&,
                          const TopicPartition&) = default;
  // `orders-3`: the name of its folder and of it in logs.
  std::string ToString() const {
    return topic + "-" + std::to_string(partition);
  }
  friend std::ostream& operator<<(std::ostream& out, const TopicPartition& p) {
    return out << p.topic << '-' << p.partition;
  }
};

}  // namespace sillok

template <typename Tag, typename Rep>
struct std::hash<sillok::StrongId<Tag, Rep>> {
  size_t operator()(sillok::StrongId<Tag, Rep> id) const {
    return std::hash<Rep>()(id.value());
  }
};

template <>
struct std::hash<sillok::TopicPartition> {
  size_t operator()(const sillok::TopicPartition& p) const {
    return std::hash<std::string>()(p.topic) * 31 +
           static_cast<size_t>(p.partition);
  }
};

#endif  // SILLOK_BASE_IDS_H_
