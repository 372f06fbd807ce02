// Real coordinator processes, real disks and sockets, real kills.
#include <atomic>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/client/blocking_session.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/coordinator/server/coordinator_process.h"
#include "test/coordinator/server/process_load.h"

namespace sillok::coord {
namespace {

using ::testing::ElementsAre;

using process_test::Connect;
using process_test::CreateSurely;
using process_test::ExistsSurely;
using process_test::ExpectAllThere;
using process_test::kSettings;
using process_test::Load;
using process_test::TestDirectory;

TEST(EnsembleTest, NothingAcknowledgedIsLostWhenLeadersAreKilledUnderLoad) {
  ProcessEnsemble ensemble(TestDirectory(), 3, kSettings);
  Load load(ensemble.servers(), 4);
  load.WaitForMore(100);
  for (int round = 0; round < 3; ++round) {
    int leader = ensemble.WaitForLeader();
    ensemble.Kill(leader);
    ASSERT_NE(ensemble.WaitForLeader(), leader);
    load.WaitForMore(100);
    ensemble.Start(leader);
    load.WaitForMore(50);
  }
  load.Stop();
  ensemble.WaitForLeader();
  std::vector<std::string> paths = load.acknowledged();
  for (int id = 1; id <= 3; ++id) {
    auto session = Connect(ensemble.server(id));
    ASSERT_NE(session, nullptr);
    ASSERT_EQ(session->Sync(), v1::OK);
    ExpectAllThere(*session, paths);
  }
}

TEST(EnsembleTest, ARestartOfAllMembersKeepsEverything) {
  ProcessEnsemble ensemble(TestDirectory(), 3, kSettings);
  std::vector<std::string> paths;
  {
    Load load(ensemble.servers(), 2);
    load.WaitForMore(200);
    // All at once, with writes under way.
    for (int id = 1; id <= 3; ++id) ensemble.Kill(id);
    load.Stop();
    paths = load.acknowledged();
  }
  for (int id = 1; id <= 3; ++id) ensemble.Start(id);
  ensemble.WaitForLeader();
  auto session = Connect(ensemble.servers());
  ASSERT_NE(session, nullptr);
  ExpectAllThere(*session, paths);
}

TEST(EnsembleTest, EphemeralsSurviveALeaderChangeAndVanishWithTheirSession) {
  ProcessEnsemble ensemble(TestDirectory(), 3, kSettings);
  auto observer = Connect(ensemble.servers());
  ASSERT_NE(observer, nullptr);
  auto owner = Connect(ensemble.servers(), 2'000);
  ASSERT_NE(owner, nullptr);
  ASSERT_EQ(owner->Create("/e", "", v1::EPHEMERAL).code, v1::OK);
  uint64_t id = owner->session().session_id();
  int leader = ensemble.WaitForLeader();
  ensemble.Kill(leader);
  ensemble.WaitForLeader();
  // The session is the same one, wherever it is served now.
  EXPECT_EQ(CreateSurely(*owner, "/after", ""), v1::OK);
  EXPECT_EQ(owner->session().session_id(), id);
  EXPECT_EQ(ExistsSurely(*observer, "/e"), v1::OK);
  ensemble.Start(leader);

  // An owner that goes without a word: its session expires.
  Executor executor("test", 1);
  Timer timer;
  Strand strand(&executor);
  std::atomic<bool> created{false};
  SessionOptions options = *ParseConnectString(ensemble.servers());
  options.session_timeout_ms = 1'000;
  auto silent = std::make_unique<Session>(options, &executor, &timer, &strand,
                                          nullptr);
  silent->Create("/silent", "", v1::EPHEMERAL,
                 [&](const CreateResult& result) {
                   created = result.code == v1::OK;
                 });
  ASSERT_TRUE(ProcessEnsemble::Eventually([&] { return created.load(); }));
  silent.reset();
  EXPECT_TRUE(ProcessEnsemble::Eventually(
      [&] { return ExistsSurely(*observer, "/silent") == v1::NO_NODE; }));

  // An owner that closes: at once.
  EXPECT_EQ(owner->Close(), v1::OK);
  EXPECT_EQ(observer->Sync(), v1::OK);
  EXPECT_EQ(ExistsSurely(*observer, "/e"), v1::NO_NODE);
}

TEST(EnsembleTest, AWatchFiresOnceBeforeTheChangeIsSeenAndSurvivesAMove) {
  ProcessEnsemble ensemble(TestDirectory(), 3, kSettings);
  auto writer = Connect(ensemble.servers());
  auto watcher = Connect(ensemble.servers());
  ASSERT_NE(writer, nullptr);
  ASSERT_NE(watcher, nullptr);
  ASSERT_EQ(writer->Create("/a", "0").code, v1::OK);
  ASSERT_EQ(watcher->Sync(), v1::OK);

  // The event and the replies are told on one strand, so this is their order.
  std::mutex mutex;
  std::vector<std::string> told;
  auto tell = [&](const std::string& line) {
    std::lock_guard lock(mutex);
    told.push_back(line);
  };
  auto lines = [&] {
    std::lock_guard lock(mutex);
    return told;
  };
  Session& session = watcher->session();
  session.Get(
      "/a", [&](const v1::WatchEvent& event) { tell("event " + event.path()); },
      [&](const GetResult& got) { tell("get " + got.data); });
  session.SetData("/a", "1", -1,
                  [&](const StatResult&) { tell("set"); });
  session.Get("/a", nullptr,
              [&](const GetResult& got) { tell("get " + got.data); });
  ASSERT_TRUE(
      ProcessEnsemble::Eventually([&] { return lines().size() >= 4; }));
  EXPECT_THAT(lines(), ElementsAre("get 0", "event /a", "set", "get 1"));

  // A watch that is armed when its member dies fires through the next one.
  std::atomic<int> fired{0};
  ASSERT_EQ(watcher->Get("/a", [&](const v1::WatchEvent&) { ++fired; }).code,
            v1::OK);
  int leader = ensemble.WaitForLeader();
  ensemble.Kill(leader);
  ensemble.WaitForLeader();
  v1::CoordCode code = v1::CONNECTION_LOSS;
  ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
    code = writer->SetData("/a", "2").code;
    return code == v1::OK;
  }));
  EXPECT_TRUE(ProcessEnsemble::Eventually([&] { return fired >= 1; }));
  EXPECT_EQ(fired, 1);
  ensemble.Start(leader);
  ensemble.WaitForLeader();
}

