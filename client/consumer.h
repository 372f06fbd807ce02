// Consumer: reads records of topics, alone (Assign) or as a member of a group
// (Subscribe).
//
//   auto consumer = Consumer::Create(config);
//   (*consumer)->Subscribe({"orders"});
//   while (running) {
//     auto records = (*consumer)->Poll(absl::Seconds(1));
//     for (const ConsumerRecord& r : *records) Use(r.value);
//   }
//
// One thread uses a consumer, except that Wakeup may be called from any. Fetching
// and heartbeats go on in the background; listeners run inside Poll, Unsubscribe
// and Close, on the caller's thread.
#ifndef SILLOK_CLIENT_CONSUMER_H_
#define SILLOK_CLIENT_CONSUMER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/ids.h"
#include "client/config.h"

namespace sillok::client {

// One record as views into the buffer it was fetched into. Valid while the
// ConsumerRecords it came in lives.
struct ConsumerRecord {
  std::string_view topic;
  int32_t partition = 0;
  int32_t leader_epoch = -1;
  int64_t offset = 0;
  int64_t timestamp_ms = -1;
  std::optional<std::string_view> key;    // nullopt = null
  std::optional<std::string_view> value;  // nullopt = null (a tombstone)
  int32_t header_count = 0;
  std::string_view raw_headers;           // encoded; Headers() reads them

  using Header = std::pair<std::string_view, std::optional<std::string_view>>;
  std::vector<Header> Headers() const;
};

// What one Poll gave, in partition order by offset. Movable; holds the buffers.
class ConsumerRecords {
 public:
  using const_iterator = std::vector<ConsumerRecord>::const_iterator;

  bool empty() const { return records_.empty(); }
  size_t size() const { return records_.size(); }
  const ConsumerRecord& operator[](size_t i) const { return records_[i]; }
  const_iterator begin() const { return records_.begin(); }
  const_iterator end() const { return records_.end(); }

  // For those who make them: records and what keeps their bytes alive.
  void Add(std::shared_ptr<const void> owner) {
    owners_.push_back(std::move(owner));
  }
  std::vector<ConsumerRecord>* mutable_records() { return &records_; }

 private:
  std::vector<ConsumerRecord> records_;
  std::vector<std::shared_ptr<const void>> owners_;
};

struct OffsetAndMetadata {
  int64_t offset = -1;  // of the next record to read
  int32_t leader_epoch = -1;
  std::string metadata;
};

using PartitionOffsets = std::map<TopicPartition, OffsetAndMetadata>;

// Told which partitions come and go. What is told of is always the change: under
// cooperative rebalancing OnAssigned names only the new ones and OnRevoked only
// those that go elsewhere, while the others are read on all the time. Every
// rebalance ends with an OnAssigned, which may be of nothing.
class RebalanceListener {
 public:
  virtual ~RebalanceListener() = default;
  virtual void OnAssigned(const std::vector<TopicPartition>& partitions) {}
  // They go when this returns: commit here if offsets must be exact.
  virtual void OnRevoked(const std::vector<TopicPartition>& partitions) {}
  // They are gone: somebody else may own them already, and a commit would be
  // refused.
  virtual void OnLost(const std::vector<TopicPartition>& partitions) {
    OnRevoked(partitions);
  }
};

struct OffsetAndTimestamp {
  int64_t offset = -1;  // -1: no such record
  int64_t timestamp_ms = -1;
  int32_t leader_epoch = -1;
};

struct ConsumerStats {
  uint64_t records = 0;
  uint64_t fetched_bytes = 0;
  uint64_t fetches = 0;
  uint64_t rebalances = 0;
  // Logs that were cut behind this consumer's back (after an unclean election),
  // so that it went back to where they parted.
  uint64_t truncations = 0;
  // How far Poll is behind the end of what may be read, as of the last fetches;
  // partitions that were not fetched yet are absent. The greatest of them
  // (Kafka's records-lag-max), -1 without any.
  std::map<TopicPartition, int64_t> records_lag;
  int64_t records_lag_max = -1;
};

// Times for ListOffsets (Kafka's).
inline constexpr int64_t kLatestTimestamp = -1;
inline constexpr int64_t kEarliestTimestamp = -2;

class Consumer {
 public:
  // Starts the background thread; does not wait for the cluster.
  static absl::StatusOr<std::unique_ptr<Consumer>> Create(
      ConsumerConfig config);
  // Close, waiting up to 5 s.
  virtual ~Consumer() = default;

