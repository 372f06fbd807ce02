// What a producer was told and what consumers read, and whether the two agree.
//
// Client programs write one line per event into a log file, fields parted by
// tabs: topic, partition, offset, value. A value names its producer and counts
// up: "p1-000042". An offset of -1 means that the client does not tell it.
#ifndef SILLOK_TEST_COMPAT_DELIVERY_H_
#define SILLOK_TEST_COMPAT_DELIVERY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace sillok::compat_test {

struct Delivered {
  std::string topic;
  int partition = 0;
  int64_t offset = -1;
  std::string value;
};

// The whole lines of the file; a last line without its end is left out, since
// the program may still be writing. Other lines than ours come out as a
// Delivered whose topic is "?" and whose value is the line.
std::vector<Delivered> ReadDeliveries(const std::string& path);

struct DeliveryRules {
  // A value stands once in the log, and a producer's values stand in a
  // partition in the order in which it counted: what idempotence promises.
  bool once_and_in_order = false;
  // Offsets of a partition have no holes: `read` is the whole log.
  bool whole_log = true;
};

// The violations found, each a sentence; empty is good. `acked` are the records
// acknowledged to producers, `read` what a consumer saw, in any order. A record
// read twice (a group after a rebalance does that) is no violation as long as
// both readings say the same.
std::vector<std::string> CheckDelivery(const std::vector<Delivered>& acked,
                                       const std::vector<Delivered>& read,
                                       DeliveryRules rules);

}  // namespace sillok::compat_test

#endif  // SILLOK_TEST_COMPAT_DELIVERY_H_
