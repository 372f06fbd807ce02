// librdkafka, held by its owner and with errors that end the program: a
// benchmark that goes on after one has measured nothing.
#ifndef SILLOK_TEST_BENCH_KAFKA_LOAD_CLIENT_H_
#define SILLOK_TEST_BENCH_KAFKA_LOAD_CLIENT_H_

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "test/bench/kafka/load_options.h"

namespace sillok::bench {

[[noreturn]] void Fail(const std::string& why);

struct ClientDeleter {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};
using Client = std::unique_ptr<rd_kafka_t, ClientDeleter>;

// `on_delivery` may be null. Settings of the command line come last, so they
// win.
using DeliveryCallback = void (*)(rd_kafka_t*, const rd_kafka_message_t*,
                                  void*);
Client MakeProducer(const LoadOptions& options, DeliveryCallback on_delivery,
                    bool report_failures_only, void* opaque);

// Reads all partitions of the topic, without a group's coordinator.
Client MakeConsumer(const LoadOptions& options);
enum class From { kBeginning, kEnd };
// Returns how many partitions there are. kEnd is the end as of this call.
int AssignAll(rd_kafka_t* consumer, const LoadOptions& options, From from);

void CreateTopic(const LoadOptions& options);
void DeleteTopic(const LoadOptions& options);

// Notices records that are missing, doubled or out of order.
class OrderCheck {
 public:
  explicit OrderCheck(int partitions) : next_(partitions, -1) {}
  void Add(int32_t partition, int64_t offset) {
    int64_t& next = next_[static_cast<size_t>(partition)];
    if (next >= 0 && offset != next) ++breaks_;
    next = offset + 1;
  }
  int64_t breaks() const { return breaks_; }

 private:
  std::vector<int64_t> next_;
  int64_t breaks_ = 0;
};

}  // namespace sillok::bench

#endif  // SILLOK_TEST_BENCH_KAFKA_LOAD_CLIENT_H_
