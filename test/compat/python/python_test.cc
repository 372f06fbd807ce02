// The two Kafka clients that Debian has for Python.

#include <string>

#include "test/compat/compat_cluster.h"

namespace sillok::compat_test {
namespace {

// Debian's, which has the clients; another one may be first in PATH.
constexpr char kPython[] = "PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3";
// exec of a program with its environment needs env.
std::string Program(const std::string& file) {
  return std::string("env ") + kPython + " test/compat/python/" + file;
}

class PythonTest : public ProgramTest {
 protected:
  static void RunChecks(const std::string& file) {
    ProgramOutcome outcome = RunProgram(
        file + "-checks", Program(file) + " checks " + Bootstrap(), "", 240);
    EXPECT_EQ(outcome.code, std::optional<int>(0))
        << outcome.out << outcome.err;
    EXPECT_NE(outcome.out.find(" checks, 0 failed"), std::string::npos)
        << outcome.out << outcome.err;
  }
};

TEST_F(PythonTest, KafkaPythonDoesAllItCan) { RunChecks("kafka_python.py"); }

TEST_F(PythonTest, ConfluentKafkaDoesAllItCan) {
  RunChecks("confluent_python.py");
}

TEST_F(PythonTest, KafkaPythonLosesNothingWhenABrokerDies) {
  // It has no idempotence: a record may stand twice.
  ProduceAndFollowThroughAKill(Program("kafka_python.py"), "kafka-python-kill",
                               {.once_and_in_order = false});
}

TEST_F(PythonTest, ConfluentKafkaLosesAndDoublesNothingWhenABrokerDies) {
  ProduceAndFollowThroughAKill(Program("confluent_python.py"),
                               "confluent-kafka-kill",
                               {.once_and_in_order = true});
}

}  // namespace
}  // namespace sillok::compat_test
