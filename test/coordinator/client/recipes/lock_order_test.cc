#include "coordinator/client/recipes/lock_order.h"

#include "coordinator/client/recipes/protected_name.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok::coord {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Name(const std::string& guid, const std::string& stem, int n) {
  char digits[16];
  snprintf(digits, sizeof(digits), "%010d", n);
  return ProtectedName(guid, stem + digits);
}
std::string Lock(int n) { return Name("a" + std::to_string(n), "lock-", n); }
std::string Read(int n) { return Name("b" + std::to_string(n), "read-", n); }
std::string Write(int n) { return Name("c" + std::to_string(n), "write-", n); }

// What `place` is, in a word.
std::string Show(const LockPlace& place) {
  if (place.state == LockPlace::State::kHeld) return "held";
  if (place.state == LockPlace::State::kGone) return "gone";
  return "waits for " + place.wait_for;
}

TEST(ProtectedNameTest, CarriesItsGuidAndItsRest) {
  std::string name = ProtectedName("0af3", "lock-");
  EXPECT_EQ(name, "_c_0af3-lock-");
  EXPECT_EQ(GuidOfProtected(name), "0af3");
  EXPECT_EQ(RestOfProtected(name), "lock-");
  for (const char* other : {"", "lock-0000000001", "_c_", "_c_noend"}) {
    EXPECT_EQ(GuidOfProtected(other), "") << other;
    EXPECT_EQ(RestOfProtected(other), "") << other;
  }
}

TEST(ProtectedNameTest, SequencesHaveTenDigitsOrMore) {
  EXPECT_EQ(ParseSequential("lock-0000000012")->sequence, 12);
  EXPECT_EQ(ParseSequential("lock-0000000012")->stem, "lock-");
  EXPECT_EQ(ParseSequential("x-12345678901")->sequence, 12345678901);
  EXPECT_FALSE(ParseSequential("lock-12").has_value());
  EXPECT_FALSE(ParseSequential("lock-").has_value());
  EXPECT_FALSE(
      ParseSequential("x99999999999999999999999999999").has_value());
}

TEST(ProtectedNameTest, TheOldestWithTheGuidComesFirst) {
  EXPECT_THAT(FindProtected({Name("g", "x", 7), Name("h", "x", 1),
                             Name("g", "x", 3), "plain"},
                            "g"),
              ElementsAre(Name("g", "x", 3), Name("g", "x", 7)));
  EXPECT_THAT(FindProtected({"plain"}, ""), IsEmpty());
}

TEST(LockOrderTest, TheFirstInLineHoldsAndEachWaitsForTheOneBefore) {
  std::vector<std::string> line = {Lock(3), Lock(1), Lock(2), "_c_junk", "x"};
  EXPECT_EQ(Show(FindLockPlace(line, Lock(1), LockKind::kExclusive)), "held");
  EXPECT_EQ(Show(FindLockPlace(line, Lock(2), LockKind::kExclusive)),
            "waits for " + Lock(1));
  EXPECT_EQ(Show(FindLockPlace(line, Lock(3), LockKind::kExclusive)),
            "waits for " + Lock(2));
  EXPECT_EQ(Show(FindLockPlace(line, Lock(4), LockKind::kExclusive)), "gone");
}

TEST(LockOrderTest, TheOrderIsThatOfTheSequenceNotOfTheNames) {
  // By their guids and by their text the other one comes first.
  std::string old = Name("zz", "lock-", 2);
  std::string young = ProtectedName("aa", "lock-10000000001");
  EXPECT_EQ(Show(FindLockPlace({young, old}, old, LockKind::kExclusive)),
            "held");
  EXPECT_EQ(Show(FindLockPlace({young, old}, young, LockKind::kExclusive)),
            "waits for " + old);
  EXPECT_THAT(SortLine({young, old}), ElementsAre(old, young));
}

TEST(LockOrderTest, ReadersWaitForWritersOnlyAndWritersForAll) {
  std::vector<std::string> line = {Read(1), Read(2), Write(3), Read(4),
                                   Write(5), Read(6)};
  EXPECT_EQ(Show(FindLockPlace(line, Read(1), LockKind::kRead)), "held");
  EXPECT_EQ(Show(FindLockPlace(line, Read(2), LockKind::kRead)), "held");
  EXPECT_EQ(Show(FindLockPlace(line, Write(3), LockKind::kWrite)),
            "waits for " + Read(2));
  EXPECT_EQ(Show(FindLockPlace(line, Read(4), LockKind::kRead)),
            "waits for " + Write(3));
  EXPECT_EQ(Show(FindLockPlace(line, Write(5), LockKind::kWrite)),
            "waits for " + Read(4));
  EXPECT_EQ(Show(FindLockPlace(line, Read(6), LockKind::kRead)),
            "waits for " + Write(5));
}

}  // namespace
}  // namespace sillok::coord
