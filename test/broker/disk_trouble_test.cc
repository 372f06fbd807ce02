#include "broker/disk_trouble.h"

#include <gtest/gtest.h>

namespace sillok {
namespace {

const TopicPartition kA{"a", 0};
const TopicPartition kB{"b", 1};

// "step_back try_disk register forget=1 wake=5000"
std::string Show(const DiskTrouble::Todo& todo) {
  std::string text;
  auto add = [&](const std::string& word) {
    text += (text.empty() ? "" : " ") + word;
  };
  if (todo.step_back) add("step_back");
  if (todo.try_disk) add("try_disk");
  if (todo.register_anew) add("register");
  if (!todo.forget.empty()) add("forget=" + std::to_string(todo.forget.size()));
  if (todo.wake_ms != -1) add("wake=" + std::to_string(todo.wake_ms));
  return text;
}

class DiskTroubleTest : public testing::Test {
 protected:
  std::string Next(int64_t now_ms) { return Show(disk_.Next(now_ms)); }
  // From a failed write until the disk works again and we are registered.
  void FailAndRecover(int64_t now_ms, int64_t expected_try_ms) {
    disk_.OnWriteFailed(kA, "full", now_ms);
    const int64_t at = now_ms + expected_try_ms;
    EXPECT_EQ(Next(now_ms), "step_back wake=" + std::to_string(at));
    disk_.OnSteppedBack(true, 0, now_ms);
    EXPECT_EQ(Next(at - 1), "wake=" + std::to_string(at));
    EXPECT_EQ(Next(at), "try_disk");
    disk_.OnTried(true, at);
    EXPECT_EQ(Next(at), "register forget=1");
    disk_.OnRegistered();
    EXPECT_EQ(Next(at), "");
  }

  DiskTrouble disk_;
};

TEST_F(DiskTroubleTest, NothingIsDoneWithoutTrouble) {
  EXPECT_EQ(Next(0), "");
  disk_.OnRegistered();
  disk_.OnWriteWorked(kA);
  EXPECT_EQ(Next(1'000'000), "");
}

TEST_F(DiskTroubleTest, StepsBackAtOnceAndComesBackWhenTheDiskTakesWrites) {
  disk_.OnWriteFailed(kA, "full", 100);
  disk_.OnWriteFailed(kB, "full", 110);
  EXPECT_EQ(Next(110), "step_back wake=5100");
  EXPECT_EQ(Next(120), "wake=5100");  // asked once
  disk_.OnSteppedBack(true, 0, 130);
  EXPECT_EQ(Next(5'100), "try_disk");
  EXPECT_EQ(Next(9'000), "");  // being tried
  disk_.OnTried(false, 9'000);
  EXPECT_EQ(disk_.replicas().size(), 2u);
  EXPECT_EQ(Next(9'000), "wake=14000");
  EXPECT_EQ(Next(14'000), "try_disk");
  disk_.OnTried(true, 14'001);
  EXPECT_EQ(Next(14'001), "register forget=2");
  EXPECT_TRUE(disk_.replicas().empty());
  EXPECT_EQ(Next(30'000), "");  // registering
  disk_.OnRegistered();
  EXPECT_EQ(Next(30'000), "");
}

TEST_F(DiskTroubleTest, AsksAgainUntilAllIsHandedOver) {
  disk_.OnWriteFailed(kA, "full", 0);
  EXPECT_EQ(Next(0), "step_back wake=5000");
  disk_.OnSteppedBack(false, 0, 10);  // no controller
  EXPECT_EQ(Next(10), "wake=5000");
  EXPECT_EQ(Next(5'010), "step_back try_disk");
  disk_.OnTried(false, 5'011);
  disk_.OnSteppedBack(true, 3, 5'020);
  EXPECT_EQ(Next(10'020), "step_back try_disk");
  disk_.OnSteppedBack(true, 0, 10'030);
  EXPECT_EQ(Next(60'000), "");
}

TEST_F(DiskTroubleTest, ReplicasThatRecoverByThemselvesStillNeedARegistration) {
  disk_.OnWriteFailed(kA, "full", 0);
  EXPECT_EQ(Next(0), "step_back wake=5000");
  disk_.OnSteppedBack(true, 0, 1);
  disk_.OnWriteWorked(kA);
  EXPECT_EQ(Next(5'000), "try_disk");
  disk_.OnTried(true, 5'001);
  EXPECT_EQ(Next(5'001), "register");
}

TEST_F(DiskTroubleTest, ARegistrationThatCameByItselfStepsBackAnew) {
  disk_.OnWriteFailed(kA, "full", 0);
  EXPECT_EQ(Next(0), "step_back wake=5000");
  disk_.OnSteppedBack(true, 0, 1);
  disk_.OnRegistered();  // the session had expired
  EXPECT_EQ(Next(10), "step_back wake=5000");
  disk_.OnSteppedBack(true, 0, 11);
  EXPECT_EQ(Next(5'000), "try_disk");
}

TEST_F(DiskTroubleTest, TroubleThatComesBackSoonIsGivenLonger) {
  FailAndRecover(0, 5'000);
  FailAndRecover(10'000, 10'000);
  FailAndRecover(30'000, 20'000);
  FailAndRecover(10'000'000, 5'000);  // long after the last
}

TEST_F(DiskTroubleTest, ALostLogKeepsTheBrokerOut) {
  disk_.OnLogLost();
  EXPECT_EQ(Next(0), "step_back");
  disk_.OnSteppedBack(true, 0, 1);
  EXPECT_EQ(Next(1'000'000), "");
  // Also when it gets lost while the disk is tried.
  DiskTrouble other;
  other.OnWriteFailed(kA, "full", 0);
  other.Next(0);
  other.Next(5'000);
  other.OnLogLost();
  other.OnTried(true, 5'001);
  EXPECT_FALSE(other.Next(5'001).register_anew);
}

TEST_F(DiskTroubleTest, TroubleAfterATryThatWorkedCountsBeforeTheRegistration) {
  disk_.OnWriteFailed(kA, "full", 0);
  disk_.Next(0);
  disk_.OnSteppedBack(true, 0, 1);
  disk_.Next(5'000);
  disk_.OnTried(true, 5'001);
  EXPECT_EQ(Next(5'001), "register forget=1");
  disk_.OnWriteFailed(kB, "full", 5'002);
  disk_.OnRegistered();
  EXPECT_EQ(Next(5'003).substr(0, 9), "step_back");
  disk_.OnSteppedBack(true, 0, 5'004);
  EXPECT_EQ(Next(1'000'000), "try_disk");
}

}  // namespace
}  // namespace sillok
