// What one run of the load generator is asked to do.
#ifndef SILLOK_TEST_BENCH_KAFKA_LOAD_OPTIONS_H_
#define SILLOK_TEST_BENCH_KAFKA_LOAD_OPTIONS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sillok::bench {

using Settings = std::vector<std::pair<std::string, std::string>>;

struct LoadOptions {
  std::string command;  // create, delete, produce, consume, paced
  std::string brokers;  // host:port,...
  std::string topic;
  int64_t records = 0;
  int64_t size_bytes = 100;
  double per_second = 1000;  // paced
  double warmup_seconds = 1;  // paced: sent at the same rate, not counted
  int partitions = 1;
  int replicas = 1;
  // Processes whose CPU is counted over the measured part.
  std::vector<int> server_pids;
  Settings producer;  // librdkafka's keys
  Settings consumer;
};

// Prints what is wrong and ends the program when the line makes no sense;
// --help prints the manual.
LoadOptions ParseCommandLine(int argc, char** argv);

}  // namespace sillok::bench

#endif  // SILLOK_TEST_BENCH_KAFKA_LOAD_OPTIONS_H_