  // Joins group.id for these topics (replacing an earlier subscription).
  // `listener` may be null and must outlive the consumer. INVALID_GROUP_ID
  // without a group id.
  virtual absl::Status Subscribe(std::vector<std::string> topics,
                                 RebalanceListener* listener = nullptr) = 0;
  // The same for all topics whose whole name matches the regular expression (RE2
  // syntax), also those made later (seen within metadata.max.age.ms). Internal
  // topics never match. INVALID_REGULAR_EXPRESSION if it is none.
  virtual absl::Status SubscribePattern(const std::string& pattern,
                                        RebalanceListener* listener = nullptr) = 0;
  // Leaves the group and forgets the partitions.
  virtual void Unsubscribe() = 0;
  // Makes the group rebalance at the next chance; `reason` is for the
  // coordinator's log.
  virtual void EnforceRebalance(const std::string& reason) = 0;
  // Reads exactly these, without group membership. Positions of partitions that
  // stay are kept.
  virtual absl::Status Assign(std::vector<TopicPartition> partitions) = 0;
  virtual std::vector<TopicPartition> Assignment() const = 0;

  // Up to max.poll.records records; empty when nothing came in time (or after
  // Wakeup). An error names what and where:
  // OFFSET_OUT_OF_RANGE with auto.offset.reset=none (also when the log was cut
  // below what was read; the text then says where it parted), CORRUPT_MESSAGE
  // (position unchanged: seek past it), authorization and group errors that no
  // retry cures. Passing trouble is retried inside; UNKNOWN_TOPIC_OR_PARTITION and an
  // unreachable cluster too, see LastProblem.
  virtual absl::StatusOr<ConsumerRecords> Poll(absl::Duration timeout) = 0;
  // Makes the current or next Poll return at once. Any thread.
  virtual void Wakeup() = 0;

  // Blocking commits; without arguments: the positions of all partitions, i.e.
  // of what Poll returned. UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION and
  // REBALANCE_IN_PROGRESS mean that the group went on without this member.
  virtual absl::Status CommitSync() = 0;
  virtual absl::Status CommitSync(const PartitionOffsets& offsets) = 0;
  // As above, in the background. `done` (may be null) runs inside a later
  // Poll, commit or Close.
  virtual void CommitAsync(std::function<void(const absl::Status&)> done) = 0;
  virtual void CommitAsync(const PartitionOffsets& offsets,
                           std::function<void(const absl::Status&)> done) = 0;
  // What the group committed; partitions without a commit are absent.
  virtual absl::StatusOr<PartitionOffsets> Committed(
      const std::vector<TopicPartition>& partitions) = 0;

  // The next Poll reads from here. The partition must be assigned.
  virtual absl::Status Seek(const TopicPartition& partition,
                            int64_t offset) = 0;
  virtual absl::Status SeekToBeginning(
      const std::vector<TopicPartition>& partitions) = 0;
  virtual absl::Status SeekToEnd(
      const std::vector<TopicPartition>& partitions) = 0;
  // Offset of the next record Poll would return; waits for it to be known.
  virtual absl::StatusOr<int64_t> Position(const TopicPartition& partition) = 0;
  virtual void Pause(const std::vector<TopicPartition>& partitions) = 0;
  virtual void Resume(const std::vector<TopicPartition>& partitions) = 0;
  virtual std::vector<TopicPartition> Paused() const = 0;

  // First offset at or after each time (kEarliestTimestamp and kLatestTimestamp
  // for the ends).
  virtual absl::StatusOr<std::map<TopicPartition, OffsetAndTimestamp>>
  OffsetsForTimes(const std::map<TopicPartition, int64_t>& times) = 0;
  // Partition numbers of a topic; UNKNOWN_TOPIC_OR_PARTITION if it is not there.
  virtual absl::StatusOr<std::vector<int32_t>> Partitions(
      const std::string& topic) = 0;
  // End of what may be read, as the last fetch saw it; nullopt before it.
  virtual std::optional<int64_t> HighWatermark(
      const TopicPartition& partition) const = 0;
  // Records between the position and the end of what may be read; nullopt until
  // both are known.
  virtual std::optional<int64_t> CurrentLag(
      const TopicPartition& partition) const = 0;

  // The trouble being retried right now ("NETWORK_EXCEPTION: cannot reach ..."),
  // OK when all is well.
  virtual absl::Status LastProblem() const = 0;
  virtual std::string MemberId() const = 0;
  virtual ConsumerStats Stats() const = 0;

  // Commits (with auto commit), leaves the group, stops. Idempotent.
  virtual absl::Status Close(absl::Duration timeout) = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_CONSUMER_H_
