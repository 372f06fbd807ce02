#include "broker/group/committed_offsets.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace sillok {

void CommittedOffsets::Apply(const TopicPartition& partition,
                             std::optional<OffsetValue> value,
                             Offset log_offset) {
  const auto found = committed_.find(partition);
  if (found != committed_.end() && found->second.log_offset > log_offset) {
    return;
  }
  if (value.has_value()) {
    committed_[partition] = {std::move(*value), log_offset};
  } else if (found != committed_.end()) {
    committed_.erase(found);
  }
}

const OffsetValue* CommittedOffsets::Find(
    const TopicPartition& partition) const {
  const auto found = committed_.find(partition);
  return found == committed_.end() ? nullptr : &found->second.value;
}

void CommittedOffsets::ForEach(
    const std::function<void(const TopicPartition&, const OffsetValue&)>&
        visit) const {
  for (const auto& [partition, committed] : committed_) {
    visit(partition, committed.value);
  }
}

bool CommittedOffsets::Concerns(const TopicPartition& partition) const {
  return committed_.count(partition) > 0 || in_flight_.count(partition) > 0;
}

std::vector<TopicPartition> CommittedOffsets::Concerned() const {
  std::set<TopicPartition> all;
  for (const auto& [partition, committed] : committed_) all.insert(partition);
  for (const auto& [partition, commits] : in_flight_) all.insert(partition);
  return {all.begin(), all.end()};
}

void CommittedOffsets::BeginCommit(const TopicPartition& partition) {
  ++in_flight_[partition];
}

void CommittedOffsets::EndCommit(const TopicPartition& partition) {
  const auto found = in_flight_.find(partition);
  CHECK(found != in_flight_.end()) << partition;
  if (--found->second == 0) in_flight_.erase(found);
}

void CommittedOffsets::ApplyInTransaction(ProducerId producer,
                                          const TopicPartition& partition,
                                          std::optional<OffsetValue> value,
                                          Offset log_offset) {
  transactions_[producer][partition] = {std::move(value), log_offset};
}

void CommittedOffsets::EndTransaction(ProducerId producer, bool committed) {
  auto node = transactions_.extract(producer);
  if (node.empty() || !committed) return;
  for (auto& [partition, pending] : node.mapped()) {
    Apply(partition, std::move(pending.value), pending.log_offset);
  }
}

bool CommittedOffsets::InOpenTransaction(
    const TopicPartition& partition) const {
  return std::any_of(
      transactions_.begin(), transactions_.end(),
      [&](const auto& t) { return t.second.count(partition) > 0; });
}

std::vector<TopicPartition> CommittedOffsets::Expired(
    int64_t wall_ms, int64_t retention_ms, int64_t unused_since_ms,
    const std::function<bool(const std::string& topic)>& in_use) const {
  std::vector<TopicPartition> expired;
  for (const auto& [partition, committed] : committed_) {
    const OffsetValue& value = committed.value;
    const int64_t since =
        std::max(unused_since_ms, value.commit_timestamp_ms);
    const bool over = value.expire_timestamp_ms.has_value()
                          ? wall_ms >= *value.expire_timestamp_ms
                          : wall_ms - since >= retention_ms;
    if (over && in_flight_.count(partition) == 0 &&
        !InOpenTransaction(partition) && !in_use(partition.topic)) {
      expired.push_back(partition);
    }
  }
  return expired;
}

}  // namespace sillok