TEST(EnsembleTest, AWipedMemberIsFilledByASnapshotAndServes) {
  std::vector<std::string> settings = kSettings;
  settings.push_back("snapCount=1000");
  ProcessEnsemble ensemble(TestDirectory(), 3, settings);
  auto session = Connect(ensemble.servers());
  ASSERT_NE(session, nullptr);
  int leader = ensemble.WaitForLeader();
  int wiped = leader % 3 + 1;
  ensemble.Kill(wiped);
  ensemble.Wipe(wiped);
  // More than the log and the leader's memory keep, so that only a snapshot can
  // help it.
  constexpr int kBatches = 60;
  // Of what cannot be packed, so that the log is trimmed.
  std::mt19937 random(1);
  std::string data(2'500, '\0');
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<std::future<v1::CoordCode>> codes;
    for (int i = 0; i < 200; ++i) {
      for (char& c : data) c = static_cast<char>(random());
      auto promise = std::make_shared<std::promise<v1::CoordCode>>();
      codes.push_back(promise->get_future());
      session->session().Create(
          "/n" + std::to_string(batch * 200 + i), data, v1::PERSISTENT,
          [promise](const CreateResult& r) { promise->set_value(r.code); });
    }
    for (auto& code : codes) {
      v1::CoordCode got = code.get();
      ASSERT_TRUE(got == v1::OK || got == v1::CONNECTION_LOSS) << got;
    }
  }
  ensemble.Start(wiped);
  ensemble.WaitForLeader();
  EXPECT_THAT(ensemble.Log(wiped), testing::HasSubstr("snapshot installed"));
  auto reader = Connect(ensemble.server(wiped));
  ASSERT_NE(reader, nullptr);
  ASSERT_EQ(reader->Sync(), v1::OK);
  EXPECT_EQ(reader->Get("/n" + std::to_string(kBatches * 200 - 1)).data, data);
  EXPECT_EQ(ensemble.Status(wiped).znodes(), ensemble.Status(leader).znodes());
  EXPECT_EQ(ensemble.Terminate(wiped), 0);
}

