#include "broker/kafka/fetch_sessions.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace sillok::kafka_door {
namespace {

using Kind = FetchPlan::Kind;

// Ids 1, 2, 3, ...
std::function<uint32_t()> Counting() {
  return [next = uint32_t{0}]() mutable { return ++next; };
}

FetchItem Item(const std::string& topic, int32_t partition,
               int64_t offset = 0) {
  return {{topic, {}, partition}, offset, 1000, -1};
}

FetchSessionRequest Full(std::vector<FetchItem> items, int32_t session_id = 0) {
  return {session_id, 0, false, std::move(items), {}};
}

FetchSessionRequest Next(int32_t session_id, int32_t epoch,
                         std::vector<FetchItem> items = {},
                         std::vector<FetchKey> forgotten = {}) {
  return {session_id, epoch, false, std::move(items), std::move(forgotten)};
}

FetchedItem Quiet(int64_t high_watermark = 10) {
  return {ErrorCode::NONE, high_watermark, 0, false};
}
FetchedItem WithRecords(int64_t high_watermark = 10) {
  return {ErrorCode::NONE, high_watermark, 0, true};
}
FetchedItem Failed() {
  return {ErrorCode::NOT_LEADER_OR_FOLLOWER, -1, 0, false};
}

// Begins a session of `items`, all quiet; its id.
int32_t Open(FetchSessions& sessions, std::vector<FetchItem> items,
             int64_t now_ms = 0) {
  FetchPlan plan = sessions.Begin(Full(std::move(items)), now_ms);
  std::vector<FetchedItem> results(plan.items.size(), Quiet());
  return sessions.End(plan, results, now_ms).session_id;
}

std::vector<int32_t> Partitions(const FetchPlan& plan) {
  std::vector<int32_t> out;
  for (const FetchItem& item : plan.items) out.push_back(item.key.partition);
  return out;
}

TEST(FetchSessions, FullFetchTellsAllInTheOrderAsked) {
  FetchSessions sessions({}, Counting());
  FetchPlan plan =
      sessions.Begin(Full({Item("t", 2), Item("t", 0), Item("t", 1)}), 0);
  EXPECT_EQ(plan.kind, Kind::kNewSession);
  EXPECT_EQ(Partitions(plan), (std::vector<int32_t>{2, 0, 1}));
  FetchTelling telling = sessions.End(plan, {Quiet(), Failed(), Quiet()}, 0);
  EXPECT_EQ(telling.session_id, 1);
  EXPECT_EQ(telling.told, (std::vector<bool>{true, true, true}));
}

TEST(FetchSessions, PartitionAskedTwiceIsReadOnceAtItsLastPosition) {
  FetchSessions sessions({}, Counting());
  FetchPlan plan = sessions.Begin(
      Full({Item("t", 0, 5), Item("t", 1, 6), Item("t", 0, 7)}), 0);
  ASSERT_EQ(plan.items.size(), 2u);
  EXPECT_EQ(plan.items[0], Item("t", 0, 7));
  EXPECT_EQ(plan.items[1], Item("t", 1, 6));
}

TEST(FetchSessions, EpochMinusOneEndsTheSessionAndBeginsNone) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0)});
  FetchPlan plan = sessions.Begin(Next(id, -1, {Item("t", 0)}), 0);
  EXPECT_EQ(plan.kind, Kind::kNoSession);
  EXPECT_EQ(sessions.End(plan, {Quiet()}, 0).session_id, 0);
  EXPECT_EQ(sessions.session_count(), 0);
  EXPECT_EQ(sessions.Begin(Next(id, 1), 0).error,
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

TEST(FetchSessions, FullFetchOfAnOldSessionReplacesIt) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0)});
  FetchPlan plan = sessions.Begin(Full({Item("t", 0)}, id), 0);
  EXPECT_EQ(sessions.End(plan, {Quiet()}, 0).session_id, 2);
  EXPECT_EQ(sessions.session_count(), 1);
}

