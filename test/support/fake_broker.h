// FakeCluster: brokers in this process that speak the Broker service, with
// logs in memory and faults on request. For tests of clients and tools.
#ifndef SILLOK_TEST_SUPPORT_FAKE_BROKER_H_
#define SILLOK_TEST_SUPPORT_FAKE_BROKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace sillok::test {

struct FakeClusterState;

class FakeCluster {
 public:
  // Brokers 1..n on ports of the kernel's choice.
  explicit FakeCluster(int brokers);
  ~FakeCluster();
  FakeCluster(const FakeCluster&) = delete;
  FakeCluster& operator=(const FakeCluster&) = delete;

  // "127.0.0.1:p1,127.0.0.1:p2,..."
  std::string bootstrap() const;
  std::vector<std::string> addresses() const;

  // Partition p is led by broker 1 + p % n.
  void AddTopic(const std::string& name, int partitions);
  bool HasTopic(const std::string& name) const;
  void SetAutoCreate(bool on);
  // Raises the leader epoch. -1 = no leader.
  void SetLeader(const TopicPartition& partition, int broker);
  int Leader(const TopicPartition& partition) const;

  // The next `times` produce (fetch) answers of the partition carry `code`, and
  // nothing is appended.
  void FailProduce(const TopicPartition& partition, ErrorCode code,
                   int times = 1);
  void FailFetch(const TopicPartition& partition, ErrorCode code,
                 int times = 1);
  // The next `times` produce requests are executed but their stream breaks before
  // the answer.
  void LoseProduceAnswers(int times);
  // The next `times` requests for a producer id are answered with `code`;
  // NONE: by a broker that knows no such request.
  void FailProducerIds(ErrorCode code, int times = 1);
  // Larger batches are refused with MESSAGE_TOO_LARGE.
  void SetMaxMessageBytes(int64_t bytes);
  // The next `times` coordinator requests of `group` are answered with `code`.
  void FailGroup(const std::string& group, ErrorCode code, int times = 1);
  // Flips a bit in the last batch of the partition.
  void Corrupt(const TopicPartition& partition);
  // Moves the log's start up, as retention does.
  void TrimTo(const TopicPartition& partition, int64_t offset);

  // The broker leads now, with a log that ends at `end`: a batch that goes
  // further is lost.
  void ElectUnclean(const TopicPartition& partition, int broker, int64_t end);

  // No connection is accepted until Start.
  void StopBroker(int broker);
  void StartBroker(int broker);
  // Produce requests stay without an answer while true.
  void HoldProduce(bool hold);

  // A record's value at each offset.
  std::vector<std::string> Values(const TopicPartition& partition) const;
  int64_t EndOffset(const TopicPartition& partition) const;
  // Appends on the server side: one batch of these values.
  void Append(const TopicPartition& partition,
              const std::vector<std::string>& values);
  // A whole batch; base offset and epoch are set here.
  void AppendBatch(const TopicPartition& partition, std::string batch);
  int64_t Committed(const std::string& group,
                    const TopicPartition& partition) const;
  // Members of a group now; expires nobody.
  int Members(const std::string& group) const;
  // Forgets the member, as a session timeout does; -1st member = all.
  void ExpireMembers(const std::string& group);
  void MoveCoordinator(int broker);
  int ProduceRequests() const;

 private:
  std::unique_ptr<FakeClusterState> state_;
};

}  // namespace sillok::test

#endif  // SILLOK_TEST_SUPPORT_FAKE_BROKER_H_