TEST(EnsembleTest, AStoppedLeaderHandsOverAndASilentOneIsReplaced) {
  ProcessEnsemble ensemble(TestDirectory(), 3, kSettings);
  auto session = Connect(ensemble.servers());
  ASSERT_NE(session, nullptr);
  int leader = ensemble.WaitForLeader();
  EXPECT_EQ(ensemble.Terminate(leader), 0);
  EXPECT_EQ(CreateSurely(*session, "/one", ""), v1::OK);
  ensemble.Start(leader);

  leader = ensemble.WaitForLeader();
  ensemble.Pause(leader);
  EXPECT_EQ(CreateSurely(*session, "/two", ""), v1::OK);
  ensemble.Resume(leader);
  EXPECT_NE(ensemble.WaitForLeader(), leader);
  EXPECT_EQ(ExistsSurely(*session, "/two"), v1::OK);
}

TEST(EnsembleTest, TheClientsOfASilentLeaderAndOfTheOthersGoOnElsewhere) {
  ProcessEnsemble ensemble(TestDirectory(), 3, kSettings);
  const int silent = ensemble.WaitForLeader();
  // Some at each member.
  std::vector<std::unique_ptr<BlockingSession>> sessions;
  ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
    sessions.push_back(Connect(ensemble.servers()));
    for (int id = 1; id <= 3; ++id) {
      if (ensemble.Status(id).connections() == 0) return false;
    }
    return true;
  }));
  ensemble.Pause(silent);
  std::vector<std::future<v1::CoordCode>> writes;
  for (size_t i = 0; i < sessions.size(); ++i) {
    ASSERT_NE(sessions[i], nullptr);
    writes.push_back(std::async(std::launch::async, [&, i] {
      return CreateSurely(*sessions[i], "/w" + std::to_string(i), "");
    }));
  }
  // While it is still silent; and nobody has lost the session over it.
  for (std::future<v1::CoordCode>& write : writes) {
    EXPECT_EQ(write.get(), v1::OK);
  }
  ensemble.Resume(silent);
  EXPECT_NE(ensemble.WaitForLeader(), silent);
  for (size_t i = 0; i < sessions.size(); ++i) {
    EXPECT_EQ(ExistsSurely(*sessions[i], "/w" + std::to_string(i)), v1::OK);
  }
}

TEST(EnsembleTest, ASingleMemberServesAndKeepsItsDataOverAnOrderlyStop) {
  ProcessEnsemble ensemble(TestDirectory(), 1, kSettings);
  {
    auto session = Connect(ensemble.servers());
    ASSERT_NE(session, nullptr);
    EXPECT_EQ(session->CreateParents("/a/b/c"), v1::OK);
    EXPECT_EQ(session->SetData("/a/b/c", "kept").code, v1::OK);
  }
  EXPECT_EQ(ensemble.Terminate(1), 0);
  ensemble.Start(1);
  auto session = Connect(ensemble.servers() + "/a/b");
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->Get("/c").data, "kept");
  EXPECT_THAT(session->GetChildren("/").children, ElementsAre("c"));
}

}  // namespace
}  // namespace sillok::coord
