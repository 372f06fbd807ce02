// Whose word counts, as one member's history goes on, is cut off and replaced.
#include "coordinator/zab/memberships.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "test/sim/zab_checkers.h"

namespace sillok::zab {
namespace {

constexpr Zxid kChange(1, 5), kSeal(1, 6);

// "1 2 3o": members, those with an o only observe.
Membership Of(Zxid version, const std::string& members) {
  return {version, *sim::MembersOf("members " + members)};
}
Entry Change(Zxid zxid, const std::string& members) {
  return MakeEntry(zxid, "members " + members);
}
Entry Seal(Zxid zxid) { return MakeEntry(zxid, ""); }

Memberships Begin(const std::string& members, Zxid applied = Zxid(1, 1),
                  ZabFaults faults = {}) {
  Options options;
  options.membership_of = sim::MembersOf;
  options.membership = Of(Zxid(), members);
  options.faults = faults;
  return Memberships(options, applied);
}

std::set<int> Ids(const MemberSet& members) {
  std::set<int> ids;
  for (MemberId id : members.members()) ids.insert(id.value());
  return ids;
}
std::set<int> ContactsOf(const Memberships& memberships) {
  std::set<int> ids;
  for (const EnsembleMember& member : memberships.contacts()) {
    ids.insert(member.id.value());
  }
  return ids;
}
bool Agree(const Memberships& memberships, const std::set<int>& who) {
  return memberships.IsQuorum(
      [&](MemberId id) { return who.count(id.value()) != 0; });
}

TEST(Memberships, BeginWithThoseOfTheOptionsInWhateverOrder) {
  Memberships memberships = Begin("3 1o 2");
  EXPECT_EQ(memberships.active(), Of(Zxid(), "1o 2 3"));
  EXPECT_EQ(Ids(memberships.voters()), (std::set<int>{2, 3}));
  EXPECT_EQ(Ids(memberships.observers()), (std::set<int>{1}));
  EXPECT_EQ(ContactsOf(memberships), (std::set<int>{1, 2, 3}));
  EXPECT_TRUE(memberships.settled());
  EXPECT_FALSE(memberships.pending());
  EXPECT_FALSE(memberships.wants_seal());
  EXPECT_EQ(memberships.held(), Zxid());
  EXPECT_EQ(memberships.proven(), Zxid());
}

TEST(Memberships, TheListsOfTheOptionsStandInWhereNobodyIsNamed) {
  Options options;
  options.voters = {MemberId(2), MemberId(1)};
  options.observers = {MemberId(2), MemberId(7)};
  Memberships memberships(options, Zxid());
  EXPECT_FALSE(memberships.can_change());
  EXPECT_EQ(memberships.active(), Of(Zxid(), "1 2 7o"));
  memberships.OnAppended(Change(kChange, "1"));
  EXPECT_FALSE(memberships.pending());
}

TEST(Memberships, OtherEntriesChangeNothing) {
  Memberships memberships = Begin("1 2 3");
  const uint64_t changes = memberships.changes();
  memberships.OnAppended(MakeEntry(Zxid(1, 2), "set /a"));
  memberships.OnAppended(Entry{Zxid(1, 3), nullptr});
  EXPECT_TRUE(memberships.settled());
  EXPECT_EQ(memberships.changes(), changes);
}

TEST(Memberships, APendingChangeNeedsAMajorityOfBoth) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "3 4 5"));
  EXPECT_TRUE(memberships.pending());
  EXPECT_EQ(memberships.active().version, Zxid());
  EXPECT_EQ(memberships.newest(), Of(kChange, "3 4 5"));
  EXPECT_FALSE(Agree(memberships, {1, 2, 3}));
  EXPECT_FALSE(Agree(memberships, {3, 4, 5}));
  EXPECT_FALSE(Agree(memberships, {1, 2, 4}));
  EXPECT_TRUE(Agree(memberships, {1, 2, 4, 5}));
  EXPECT_TRUE(Agree(memberships, {1, 3, 4}));
  for (int id : {1, 2, 3, 4, 5}) {
    EXPECT_TRUE(memberships.Counts(MemberId(id))) << id;
    EXPECT_TRUE(memberships.Votes(MemberId(id))) << id;
  }
  EXPECT_FALSE(memberships.Counts(MemberId(6)));
}

