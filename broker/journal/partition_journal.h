// A journal's partition over a real replica.
#ifndef SILLOK_BROKER_JOURNAL_PARTITION_JOURNAL_H_
#define SILLOK_BROKER_JOURNAL_PARTITION_JOURNAL_H_

#include <memory>

#include "base/clock.h"
#include "base/ids.h"
#include "broker/journal/journal_partition.h"
#include "broker/replication/partition.h"

namespace sillok {

// One leadership of `partition`, which it keeps alive. `clock` outlives it.
std::shared_ptr<JournalPartition> MakeJournalPartition(
    std::shared_ptr<Partition> partition, LeaderEpoch epoch,
    const Clock* clock);

}  // namespace sillok

#endif  // SILLOK_BROKER_JOURNAL_PARTITION_JOURNAL_H_
