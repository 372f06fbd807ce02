// The offsets that one group has committed. A pure core.
//
// Holds what is below the high watermark, and beside it two kinds of things to
// come: commits on their way to the log, and offsets of transactions that are
// still open. Neither is ever given out; both keep an old offset from expiring.
#ifndef SILLOK_BROKER_GROUP_COMMITTED_OFFSETS_H_
#define SILLOK_BROKER_GROUP_COMMITTED_OFFSETS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "broker/group/group_records.h"

namespace sillok {

class CommittedOffsets {
 public:
  // A committed offset, or none for a tombstone, that stands at `log_offset`.
  // What stands later in the log wins, also over a transaction that was
  // committed after it was overtaken.
  void Apply(const TopicPartition& partition, std::optional<OffsetValue> value,
             Offset log_offset);
  // Null when nothing is committed. Valid until the next change.
  const OffsetValue* Find(const TopicPartition& partition) const;
  void ForEach(const std::function<void(const TopicPartition&,
                                        const OffsetValue&)>& visit) const;
  size_t size() const { return committed_.size(); }
  // Whether something is committed, or on its way to the log.
  bool Concerns(const TopicPartition& partition) const;
  std::vector<TopicPartition> Concerned() const;

  // A commit of `partition` goes to the log, or its fate is known.
  void BeginCommit(const TopicPartition& partition);
  void EndCommit(const TopicPartition& partition);

  // As Apply, but counts only when the transaction of `producer` commits.
  void ApplyInTransaction(ProducerId producer, const TopicPartition& partition,
                          std::optional<OffsetValue> value, Offset log_offset);
  void EndTransaction(ProducerId producer, bool committed);
  bool InOpenTransaction(const TopicPartition& partition) const;

  // Nothing committed and nothing to come.
  bool idle() const {
    return committed_.empty() && in_flight_.empty() && transactions_.empty();
  }

  // Those that nobody has touched for `retention_ms` and that nothing to come
  // will touch. `unused_since_ms`: when the group stopped using its offsets;
  // the time of the commit counts where it is later.
  std::vector<TopicPartition> Expired(
      int64_t wall_ms, int64_t retention_ms, int64_t unused_since_ms,
      const std::function<bool(const std::string& topic)>& in_use) const;

 private:
  struct Committed {
    OffsetValue value;
    Offset log_offset;
  };
  struct Pending {
    std::optional<OffsetValue> value;
    Offset log_offset;
  };

  std::map<TopicPartition, Committed> committed_;
  std::map<TopicPartition, int> in_flight_;  // how many commits; never 0
  std::map<ProducerId, std::map<TopicPartition, Pending>> transactions_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_COMMITTED_OFFSETS_H_