TEST(Memberships, WhatAQuorumHasReachedIsTheLesserOfBoth) {
  Memberships memberships = Begin("1 2 3");
  std::map<int, int> reached = {{1, 9}, {2, 8}, {3, 7}, {4, 5}, {5, 4}};
  auto position = [&](MemberId id) { return reached[id.value()]; };
  EXPECT_EQ(memberships.ReachedByQuorum(position), 8);
  memberships.OnAppended(Change(kChange, "3 4 5"));
  EXPECT_EQ(memberships.ReachedByQuorum(position), 5);
  reached[4] = 10;
  EXPECT_EQ(memberships.ReachedByQuorum(position), 7);
  reached[5] = reached[3] = 10;
  EXPECT_EQ(memberships.ReachedByQuorum(position), 9);
}

TEST(Memberships, ACommittedChangeCountsAloneAndWaitsForItsSeal) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "3 4 5"));
  memberships.OnCommitted(kChange);
  EXPECT_FALSE(memberships.pending());
  EXPECT_EQ(memberships.active(), Of(kChange, "3 4 5"));
  EXPECT_TRUE(Agree(memberships, {4, 5}));
  EXPECT_FALSE(Agree(memberships, {1, 2, 3}));
  EXPECT_FALSE(memberships.Counts(MemberId(1)));
  // Not handed out, and the members before can still be elected and asked.
  EXPECT_FALSE(memberships.settled());
  EXPECT_TRUE(memberships.wants_seal());
  EXPECT_EQ(memberships.held(), kChange);
  EXPECT_EQ(memberships.settled_one().version, Zxid());
  EXPECT_TRUE(memberships.Votes(MemberId(1)));
  EXPECT_EQ(ContactsOf(memberships), (std::set<int>{1, 2, 3, 4, 5}));
}

TEST(Memberships, WithItsSealCommittedTheMembersBeforeAreGone) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "3 4 5o"));
  memberships.OnCommitted(kChange);
  memberships.OnAppended(Seal(kSeal));
  EXPECT_FALSE(memberships.wants_seal());
  EXPECT_FALSE(memberships.settled());
  EXPECT_EQ(memberships.held(), kChange);
  memberships.OnCommitted(kSeal);
  EXPECT_TRUE(memberships.settled());
  EXPECT_EQ(memberships.held(), Zxid());
  EXPECT_EQ(memberships.settled_one(), Of(kChange, "3 4 5o"));
  EXPECT_EQ(ContactsOf(memberships), (std::set<int>{3, 4, 5}));
  EXPECT_FALSE(memberships.Contains(MemberId(1)));
  EXPECT_FALSE(memberships.Votes(MemberId(1)));
  EXPECT_EQ(Ids(memberships.observers()), (std::set<int>{5}));
}

TEST(Memberships, ASealInTheHistoryProvesTheChangeBeforeIt) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "3 4 5"));
  EXPECT_EQ(memberships.proven(), Zxid());
  memberships.OnAppended(Seal(kSeal));
  EXPECT_EQ(memberships.proven(), kChange);
  memberships.OnCommitted(memberships.proven());
  EXPECT_EQ(memberships.active().version, kChange);
  // The seal itself may not be committed.
  EXPECT_FALSE(memberships.settled());
}

TEST(Memberships, OnlyTheFirstEmptyEntryIsTheSeal) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "3 4 5"));
  memberships.OnAppended(Seal(kSeal));
  memberships.OnAppended(Seal(Zxid(1, 7)));
  memberships.OnCommitted(kSeal);
  EXPECT_TRUE(memberships.settled());
}

TEST(Memberships, AnotherChangeProvesTheSealOfTheOneBefore) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "2 3 4"));
  memberships.OnAppended(Seal(kSeal));
  memberships.OnAppended(Change(Zxid(1, 8), "3 4 5"));
  EXPECT_EQ(memberships.proven(), kSeal);
  memberships.OnCommitted(memberships.proven());
  EXPECT_EQ(memberships.settled_one().version, kChange);
  EXPECT_EQ(memberships.active().version, kChange);
  EXPECT_TRUE(memberships.pending());
  EXPECT_FALSE(memberships.Contains(MemberId(1)));
  EXPECT_TRUE(Agree(memberships, {3, 4}));
  EXPECT_FALSE(Agree(memberships, {2, 3}));
}

TEST(Memberships, TruncationTakesAChangeBack) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "4 5 6"));
  const uint64_t changes = memberships.changes();
  memberships.OnTruncated(kChange);
  EXPECT_TRUE(memberships.pending());
  EXPECT_EQ(memberships.changes(), changes);
  memberships.OnTruncated(Zxid(1, 4));
  EXPECT_FALSE(memberships.pending());
  EXPECT_GT(memberships.changes(), changes);
  EXPECT_EQ(memberships.newest(), Of(Zxid(), "1 2 3"));
  EXPECT_EQ(ContactsOf(memberships), (std::set<int>{1, 2, 3}));
  EXPECT_TRUE(Agree(memberships, {1, 2}));
}