TEST(FetchSessions, IncrementalFetchTellsOnlyWhatChanged) {
  FetchSessions sessions({}, Counting());
  int32_t id =
      Open(sessions, {Item("t", 0), Item("t", 1), Item("t", 2), Item("t", 3)});
  FetchPlan plan = sessions.Begin(Next(id, 1), 0);
  EXPECT_EQ(plan.kind, Kind::kIncremental);
  ASSERT_EQ(plan.items.size(), 4u);
  const FetchedItem moved_start{ErrorCode::NONE, 10, 4, false};
  FetchTelling telling = sessions.End(
      plan, {Quiet(), WithRecords(), Quiet(11), moved_start}, 0);
  EXPECT_EQ(telling.session_id, id);
  EXPECT_EQ(telling.told, (std::vector<bool>{false, true, true, true}));
}

TEST(FetchSessions, PartitionWithRecordsGoesToTheEndOfTheOrder) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0), Item("t", 1), Item("t", 2)});
  FetchPlan plan = sessions.Begin(Next(id, 1), 0);
  sessions.End(plan, {WithRecords(), Quiet(), Quiet()}, 0);
  EXPECT_EQ(Partitions(sessions.Begin(Next(id, 2), 0)),
            (std::vector<int32_t>{1, 2, 0}));
}

TEST(FetchSessions, ErrorIsToldUntilOneAnswerWithoutIt) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0)});
  std::vector<std::pair<FetchedItem, bool>> script = {{Failed(), true},
                                                      {Failed(), true},
                                                      {Quiet(), true},
                                                      {Quiet(), false}};
  int32_t epoch = 0;
  for (const auto& [result, told] : script) {
    FetchPlan plan = sessions.Begin(Next(id, ++epoch), 0);
    EXPECT_EQ(sessions.End(plan, {result}, 0).told[0], told) << epoch;
  }
}

TEST(FetchSessions, NewPartitionIsToldAndForgottenOneIsReadNoMore) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0), Item("t", 1)});
  FetchPlan plan =
      sessions.Begin(Next(id, 1, {Item("t", 7)}, {{"t", {}, 0}}), 0);
  EXPECT_EQ(Partitions(plan), (std::vector<int32_t>{1, 7}));
  EXPECT_EQ(sessions.End(plan, {Quiet(), Quiet()}, 0).told,
            (std::vector<bool>{false, true}));
}

TEST(FetchSessions, PositionOfAPartitionNamedAgainIsTheNewOne) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0, 5), Item("t", 1, 6)});
  FetchPlan plan = sessions.Begin(Next(id, 1, {Item("t", 1, 9)}), 0);
  ASSERT_EQ(plan.items.size(), 2u);
  EXPECT_EQ(plan.items[0], Item("t", 0, 5));
  EXPECT_EQ(plan.items[1], Item("t", 1, 9));
}

TEST(FetchSessions, SessionWithNothingLeftEnds) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0)});
  FetchPlan plan = sessions.Begin(Next(id, 1, {}, {{"t", {}, 0}}), 0);
  EXPECT_EQ(plan.error, ErrorCode::NONE);
  EXPECT_TRUE(plan.items.empty());
  EXPECT_EQ(sessions.End(plan, {}, 0).session_id, 0);
  EXPECT_EQ(sessions.session_count(), 0);
  EXPECT_EQ(sessions.partition_count(), 0);
}

TEST(FetchSessions, WrongEpochIsRefusedAndChangesNothing) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0)});
  for (int32_t epoch : {2, 100, -2}) {
    FetchPlan plan = sessions.Begin(Next(id, epoch, {Item("t", 9)}), 0);
    EXPECT_EQ(plan.error, ErrorCode::INVALID_FETCH_SESSION_EPOCH) << epoch;
    EXPECT_TRUE(plan.items.empty());
  }
  EXPECT_EQ(Partitions(sessions.Begin(Next(id, 1), 0)),
            std::vector<int32_t>{0});
  // The same epoch again.
  EXPECT_EQ(sessions.Begin(Next(id, 1), 0).error,
            ErrorCode::INVALID_FETCH_SESSION_EPOCH);
}

