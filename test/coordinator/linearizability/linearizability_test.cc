// Real coordinators and clients on ZooKeeper's port, while members are killed,
// paused and cut off; then the history is judged.
//
// SILLOK_LINEARIZABILITY_OPERATIONS=1000000 for a long run,
// SILLOK_LINEARIZABILITY_SEED=N for other faults, SILLOK_ZOOKEEPER=debian to
// judge ZooKeeper (whose sync+read may rightly fail).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/linearizability/checker.h"
#include "test/coordinator/linearizability/client.h"
#include "test/coordinator/linearizability/network.h"
#include "test/support/zookeeper/ensemble.h"

namespace sillok::linearizability {
namespace {

constexpr int kMembers = 3;
constexpr int kClients = 12;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

// The one who breaks things, one after the other, with a rest in between. Runs
// on the thread that started the members: they end with it.
class Nemesis {
 public:
  Nemesis(zk::Ensemble* ensemble, Network* network, uint64_t seed)
      : ensemble_(ensemble), network_(network), random_(seed) {}

  void Strike(const std::function<bool()>& over) {
    const int member = 1 + Below(kMembers);
    const int leader = Leader();
    const int victim = Below(2) == 0 && leader != 0 ? leader : member;
    switch (Below(network_ == nullptr ? 3 : 8)) {
      case 0:
      case 1:
        Kill(victim, over);
        break;
      case 2:
        Note("pause");
        ensemble_->Pause(victim);
        Rest(500, 2500, over);
        ensemble_->Resume(victim);
        break;
      case 3:
      case 4:
        Note("isolate");
        network_->Isolate(victim);
        Rest(700, 2500, over);
        break;
      case 5:
        Note("cut one pair");
        network_->CutBoth(victim, 1 + victim % kMembers);
        Rest(700, 2500, over);
        break;
      case 6:
        Note("cut one way");
        network_->Cut(victim, 1 + victim % kMembers);
        if (Below(2) == 0) network_->Cut(victim, 1 + (victim + 1) % kMembers);
        Rest(700, 2500, over);
        break;
      default:
        Note("isolate and kill another");
        network_->Isolate(victim);
        Kill(1 + victim % kMembers, over);
        break;
    }
    if (network_ != nullptr) network_->Heal();
    Rest(300, 2500, over);
  }

  const std::map<std::string, int>& done() const { return done_; }

 private:
  int Below(int bound) {
    return static_cast<int>(random_() % static_cast<uint64_t>(bound));
  }
  void Note(const std::string& what) { ++done_[what]; }

  int Leader() const {
    for (int id = 1; id <= kMembers; ++id) {
      if (ensemble_->Mode(id) == "leader") return id;
    }
    return 0;
  }

  void Kill(int member, const std::function<bool()>& over) {
    Note("kill");
    ensemble_->Kill(member);
    Rest(100, 1500, over);
    ensemble_->Start(member);
  }