TEST(Memberships, TruncationTakesASealBackAndLeavesTheChange) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "3 4 5"));
  memberships.OnCommitted(kChange);
  memberships.OnAppended(Seal(kSeal));
  memberships.OnTruncated(kChange);
  EXPECT_EQ(memberships.active().version, kChange);
  EXPECT_TRUE(memberships.wants_seal());
  EXPECT_FALSE(memberships.settled());
  memberships.OnAppended(Seal(Zxid(2, 1)));
  memberships.OnCommitted(Zxid(2, 1));
  EXPECT_TRUE(memberships.settled());
}

TEST(Memberships, ASnapshotTakesThePlaceOfTheHistory) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "2 3 4"));
  memberships.OnInstalled(Zxid(3, 9), Of(Zxid(3, 2), "4 5 6o"));
  EXPECT_TRUE(memberships.settled());
  EXPECT_FALSE(memberships.pending());
  EXPECT_EQ(memberships.active(), Of(Zxid(3, 2), "4 5 6o"));
  EXPECT_EQ(ContactsOf(memberships), (std::set<int>{4, 5, 6}));
  // Committed is what the snapshot holds.
  memberships.OnAppended(Change(Zxid(3, 10), "4 5"));
  EXPECT_TRUE(memberships.pending());
}

TEST(Memberships, ASnapshotThatNamesNobodyLeavesThoseInForce) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "2 3 4"));
  memberships.OnInstalled(Zxid(3, 9), {});
  EXPECT_TRUE(memberships.settled());
  EXPECT_EQ(memberships.active(), Of(Zxid(), "1 2 3"));
}

TEST(Memberships, WhatIsAppliedAtTheStartIsCommitted) {
  // The entries behind the applied state come by OnAppended, as they are read.
  Memberships memberships = Begin("1 2 3", kChange.Next());
  memberships.OnAppended(Change(kChange.Next().Next(), "2 3 4"));
  EXPECT_TRUE(memberships.pending());
  memberships.OnCommitted(kChange.Next().Next());
  EXPECT_FALSE(memberships.pending());
}

TEST(Memberships, AVoterThatBecomesAnObserverVotesUntilThatIsSettled) {
  Memberships memberships = Begin("1 2 3");
  memberships.OnAppended(Change(kChange, "1 2 3o"));
  memberships.OnCommitted(kChange);
  EXPECT_TRUE(memberships.Votes(MemberId(3)));
  EXPECT_FALSE(memberships.Counts(MemberId(3)));
  EXPECT_TRUE(memberships.Contains(MemberId(3)));
  memberships.OnAppended(Seal(kSeal));
  memberships.OnCommitted(kSeal);
  EXPECT_FALSE(memberships.Votes(MemberId(3)));
  EXPECT_EQ(Ids(memberships.observers()), (std::set<int>{3}));
}

TEST(Memberships, ContactsAreWhereTheNewestSaysTheyAre) {
  Options options;
  options.membership_of = [](std::string_view txn)
      -> std::optional<std::vector<EnsembleMember>> {
    if (txn != "moved") return std::nullopt;
    return std::vector<EnsembleMember>{{MemberId(1), true, "new:1"}};
  };
  options.membership = {Zxid(),
                        {{MemberId(1), true, "old:1"},
                         {MemberId(2), false, "old:2"}}};
  Memberships memberships(options, Zxid());
  memberships.OnAppended(MakeEntry(kChange, "moved"));
  ASSERT_EQ(memberships.contacts().size(), 2u);
  EXPECT_EQ(memberships.contacts()[0].where, "new:1");
  EXPECT_EQ(memberships.contacts()[1].where, "old:2");
}

TEST(Memberships, NobodyIsAQuorumOfNobody) {
  Memberships memberships = Begin("1o 2o");
  EXPECT_FALSE(Agree(memberships, {1, 2}));
  EXPECT_EQ(memberships.ReachedByQuorum([](MemberId) { return 7; }), 0);
}

// The planted bugs do what they say: the tests above would see them.
TEST(Memberships, OnlyTheNewVotersCountWithTheBugPlanted) {
  ZabFaults faults;
  faults.only_new_quorum = true;
  Memberships memberships = Begin("1 2 3", Zxid(1, 1), faults);
  memberships.OnAppended(Change(kChange, "3 4 5"));
  EXPECT_TRUE(Agree(memberships, {3, 4, 5}));
}

}  // namespace
}  // namespace sillok::zab