TEST(FetchSessions, TopicIdsInASessionOfNamesAreRefused) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0)});
  FetchSessionRequest request = Next(id, 1);
  request.uses_topic_ids = true;
  EXPECT_EQ(sessions.Begin(std::move(request), 0).error,
            ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
}

TEST(FetchSessions, SessionThatVanishedMeanwhileStillGetsItsAnswer) {
  FetchSessions sessions({}, Counting());
  int32_t id = Open(sessions, {Item("t", 0)});
  FetchPlan plan = sessions.Begin(Next(id, 1), 0);
  sessions.Begin(Next(id, -1), 0);
  FetchTelling telling = sessions.End(plan, {Quiet()}, 0);
  EXPECT_EQ(telling.session_id, id);
  EXPECT_EQ(telling.told, std::vector<bool>{true});
}

TEST(FetchSessions, FullCacheGivesNoSessionWhileAllAreYoung) {
  FetchSessions sessions({.max_sessions = 2}, Counting());
  EXPECT_EQ(Open(sessions, {Item("t", 0)}), 1);
  EXPECT_EQ(Open(sessions, {Item("t", 0)}), 2);
  EXPECT_EQ(Open(sessions, {Item("t", 0), Item("t", 1)}), 0);
  EXPECT_EQ(sessions.session_count(), 2);
}