  void Rest(int least_ms, int most_ms, const std::function<bool()>& over) {
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(
                         least_ms + Below(most_ms - least_ms));
    while (!over() && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  zk::Ensemble* ensemble_;
  Network* network_;
  std::mt19937_64 random_;
  std::map<std::string, int> done_;
};

void MakeNode(const zk::Address& address, const std::string& path) {
  zk::Connection connection;
  auto response = connection.Connect(address, {}, 10'000);
  ASSERT_TRUE(response.has_value() && response->timeout_ms > 0);
  zk::Op create;
  create.op = zk::kCreate;
  create.path = path;
  ASSERT_TRUE(connection.SendFrame(zk::EncodeRequest(1, create)));
  std::string frame;
  ASSERT_EQ(connection.ReceiveFrame(10'000, &frame),
            zk::Connection::Outcome::kFrame);
}

// How many ephemerals are left, -1 = no answer.
int CountEphemerals(const zk::Address& address) {
  zk::Connection connection;
  auto response = connection.Connect(address, {}, 5'000);
  if (!response.has_value() || response->timeout_ms <= 0) return -1;
  zk::Op sync, list;
  sync.op = zk::kSync;
  list.op = zk::kGetChildren;
  sync.path = list.path = "/lin-e";
  std::string frame;
  connection.SendFrame(zk::EncodeRequest(1, sync));
  connection.SendFrame(zk::EncodeRequest(2, list));
  for (int i = 0; i < 2; ++i) {
    if (connection.ReceiveFrame(5'000, &frame) !=
        zk::Connection::Outcome::kFrame) {
      return -1;
    }
  }
  zk::Reader reader(frame);
  if (zk::ReadReplyHeader(&reader).error != zk::kOk) return -1;
  return static_cast<int>(reader.Strings().size());
}

TEST(LinearizabilityTest, NoOperationIsLostOldOrOutOfOrderUnderFaults) {
  std::string why_not;
  auto network = std::make_unique<Network>(kMembers, &why_not);
  zk::EnsembleSpec spec;
  spec.kind = zk::Ensemble::KindFromEnvironment();
  spec.directory = testing::TempDir() + "/linearizability";
  // Started by hand, it may find what an earlier run has left.
  std::filesystem::remove_all(spec.directory);
  std::filesystem::create_directories(spec.directory);
  spec.members = kMembers;
  if (why_not.empty()) {
    spec.hosts = network->hosts();
    spec.namespaces = network->namespaces();
  } else {
    std::printf("without partitions: %s\n", why_not.c_str());
    network = nullptr;
  }
  zk::Ensemble ensemble(spec);
  ensemble.WaitForLeader();

  Work work;
  work.operations =
      FromEnvironment("SILLOK_LINEARIZABILITY_OPERATIONS", 20'000);
  for (int id = 1; id <= kMembers; ++id) {
    work.servers.push_back(ensemble.address(id));
  }
  MakeNode(work.servers[0], "/lin");
  MakeNode(work.servers[0], "/lin-e");
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(i, &work));
  }
  for (auto& client : clients) {
    threads.emplace_back([&client] { client->Run(); });
  }
  Nemesis nemesis(
      &ensemble, network.get(),
      static_cast<uint64_t>(FromEnvironment("SILLOK_LINEARIZABILITY_SEED", 1)));
  auto over = [&] { return work.begun >= work.operations; };
  // Whoever makes no progress must end too.
  int64_t before = -1;
  int idle_strikes = 0;
  while (!over() && idle_strikes < 20) {
    nemesis.Strike(over);
    idle_strikes = work.acknowledged == before ? idle_strikes + 1 : 0;
    before = work.acknowledged;
  }
  work.stop = idle_strikes >= 20;
  EXPECT_FALSE(work.stop) << "no progress; the members say:\n"
                          << ensemble.Log(1) << ensemble.Log(2)
                          << ensemble.Log(3);
  for (std::thread& thread : threads) thread.join();
  ensemble.WaitForLeader();

  const auto keys = static_cast<int32_t>(
      work.operations / work.operations_per_key + work.keys_at_once);
  EXPECT_TRUE(clients[0]->ReadAll(0, keys));
  for (auto& client : clients) client->Close();
  // The sessions that nobody closed expire.
  EXPECT_TRUE(zk::Ensemble::Eventually(
      [&] { return CountEphemerals(work.servers[0]) == 0; }))
      << CountEphemerals(work.servers[0]) << " ephemerals outlive all sessions";

  History history;
  int64_t expired = 0, reattached = 0, fired = 0;
  for (auto& client : clients) {
    history.insert(history.end(), client->history().begin(),
                   client->history().end());
    for (const std::string& what : client->violations()) {
      ADD_FAILURE() << what;
    }
    expired += client->sessions_expired();
    reattached += client->reattached();
    fired += client->watches_fired();
  }
  const Findings findings = Check(history);
  for (const std::string& what : findings.violations) ADD_FAILURE() << what;
  std::printf(
      "%zu operations (%zu acknowledged writes, %zu reads, %zu unknown) on %zu "
      "keys, %zu of them undecided by search, %zu steps excused; %ld sessions "
      "expired, %ld moved, %ld events\n",
      history.size(), findings.acknowledged_writes, findings.reads,
      findings.unknown, findings.keys, findings.undecided_keys,
      findings.excused, expired, reattached, fired);
  for (const auto& [what, times] : nemesis.done()) {
    std::printf("  %s: %d\n", what.c_str(), times);
  }
  EXPECT_EQ(findings.violation_count, 0u);
  EXPECT_GT(findings.acknowledged_writes, history.size() / 10);
  EXPECT_LT(findings.undecided_keys, 1 + findings.keys / 20);
}

}  // namespace
}  // namespace sillok::linearizability
