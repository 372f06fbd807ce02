#include "broker/journal/journaled_state.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "proto/record/record_batch.h"
#include "test/broker/journal/fake_replicated_log.h"

namespace sillok {
namespace {

using State = std::map<std::string, std::string>;

// A key-value map kept in a journal, on a strand that the test runs by hand.
class Node final : public JournaledMachine {
 public:
  explicit Node(const Clock* clock, JournalOptions options = {})
      : journal("test-0", options, clock,
                [this](std::function<void()> task) {
                  tasks.push_back(std::move(task));
                },
                this) {}

  void Drop(ErrorCode reason) override {
    drops.push_back(reason);
    state.clear();
  }
  void Replay(const ReplayedRecord& record) override {
    if (record.transaction != kNoProducerId) {
      transactions.push_back(std::string(record.key));
      return;
    }
    Set(std::string(record.key),
        record.value ? std::optional<std::string>(*record.value)
                     : std::nullopt);
  }
  void ReplayMarker(ProducerId producer, bool committed) override {
    transactions.push_back((committed ? "commit " : "abort ") +
                           std::to_string(producer.value()));
  }
  void OnLoaded() override { ++loads; }

  void Set(const std::string& key, std::optional<std::string> value) {
    if (value) {
      state[key] = *value;
    } else {
      state.erase(key);
    }
  }
  // Appends key=value; what becomes of it is noted in `answers` and `settled`.
  void Put(const std::string& key, std::optional<std::string> value) {
    JournalEntry entry;
    entry.records = {{key, value}};
    entry.settle = [this, key, value](Offset base) {
      settled.push_back(key + "@" + std::to_string(base.value()));
      if (base != kNoOffset) Set(key, value);
    };
    entry.reply = [this, key](ErrorCode error) {
      answers.push_back(key + ":" + ErrorName(error));
    };
    journal.Append(std::move(entry));
  }
  void RunAll() {
    while (!tasks.empty()) RunOne();
  }
  void RunOne() {
    auto task = std::move(tasks.front());
    tasks.pop_front();
    task();
  }

  std::deque<std::function<void()>> tasks;
  State state;
  std::vector<std::string> answers;
  std::vector<std::string> settled;
  std::vector<std::string> transactions;
  std::vector<ErrorCode> drops;
  int loads = 0;
  JournaledState journal;
};

class JournaledStateTest : public testing::Test {
 protected:
  void Lead(Node& node, bool truncate = false, int64_t lag = 0) {
    auto leader = log->Elect(truncate, lag);
    node.journal.Lead(log->epoch(), leader);
    node.RunAll();
  }