TEST(FetchSessions, SessionUnusedForLongMakesRoom) {
  FetchSessions sessions({.max_sessions = 2, .eviction_ms = 100}, Counting());
  int32_t first = Open(sessions, {Item("t", 0), Item("t", 1)}, 0);
  int32_t second = Open(sessions, {Item("t", 0)}, 0);
  sessions.Begin(Next(first, 1), 50);
  EXPECT_EQ(Open(sessions, {Item("t", 0)}, 101), 3);
  EXPECT_EQ(sessions.Begin(Next(second, 1), 101).error,
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
  EXPECT_EQ(sessions.Begin(Next(first, 2), 101).error, ErrorCode::NONE);
  EXPECT_EQ(sessions.evictions(), 1);
}

TEST(FetchSessions, OldSmallSessionInUseMakesRoomForALargerOneOnly) {
  FetchSessions sessions({.max_sessions = 1, .eviction_ms = 100}, Counting());
  int32_t id = Open(sessions, {Item("t", 0), Item("t", 1)}, 0);
  sessions.Begin(Next(id, 1), 150);  // old enough now, and in use
  EXPECT_EQ(Open(sessions, {Item("t", 0)}, 151), 0);
  EXPECT_EQ(Open(sessions, {Item("t", 0), Item("t", 1)}, 151), 0);
  EXPECT_EQ(Open(sessions, {Item("t", 0), Item("t", 1), Item("t", 2)}, 151), 2);
  EXPECT_EQ(sessions.session_count(), 1);
}

TEST(FetchSessions, PartitionsOfAllSessionsAreBounded) {
  FetchSessions sessions({.max_partitions = 3}, Counting());
  int32_t id = Open(sessions, {Item("t", 0), Item("t", 1)});
  EXPECT_EQ(Open(sessions, {Item("t", 0), Item("t", 1)}), 0);
  EXPECT_EQ(sessions.Begin(Next(id, 1, {Item("t", 2)}), 0).error,
            ErrorCode::NONE);
  EXPECT_EQ(sessions.Begin(Next(id, 2, {Item("t", 3)}), 0).error,
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
  EXPECT_EQ(sessions.partition_count(), 0);
}

TEST(FetchSessions, IdsAreAboveZeroAndNotInUse) {
  std::vector<uint32_t> ids = {5, 0, 0x80000000, 5, 0x80000005, 6};
  FetchSessions sessions({}, [ids, next = size_t{0}]() mutable {
    return ids[next++];
  });
  EXPECT_EQ(Open(sessions, {Item("t", 0)}), 5);
  EXPECT_EQ(Open(sessions, {Item("t", 0)}), 6);
}

// ---- against a model

// What a session is, said naively: what is wanted, and what was told last.
struct ModelSession {
  int32_t epoch = 1;
  std::map<int32_t, FetchItem> wanted;              // by partition
  std::map<int32_t, std::pair<int64_t, int64_t>> told;  // absent: tell it
  int64_t created_ms = 0;
  int64_t last_used_ms = 0;
};

class Model {
 public:
  explicit Model(uint64_t seed)
      : random_(seed),
        options_{.max_sessions = 4, .eviction_ms = 50, .max_partitions = 25},
        sessions_(options_, Counting()) {}

  void Step() {
    now_ms_ += Below(20);
    switch (Below(4)) {
      case 0:
        return Full();
      case 1:
        return Wrong();
      default:
        return Incremental();
    }
  }

 private:
  int Below(int bound) { return static_cast<int>(random_() % bound); }

  std::vector<FetchItem> SomeItems() {
    std::vector<FetchItem> items;
    for (int n = Below(6); n > 0; --n) {
      items.push_back(Item("t", Below(8), Below(1000)));
    }
    return items;
  }

  // The truth of a partition changes now and then.
  FetchedItem Result() {
    FetchedItem result = Quiet(Below(2));
    result.log_start_offset = Below(5) == 0 ? 1 : 0;
    if (Below(6) == 0) result.has_records = true;
    if (Below(8) == 0) result = Failed();
    return result;
  }

  int32_t AnyId() {
    if (model_.empty()) return 1'000'000;
    auto it = model_.begin();
    std::advance(it, Below(static_cast<int>(model_.size())));
    return it->first;
  }

  void Full() {
    const int32_t old = Below(2) == 0 ? AnyId() : 0;
    const bool final_epoch = Below(4) == 0;
    FetchSessionRequest request = kafka_door::Full(SomeItems(), old);
    if (final_epoch) request.epoch = -1;
    std::map<int32_t, FetchItem> wanted;
    for (const FetchItem& item : request.items) {
      wanted[item.key.partition] = item;
    }
    model_.erase(old);
    FetchPlan plan = sessions_.Begin(std::move(request), now_ms_);
    ASSERT_EQ(plan.error, ErrorCode::NONE);
    ExpectItems(plan, wanted);
    std::vector<FetchedItem> results;
    for (size_t i = 0; i < plan.items.size(); ++i) results.push_back(Result());
    const int64_t evictions = sessions_.evictions();
    FetchTelling telling = sessions_.End(plan, results, now_ms_);
    ASSERT_EQ(telling.told, std::vector<bool>(plan.items.size(), true));
    DropEvicted(sessions_.evictions() - evictions,
                static_cast<int64_t>(wanted.size()));
    if (final_epoch || wanted.empty()) {
      ASSERT_EQ(telling.session_id, 0);
    }
    if (telling.session_id == 0) return;
    ASSERT_FALSE(model_.contains(telling.session_id));
    ModelSession& session = model_[telling.session_id];
    session.created_ms = session.last_used_ms = now_ms_;
    session.wanted = wanted;
    Note(plan, results, &session);
    Check();
  }

  // Which one went must be one that was allowed to: stale, or old and smaller.
  void DropEvicted(int64_t count, int64_t new_size) {
    ASSERT_LE(count, 1);
    if (count == 0) return;
    std::vector<int32_t> gone;
    for (const auto& [id, session] : model_) {
      FetchSessionRequest probe = Next(id, -77);
      if (sessions_.Begin(std::move(probe), now_ms_).error ==
          ErrorCode::FETCH_SESSION_ID_NOT_FOUND) {
        gone.push_back(id);
      }
    }
    ASSERT_EQ(gone.size(), 1u);
    const ModelSession& victim = model_.at(gone[0]);
    const bool stale = now_ms_ - victim.last_used_ms > options_.eviction_ms;
    const bool smaller =
        now_ms_ - victim.created_ms > options_.eviction_ms &&
        static_cast<int64_t>(victim.wanted.size()) < new_size;
    ASSERT_TRUE(stale || smaller);
    model_.erase(gone[0]);
  }

  void Wrong() {
    const int32_t id = AnyId();
    auto found = model_.find(id);
    if (found == model_.end()) {
      ASSERT_EQ(sessions_.Begin(Next(id, 1), now_ms_).error,
                ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
      return;
    }
    ASSERT_EQ(
        sessions_.Begin(Next(id, found->second.epoch + 1 + Below(3)), now_ms_)
            .error,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH);
  }

  void Incremental() {
    if (model_.empty()) return;
    const int32_t id = AnyId();
    ModelSession& session = model_[id];
    std::vector<FetchItem> items = SomeItems();
    std::vector<FetchKey> forgotten;
    for (int n = Below(4); n > 0; --n) {
      forgotten.push_back({"t", {}, Below(8)});
    }
    std::map<int32_t, FetchItem> wanted = session.wanted;
    for (const FetchItem& item : items) wanted[item.key.partition] = item;
    const int64_t total =
        sessions_.partition_count() + static_cast<int64_t>(wanted.size()) -
        static_cast<int64_t>(session.wanted.size());
    for (const FetchKey& key : forgotten) {
      wanted.erase(key.partition);
      session.told.erase(key.partition);
    }
    FetchPlan plan =
        sessions_.Begin(Next(id, session.epoch, items, forgotten), now_ms_);
    if (total > options_.max_partitions) {
      ASSERT_EQ(plan.error, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
      model_.erase(id);
      return Check();
    }
    ASSERT_EQ(plan.error, ErrorCode::NONE);
    session.wanted = wanted;
    session.last_used_ms = now_ms_;
    ++session.epoch;
    if (wanted.empty()) {
      ASSERT_EQ(plan.kind, Kind::kNoSession);
      model_.erase(id);
      return Check();
    }
    ASSERT_EQ(plan.kind, Kind::kIncremental);
    ExpectItems(plan, wanted);
    std::vector<FetchedItem> results;
    std::vector<bool> expected;
    for (const FetchItem& item : plan.items) {
      const FetchedItem& result = results.emplace_back(Result());
      auto told = session.told.find(item.key.partition);
      expected.push_back(
          told == session.told.end() || result.has_records ||
          result.error != ErrorCode::NONE ||
          told->second !=
              std::pair(result.high_watermark, result.log_start_offset));
    }
    FetchTelling telling = sessions_.End(plan, results, now_ms_);
    ASSERT_EQ(telling.session_id, id);
    ASSERT_EQ(telling.told, expected);
    Note(plan, results, &session);
    Check();
  }

  void Note(const FetchPlan& plan, const std::vector<FetchedItem>& results,
            ModelSession* session) {
    for (size_t i = 0; i < plan.items.size(); ++i) {
      const int32_t partition = plan.items[i].key.partition;
      if (results[i].error != ErrorCode::NONE) {
        session->told.erase(partition);
      } else {
        session->told[partition] = {results[i].high_watermark,
                                    results[i].log_start_offset};
      }
    }
  }

  static void ExpectItems(const FetchPlan& plan,
                          const std::map<int32_t, FetchItem>& wanted) {
    ASSERT_EQ(plan.items.size(), wanted.size());
    for (const FetchItem& item : plan.items) {
      auto found = wanted.find(item.key.partition);
      ASSERT_NE(found, wanted.end());
      ASSERT_EQ(item, found->second);
    }
  }

  void Check() {
    ASSERT_LE(sessions_.session_count(), options_.max_sessions);
    ASSERT_EQ(sessions_.session_count(), static_cast<int64_t>(model_.size()));
    int64_t partitions = 0;
    for (const auto& [id, session] : model_) {
      partitions += static_cast<int64_t>(session.wanted.size());
    }
    ASSERT_EQ(sessions_.partition_count(), partitions);
    ASSERT_LE(partitions, options_.max_partitions);
  }

  std::mt19937_64 random_;
  const FetchSessionOptions options_;
  FetchSessions sessions_;
  std::map<int32_t, ModelSession> model_;
  int64_t now_ms_ = 1000;
};

TEST(FetchSessions, BehaveAsTheModelDoes) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Model model(seed);
    for (int step = 0; step < 500; ++step) {
      model.Step();
      ASSERT_FALSE(::testing::Test::HasFatalFailure())
          << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace sillok::kafka_door
