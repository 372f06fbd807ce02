// A member with ten thousand sessions: what it costs, and that none of them nor
// of their ephemerals is lost when the member dies, or kept when they end.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/process.h"
#include "gtest/gtest.h"
#include "proto/jute/records.h"
#include "test/coordinator/sessions/crowd.h"
#include "test/support/zookeeper/ensemble.h"

namespace sillok::zk {
namespace {

using jute::Op;

constexpr size_t kSessions = 10'000;
// Longer than any part of the test may take.
constexpr int32_t kTimeoutMs = 20'000;

// A request without its length.
template <typename... Fields>
std::string Request(int32_t xid, Op op, const Fields&... fields) {
  return jute::Encode(jute::RequestHeader{xid, static_cast<int32_t>(op)},
                      fields...);
}

std::string CreateEphemeral(size_t number, int32_t xid) {
  return Request(xid, Op::kCreate,
                 jute::CreateRequest{"/crowd/" + std::to_string(number),
                                     {"", false},
                                     {{31, "world", "anyone"}},
                                     1});
}

int64_t ResidentKib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (status >> word) {
    int64_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib;
  }
  return 0;
}

// One plain session of its own.
class Witness {
 public:
  explicit Witness(const Address& address) {
    EXPECT_TRUE(
        connection_.Connect(address, ConnectRequest{}, 20'000).has_value());
  }
  jute::ReplyHeader Ask(const std::string& request, std::string* body) {
    EXPECT_TRUE(connection_.SendFrame(request));
    std::string frame;
    EXPECT_EQ(connection_.ReceiveFrame(20'000, &frame),
              Connection::Outcome::kFrame);
    jute::ReplyHeader header;
    EXPECT_TRUE(jute::Decode(frame, &header));
    if (frame.size() > 16) *body = frame.substr(16);
    return header;
  }
  // Children of /crowd, after a sync.
  int32_t CountCrowd() {
    std::string body;
    EXPECT_EQ(Ask(Request(1, Op::kSync, jute::PathOnly{"/crowd"}), &body).err,
              0);
    EXPECT_EQ(
        Ask(Request(2, Op::kGetAllChildrenNumber, jute::PathOnly{"/crowd"}),
            &body)
            .err,
        0);
    int32_t count = -1;
    jute::Decoder decoder(body);
    decoder(count);
    EXPECT_TRUE(decoder.ok());
    return count;
  }

 private:
  Connection connection_;
};

class SessionsTest : public testing::Test {
 protected:
  SessionsTest() {
    EXPECT_GT(RaiseFileLimit(), static_cast<int64_t>(kSessions) + 500)
        << "this machine does not allow so many sockets (ulimit -Hn)";
    const std::string directory = testing::TempDir() + "/sessions";
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    EnsembleSpec spec;
    spec.directory = directory;
    spec.settings = {"maxClientCnxns=0"};
    ensemble_ = std::make_unique<Ensemble>(spec);
  }

  std::unique_ptr<Ensemble> ensemble_;
};

TEST_F(SessionsTest, TenThousandOfThemOutliveTheirMemberAndEndWhenTheyShould) {
  const int leader = ensemble_->WaitForLeader();
  const int first = leader % 3 + 1, second = first % 3 + 1;
  std::string body;
  Witness witness(ensemble_->address(second == leader ? first : second));
  ASSERT_EQ(witness
                .Ask(Request(1, Op::kCreate,
                             jute::CreateRequest{"/crowd",
                                                 {"", false},
                                                 {{31, "world", "anyone"}},
                                                 0}),
                     &body)
                .err,
            0);

  const int64_t before = ResidentKib(ensemble_->pid(first));
  Crowd crowd(kSessions, kTimeoutMs);
  ASSERT_EQ(crowd.Connect(ensemble_->address(first)), "");
  ASSERT_EQ(crowd.Ask(0, kSessions, CreateEphemeral), "");
  ASSERT_EQ(crowd.Ping(0, kSessions), "");
  std::printf("%zu sessions, each with an ephemeral: %lld bytes a session\n",
              kSessions,
              static_cast<long long>((ResidentKib(ensemble_->pid(first)) -
                                      before) *
                                     1024 / kSessions));

  // Their member dies: they go on at another, each as itself.
  ensemble_->Kill(first);
  ASSERT_EQ(crowd.Connect(ensemble_->address(second)), "");
  ASSERT_EQ(crowd.Ping(0, kSessions), "");
  Witness after(ensemble_->address(second));
  EXPECT_EQ(after.CountCrowd(), static_cast<int32_t>(kSessions));
  // Still theirs: nobody can make them again.
  ASSERT_EQ(crowd.Ask(0, kSessions, CreateEphemeral, /*error=*/-110), "");

  // A member that has restarted knows them all.
  ensemble_->Start(first);
  ensemble_->WaitForLeader();
  EXPECT_EQ(Witness(ensemble_->address(first)).CountCrowd(),
            static_cast<int32_t>(kSessions));

  // Half says goodbye, the other half is never heard again but for the last one
  // thousand.
  ASSERT_EQ(crowd.CloseSessions(0, kSessions / 2), "");
  EXPECT_EQ(after.CountCrowd(), static_cast<int32_t>(kSessions / 2));
  const size_t stays = kSessions - 1'000;
  crowd.Drop(kSessions / 2, stays);
  std::string wrong;
  EXPECT_TRUE(Ensemble::Eventually([&] {
    wrong = crowd.Ping(stays, kSessions);
    return !wrong.empty() || after.CountCrowd() <= 1'000;
  }));
  EXPECT_EQ(wrong, "");
  ASSERT_EQ(crowd.Ping(stays, kSessions), "");
  EXPECT_EQ(after.CountCrowd(), 1'000);
  ASSERT_EQ(crowd.CloseSessions(stays, kSessions), "");
  EXPECT_EQ(after.CountCrowd(), 0);
}

}  // namespace
}  // namespace sillok::zk