  FakeClock clock;
  std::shared_ptr<FakeReplicatedLog> log =
      std::make_shared<FakeReplicatedLog>();
  Node node{&clock};
};

using Strings = std::vector<std::string>;

TEST_F(JournaledStateTest, AnswersNotCoordinatorUntilItLeads) {
  EXPECT_EQ(node.journal.Check(), ErrorCode::NOT_COORDINATOR);
}

TEST_F(JournaledStateTest, AnEmptyLogIsLoadedAtOnce) {
  Lead(node);
  EXPECT_EQ(node.journal.Check(), ErrorCode::NONE);
  EXPECT_EQ(node.loads, 1);
}

TEST_F(JournaledStateTest, AppliesAndAnswersOnlyPastTheHighWatermark) {
  Lead(node);
  log->set_replicates_by_itself(false);
  node.Put("a", "1");
  node.Put("b", "2");
  node.RunAll();
  EXPECT_TRUE(node.answers.empty());
  EXPECT_TRUE(node.state.empty());
  log->Replicate(1);
  node.RunAll();
  EXPECT_EQ(node.answers, Strings{"a:NONE"});
  EXPECT_EQ(node.state, (State{{"a", "1"}}));
  log->Replicate(1);
  node.RunAll();
  EXPECT_EQ(node.answers, (Strings{"a:NONE", "b:NONE"}));
  EXPECT_EQ(node.settled, (Strings{"a@0", "b@1"}));
}

TEST_F(JournaledStateTest, AReplayGivesTheStateThatWasAnswered) {
  Lead(node);
  node.Put("a", "1");
  node.Put("b", "2");
  node.Put("a", "3");
  node.Put("b", std::nullopt);
  node.RunAll();
  Node next(&clock);
  Lead(next);
  EXPECT_EQ(next.state, (State{{"a", "3"}}));
  EXPECT_EQ(next.state, node.state);
}

TEST_F(JournaledStateTest, ALoadTakesSmallStepsAndAnswersLoadInProgress) {
  Lead(node);
  for (int i = 0; i < 100; ++i) node.Put("key" + std::to_string(i), "v");
  node.RunAll();
  JournalOptions options;
  options.load_step_bytes = 1;  // a batch at a time
  Node next(&clock, options);
  auto leader = log->Elect();
  next.journal.Lead(log->epoch(), leader);
  int steps = 0;
  while (!next.tasks.empty()) {
    EXPECT_EQ(next.journal.Check(), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    EXPECT_EQ(next.loads, 0);
    next.RunOne();
    ++steps;
  }
  EXPECT_GE(steps, 100);
  EXPECT_EQ(next.state.size(), 100u);
  EXPECT_EQ(next.loads, 1);
}

// The old leader answered "a" when it was on all replicas; the new one does not
// know yet that the high watermark had come so far. If it answered from what is
// below the mark it knows, an answered commit would have vanished.
TEST_F(JournaledStateTest, ANewLeaderWaitsForTheHighWatermarkItsLogEndOwes) {
  Lead(node);
  node.Put("a", "1");
  node.RunAll();
  ASSERT_EQ(node.answers, Strings{"a:NONE"});
  log->set_replicates_by_itself(false);
  Node next(&clock);
  Lead(next, /*truncate=*/false, /*lag=*/1);
  EXPECT_EQ(next.journal.Check(), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
  EXPECT_TRUE(next.state.empty());
  log->Replicate();
  next.RunAll();
  EXPECT_EQ(next.journal.Check(), ErrorCode::NONE);
  EXPECT_EQ(next.state, (State{{"a", "1"}}));
}

TEST_F(JournaledStateTest, LeaderMovesMidCommit_TheUnansweredMayLiveOrDie) {
  for (const bool truncated : {false, true}) {
    log = std::make_shared<FakeReplicatedLog>();
    Node first(&clock);
    Lead(first);
    first.Put("answered", "1");
    first.RunAll();
    log->set_replicates_by_itself(false);
    first.Put("unanswered", "2");
    first.RunAll();
    EXPECT_EQ(first.answers, Strings{"answered:NONE"});

    log->set_replicates_by_itself(true);
    auto leader = log->Elect(truncated);
    log->Replicate();
    first.RunAll();
    EXPECT_EQ(first.answers,
              (Strings{"answered:NONE", "unanswered:NOT_COORDINATOR"}));
    EXPECT_EQ(first.journal.Check(), ErrorCode::NOT_COORDINATOR);
    EXPECT_TRUE(first.state.empty()) << "the old leader must forget";

    Node second(&clock);
    second.journal.Lead(log->epoch(), leader);
    second.RunAll();
    State expected{{"answered", "1"}};
    if (!truncated) expected["unanswered"] = "2";
    EXPECT_EQ(second.state, expected);
  }
}

TEST_F(JournaledStateTest, ResigningFailsWhatIsInFlightAndDropsTheState) {
  Lead(node);
  log->set_replicates_by_itself(false);
  node.Put("a", "1");
  node.RunAll();
  node.journal.Resign(LeaderEpoch(2));
  EXPECT_EQ(node.answers, Strings{"a:NOT_COORDINATOR"});
  EXPECT_EQ(node.drops, std::vector<ErrorCode>{ErrorCode::NOT_COORDINATOR});
  EXPECT_EQ(node.journal.Check(), ErrorCode::NOT_COORDINATOR);
  EXPECT_TRUE(node.settled.empty());
  // The append's own end comes later and must change nothing.
  log->Replicate();
  node.RunAll();
  EXPECT_EQ(node.answers.size(), 1u);
  EXPECT_TRUE(node.state.empty());
}

TEST_F(JournaledStateTest, ALateLoadDoesNotResurrectADroppedState) {
  Lead(node);
  node.Put("a", "1");
  node.RunAll();
  Node next(&clock);
  auto leader = log->Elect();
  next.journal.Lead(log->epoch(), leader);
  ASSERT_FALSE(next.tasks.empty());  // the load is posted
  next.journal.Resign(LeaderEpoch(log->epoch().value() + 1));
  next.RunAll();
  EXPECT_EQ(next.journal.Check(), ErrorCode::NOT_COORDINATOR);
  EXPECT_TRUE(next.state.empty());
  EXPECT_EQ(next.loads, 0);
}

TEST_F(JournaledStateTest, OlderEpochsNeitherLeadNorResign) {
  auto first = log->Elect();
  auto second = log->Elect();
  node.journal.Lead(LeaderEpoch(2), second);
  node.RunAll();
  node.journal.Lead(LeaderEpoch(1), first);
  node.journal.Resign(LeaderEpoch(1));
  node.RunAll();
  EXPECT_EQ(node.journal.Check(), ErrorCode::NONE);
  EXPECT_EQ(node.journal.epoch(), LeaderEpoch(2));
  node.journal.Resign(LeaderEpoch(3));
  node.journal.Lead(LeaderEpoch(3), second);  // told late
  node.RunAll();
  EXPECT_EQ(node.journal.Check(), ErrorCode::NOT_COORDINATOR);
}

TEST_F(JournaledStateTest, ReelectedInANewEpochItLoadsAnew) {
  Lead(node);
  node.Put("a", "1");
  node.RunAll();
  Lead(node);
  EXPECT_EQ(node.loads, 2);
  EXPECT_EQ(node.drops.size(), 1u);
  EXPECT_EQ(node.state, (State{{"a", "1"}}));
}

struct AppendError {
  ErrorCode from_partition;
  ErrorCode answer;
};

TEST_F(JournaledStateTest, RefusedAppendsAnswerAndLeaveTheStateAlone) {
  const AppendError table[] = {
      {ErrorCode::NOT_ENOUGH_REPLICAS, ErrorCode::COORDINATOR_NOT_AVAILABLE},
      {ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
       ErrorCode::COORDINATOR_NOT_AVAILABLE},
      {ErrorCode::MESSAGE_TOO_LARGE, ErrorCode::MESSAGE_TOO_LARGE},
      {ErrorCode::RECORD_LIST_TOO_LARGE, ErrorCode::MESSAGE_TOO_LARGE},
      {ErrorCode::CORRUPT_MESSAGE, ErrorCode::UNKNOWN_SERVER_ERROR},
  };
  Lead(node);
  for (const AppendError& row : table) {
    node.answers.clear();
    node.settled.clear();
    log->FailNextAppend(row.from_partition, /*appended=*/false);
    node.Put("x", "1");
    node.RunAll();
    EXPECT_EQ(node.answers, Strings{"x:" + ErrorName(row.answer)});
    EXPECT_EQ(node.settled, Strings{"x@-1"});
    EXPECT_TRUE(node.state.empty());
    EXPECT_EQ(node.journal.Check(), ErrorCode::NONE) << "it goes on";
  }
  node.Put("y", "2");
  node.RunAll();
  EXPECT_EQ(node.state, (State{{"y", "2"}}));
}

TEST_F(JournaledStateTest, ALostLeadershipOrABrokenLogDeposes) {
  for (const ErrorCode error :
       {ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::KAFKA_STORAGE_ERROR}) {
    Lead(node);
    node.answers.clear();
    log->FailNextAppend(error, /*appended=*/false);
    node.Put("x", "1");
    node.RunAll();
    EXPECT_EQ(node.answers, Strings{"x:NOT_COORDINATOR"});
    EXPECT_EQ(node.journal.Check(), ErrorCode::NOT_COORDINATOR);
  }
}

// "Not known" is answered, but the record is in the log: when it is committed
// after all, the state has it, as a replay would.
TEST_F(JournaledStateTest, AnUnknownFateIsFollowedToItsEnd) {
  Lead(node);
  log->set_replicates_by_itself(false);
  log->FailNextAppend(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, true);
  node.Put("a", "1");
  node.Put("b", "2");
  node.RunAll();
  EXPECT_EQ(node.answers, Strings{"a:COORDINATOR_NOT_AVAILABLE"});
  EXPECT_TRUE(node.state.empty());
  log->Replicate();
  node.RunAll();
  EXPECT_EQ(node.state, (State{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(node.answers,
            (Strings{"a:COORDINATOR_NOT_AVAILABLE", "b:NONE"}));
  Node replayed(&clock);
  Lead(replayed);
  EXPECT_EQ(replayed.state, node.state);
}

TEST_F(JournaledStateTest, AReplyTimesOutButTheChangeStillHappensOnce) {
  Lead(node);
  log->set_replicates_by_itself(false);
  node.Put("a", "1");
  clock.Advance(1'000);
  node.Put("b", "2");
  node.RunAll();
  EXPECT_EQ(node.journal.next_deadline_ms(), clock.MonotonicMs() + 4'000);
  clock.Advance(4'000);
  node.journal.OnTime();
  EXPECT_EQ(node.answers, Strings{"a:COORDINATOR_NOT_AVAILABLE"});
  EXPECT_EQ(node.journal.next_deadline_ms(), clock.MonotonicMs() + 1'000);
  log->Replicate();
  node.RunAll();
  EXPECT_EQ(node.answers,
            (Strings{"a:COORDINATOR_NOT_AVAILABLE", "b:NONE"}));
  EXPECT_EQ(node.state, (State{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(node.journal.next_deadline_ms(), kNeverMs);
  EXPECT_EQ(node.journal.in_flight(), 0u);
}

TEST_F(JournaledStateTest, AFullQueueRefusesInsteadOfGrowing) {
  JournalOptions options;
  options.max_in_flight = 2;
  Node small(&clock, options);
  Lead(small);
  log->set_replicates_by_itself(false);
  for (const char* key : {"a", "b", "c"}) small.Put(key, "1");
  small.RunAll();
  EXPECT_EQ(small.answers, Strings{"c:COORDINATOR_NOT_AVAILABLE"});
  EXPECT_EQ(small.settled, Strings{"c@-1"});
  log->Replicate();
  small.RunAll();
  EXPECT_EQ(small.state, (State{{"a", "1"}, {"b", "1"}}));
}

TEST_F(JournaledStateTest, AReadErrorIsTriedAgainLater) {
  Lead(node);
  node.Put("a", "1");
  node.RunAll();
  log->FailNextRead(ErrorCode::KAFKA_STORAGE_ERROR);
  Node next(&clock);
  Lead(next);
  EXPECT_EQ(next.journal.Check(), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
  EXPECT_EQ(next.journal.next_deadline_ms(), clock.MonotonicMs() + 100);
  clock.Advance(100);
  next.journal.OnTime();
  next.RunAll();
  EXPECT_EQ(next.journal.Check(), ErrorCode::NONE);
  EXPECT_EQ(next.state, (State{{"a", "1"}}));
}

TEST_F(JournaledStateTest, ADamagedBatchIsNeverServedAsLoaded) {
  Lead(node);
  node.Put("a", "1");
  node.Put("b", "2");
  node.RunAll();
  log->FlipByteOfLastBatch(3);
  Node next(&clock);
  Lead(next);
  EXPECT_EQ(next.journal.Check(), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
  for (int i = 0; i < 3; ++i) {
    clock.Advance(100);
    next.journal.OnTime();
    next.RunAll();
  }
  EXPECT_EQ(next.journal.Check(), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
  log->FlipByteOfLastBatch(3);  // restored from another replica
  clock.Advance(100);
  next.journal.OnTime();
  next.RunAll();
  EXPECT_EQ(next.state, (State{{"a", "1"}, {"b", "2"}}));
}

TEST_F(JournaledStateTest, ALogThatBeginsLateIsReadFromItsStart) {
  Lead(node);
  for (const char* key : {"a", "b", "c"}) node.Put(key, "1");
  node.RunAll();
  log->AdvanceStart(2);
  Node next(&clock);
  Lead(next);
  EXPECT_EQ(next.journal.Check(), ErrorCode::NONE);
  EXPECT_EQ(next.state, (State{{"c", "1"}}));
}

TEST_F(JournaledStateTest, AnEmptyTailBelowTheHighWatermarkEndsTheLoad) {
  Lead(node);
  node.Put("a", "1");
  node.RunAll();
  log->AdvanceStart(1);  // nothing is left, offsets go on
  Node next(&clock);
  Lead(next);
  EXPECT_EQ(next.journal.Check(), ErrorCode::NONE);
}

TEST_F(JournaledStateTest, TransactionsAndMarkersReachTheMachineInOrder) {
  record::BatchOptions options;
  options.producer_id = ProducerId(7);
  options.producer_epoch = ProducerEpoch(0);
  options.base_sequence = 0;
  options.transactional = true;
  record::BatchBuilder builder(options);
  builder.Append(1, "offset", "1");
  log->Preload(builder.Build().value());
  log->Preload(record::BuildControlBatch({record::ControlType::kCommit, 0},
                                         ProducerId(7), ProducerEpoch(0), 2));
  log->Preload(record::BuildControlBatch({record::ControlType::kAbort, 0},
                                         ProducerId(9), ProducerEpoch(0), 3));
  Lead(node);
  EXPECT_EQ(node.transactions, (Strings{"offset", "commit 7", "abort 9"}));
}

}  // namespace
}  // namespace sillok
