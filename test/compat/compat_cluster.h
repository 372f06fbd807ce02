// Three brokers with a Kafka address, one set for all tests of a binary, and
// what every client must live through: the death and return of a broker.
//
// SILLOK_COMPAT_BOOTSTRAP=host:port,... takes a running cluster instead, of
// Sillok or of Apache Kafka, with SILLOK_COMPAT_KILL and SILLOK_COMPAT_START as
// commands that kill and start the broker whose id follows. What a test asks of
// ours can so be asked of the original.
#ifndef SILLOK_TEST_COMPAT_COMPAT_CLUSTER_H_
#define SILLOK_TEST_COMPAT_COMPAT_CLUSTER_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/compat/client_program.h"
#include "test/compat/delivery.h"

namespace sillok::compat_test {

// Polls until `done`; false after `seconds`.
bool Eventually(int seconds, const std::function<bool()>& done);

// What a client does while a broker dies. Both functions give all so far.
struct LiveClient {
  std::string topic;
  std::string group;  // of the follower
  std::function<std::vector<Delivered>()> acked;
  std::function<std::vector<Delivered>()> followed;
  // What they said, for a failure's message.
  std::function<std::string()> tail;
};

class CompatTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  // Nothing can be tested without a cluster.
  void SetUp() override;
  // Brokers that a test killed are there again for the next one.
  void TearDown() override;

  // host:port,host:port,...
  static std::string Bootstrap();
  // A topic of three replicas, through the Kafka door.
  static void CreateTopic(const std::string& name, int partitions,
                          const std::map<std::string, std::string>& configs =
                              {});
  static void KillBroker(int id);
  static void StartBroker(int id);
  // The broker that coordinates the group, -1 = nobody says so.
  static int Coordinator(const std::string& group);
  // Every broker says that every partition has a leader and three replicas in
  // sync.
  static bool FullyReplicated(const std::string& topic);
  // All of the topic from its beginning to its end, read by librdkafka.
  static std::vector<Delivered> ReadWhole(const std::string& topic);

  // Lets the client run, kills the group's coordinator (which leads one of
  // three partitions), sees that every partition is written and read again,
  // starts the broker, and once more. The client goes on.
  static void KillAndRestartUnder(const LiveClient& client, int partitions);
  // A folder or file of this test.
  static std::string TempPath(const std::string& name);
};

// The kill test of clients that are a program of two commands:
//   PROGRAM produce BOOTSTRAP TOPIC STOP-FILE   writes acknowledged records to
//       its output as delivery lines until the file is there; ends with 0 if
//       every record was acknowledged
//   PROGRAM follow BOOTSTRAP TOPIC GROUP STOP-FILE   writes what it reads
class ProgramTest : public CompatTest {
 protected:
  static void ProduceAndFollowThroughAKill(const std::string& program,
                                           const std::string& topic,
                                           DeliveryRules rules);
};

}  // namespace sillok::compat_test

#endif  // SILLOK_TEST_COMPAT_COMPAT_CLUSTER_H_
