// `sillok coord` against real members: what it does, says and answers.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "coordinator/client/blocking_session.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "test/cluster/run_command.h"
#include "test/coordinator/server/coordinator_process.h"
#include "tools/coord_text.h"

namespace sillok::tools {
namespace {

using cluster_test::CommandOutcome;
using coord::BlockingSession;
using coord::ProcessEnsemble;
using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CoordCliTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string directory = testing::TempDir() + "/coord-cli";
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    ensemble_ = std::make_unique<ProcessEnsemble>(
        directory, 3, std::vector<std::string>{"tickTime=500"});
  }
  static void TearDownTestSuite() { ensemble_ = nullptr; }
  void SetUp() override {
    root_ = std::string("/") +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    session_ = *BlockingSession::Connect(
        *coord::ParseConnectString(ensemble_->servers()), 30'000);
    ASSERT_EQ(session_->Create(root_, "top").code, v1::OK);
  }

  // `R` in the arguments is this test's own path.
  std::string Line(std::string arguments) {
    for (size_t at = 0; (at = arguments.find("R/", at)) != std::string::npos;) {
      bool word = at == 0 || arguments[at - 1] == ' ' ||
                  arguments[at - 1] == '=' || arguments[at - 1] == '\'';
      if (word) arguments.replace(at, 2, root_ + "/");
      at += word ? root_.size() : 2;
    }
    return "tools/sillok --timeout 20 --coordinators " + ensemble_->servers() +
           " coord " + arguments;
  }
  CommandOutcome Coord(const std::string& arguments,
                       const std::string& input = "") {
    return cluster_test::RunCommand(Line(arguments), input);
  }
  json Json(const std::string& arguments) {
    CommandOutcome outcome = Coord(arguments + " --json");
    EXPECT_EQ(outcome.code, 0) << arguments << ": " << outcome.err;
    json document = json::parse(outcome.out, nullptr, /*exceptions=*/false);
    EXPECT_FALSE(document.is_discarded()) << arguments << ": " << outcome.out;
    return document;
  }
  std::string Data(const std::string& below) {
    session_->Sync();
    return session_->Get(root_ + below).data;
  }

  static std::unique_ptr<ProcessEnsemble> ensemble_;
  std::string root_;
  std::unique_ptr<BlockingSession> session_;
};
std::unique_ptr<ProcessEnsemble> CoordCliTest::ensemble_;

// A command that runs on until it is told to end.
class Running {
 public:
  explicit Running(const std::string& line)
      : file_(testing::TempDir() + "/running-" + std::to_string(getpid()) +
              "-" + std::to_string(++count_)) {
    pid_ = fork();
    if (pid_ == 0) {
      execl("/bin/sh", "sh", "-c",
            ("exec " + line + " >" + file_ + ".out 2>" + file_ + ".err").c_str(),
            nullptr);
      _exit(127);
    }
  }
  ~Running() {
    if (pid_ > 0) End(SIGKILL);
  }
  bool Says(const std::string& text) {
    return ProcessEnsemble::Eventually([&] {
      return (Out() + Err()).find(text) != std::string::npos;
    });
  }
  // Its exit code.
  int End(int signal) {
    if (signal != 0) kill(pid_, signal);
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string Out() { return cluster_test::ReadWholeFile(file_ + ".out"); }
  std::string Err() { return cluster_test::ReadWholeFile(file_ + ".err"); }

 private:
  static inline int count_ = 0;
  std::string file_;
  pid_t pid_;
};

TEST_F(CoordCliTest, ZnodesAreCreatedReadWrittenAndRemoved) {
  CommandOutcome made = Coord("create R/a hello");
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out, root_ + "/a\n");
  EXPECT_EQ(Coord("get R/a").out, "hello\n");
  EXPECT_EQ(Coord("set R/a -v 0 bye").code, 0);
  EXPECT_EQ(Coord("set R/a -s --file /dev/stdin", "from a file").out,
            "version 2\n");
  EXPECT_EQ(Data("/a"), "from a file");
  EXPECT_EQ(Coord("set R/a -", "from stdin").code, 0);
  EXPECT_EQ(Data("/a"), "from stdin");
  json got = Json("get R/a");
  EXPECT_EQ(got["data"], "from stdin");
  EXPECT_EQ(got["stat"]["version"], 3);
  EXPECT_THAT(Coord("get -s R/a").out, ContainsRegex("\nversion +3\n"));
  EXPECT_EQ(Json("stat R/a")["data_length"], 10);
  EXPECT_EQ(Coord("set R/a --null").code, 0);
  EXPECT_EQ(Json("get R/a")["data"], nullptr);
  EXPECT_EQ(Coord("get R/a").err, root_ + "/a has no data\n");
  EXPECT_EQ(Coord("create -s R/n-").out, root_ + "/n-0000000001\n");
  EXPECT_EQ(Coord("create --parents R/x/y/z").code, 0);
  EXPECT_EQ(Coord("ls R/x -R").out, root_ + "/x/y\n" + root_ + "/x/y/z\n");
  EXPECT_EQ(Json("ls R/x"), json({"y"}));
  EXPECT_EQ(Json("ls R/x -s")[0]["stat"]["num_children"], 1);
  EXPECT_EQ(Coord("count R/x").out, "2\n");
  EXPECT_EQ(Coord("tree R/x").out,
            root_ + "/x\n└─ y\n   └─ z\n");
  EXPECT_EQ(Json("tree R/x -L 1")["children"][0]["children"], json::array());
  EXPECT_EQ(Coord("sync").code, 0);
  EXPECT_EQ(Coord("rm R/a").code, 0);
  EXPECT_EQ(Coord("rm -R R/x").code, 2) << "nobody to ask";
  EXPECT_EQ(Json("rm -R R/x --yes")["removed"], 3);
  EXPECT_EQ(Coord("rm -f R/x").code, 0);
}

TEST_F(CoordCliTest, KindsOfZnodesAndTheirLives) {
  EXPECT_EQ(Coord("create -c R/container").code, 0);
  EXPECT_EQ(Coord("create -t 1h R/ttl x").code, 0);
  CommandOutcome refused = Coord("create -e R/e");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("say --hold to keep it until Ctrl-C"));
  {
    Running held(Line("create -e R/e mine --hold"));
    ASSERT_TRUE(held.Says("until Ctrl-C")) << held.Err();
    EXPECT_EQ(held.Out(), root_ + "/e\n");
    EXPECT_EQ(Data("/e"), "mine");
    bool listed = false;
    for (const json& one : Json("sessions")) {
      listed = listed || one["ephemerals"] == 1;
    }
    EXPECT_TRUE(listed);
    EXPECT_EQ(held.End(SIGINT), 0);
    session_->Sync();
    EXPECT_EQ(session_->Exists(root_ + "/e").code, v1::NO_NODE);
  }
}

// Everything a user can get wrong, and the one line that says so.
TEST_F(CoordCliTest, WhatIsWrongIsSaidInOneLine) {
  ASSERT_EQ(session_->Create(root_ + "/a", "").code, v1::OK);
  ASSERT_EQ(session_->Create(root_ + "/a/b", "").code, v1::OK);
  ASSERT_EQ(session_->Create(root_ + "/e", "", v1::EPHEMERAL).code, v1::OK);
  const std::string a = root_ + "/a";
  struct Case {
    std::string arguments;
    int code;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"get R/nope", 1, "NO_NODE: " + root_ + "/nope does not exist"},
      {"ls R/nope", 1, "NO_NODE: " + root_ + "/nope does not exist"},
      {"tree R/nope", 1, "NO_NODE: " + root_ + "/nope does not exist"},
      {"stat R/nope", 1, "NO_NODE: " + root_ + "/nope does not exist"},
      {"set R/nope x", 1, "NO_NODE: " + root_ + "/nope does not exist"},
      {"rm R/nope", 1, "NO_NODE: " + root_ + "/nope does not exist"},
      {"rm -R -y R/nope", 1, "NO_NODE: " + root_ + "/nope does not exist"},
      {"acl get R/nope", 1, "NO_NODE: " + root_ + "/nope does not exist"},
      {"create R/no/where", 1,
       "NO_NODE: " + root_ + "/no does not exist, so " + root_ +
           "/no/where has no place; --parents makes it"},
      {"create R/a", 1, "NODE_EXISTS: " + a + " exists already"},
      {"create R/e/below", 1,
       "NO_CHILDREN_FOR_EPHEMERALS: " + root_ +
           "/e is ephemeral and can have no children"},
      {"rm R/a", 1, "NOT_EMPTY: " + a + " has children; -R removes them too"},
      {"set R/a -v 7 x", 1, "BAD_VERSION: " + a + " has not version 7"},
      {"rm R/a/b -v 7", 1, "BAD_VERSION: " + a + "/b has not version 7"},
      {"get a", 1, "BAD_ARGUMENTS: 'a' is no path: one begins with /"},
      {"get R/a/", 1, "is no path: none ends with /"},
      {"get R/a//b", 1, "there is an empty name in it"},
      {"create R/a/../b", 1, "'..' is no name"},
      {"rm /", 1, "BAD_ARGUMENTS: / itself cannot be removed"},
      {"acl set R/a world:anyone", 2, "'world:anyone' is no ACL"},
      {"acl set R/a world:anyone:q", 2, "'q' in 'q' is no permission"},
      {"acl set R/a nosuch:x:r", 1, "INVALID_ACL: " + a},
      {"acl set R/a auth::r -v 9", 1, "INVALID_ACL: " + a},
      {"acl set R/a world:anyone:cdrwa -v 9", 1, "BAD_VERSION: " + a},
      {"create R/t -t never", 2, "'never' is no time to live"},
      {"create R/t -t 1s -e", 2, "--ttl goes with neither"},
      {"create R/t -c -s", 2, "--container goes with neither"},
      {"set R/a", 2, "set takes DATA"},
      {"set R/a x --null", 2, "take one"},
      {"set R/a --file /no/such", 2, "/no/such: No such file"},
      {"set R/a -v x y", 2, "'x' is not allowed"},
      {"watch R/a -m always", 2, "always not in"},
      {"remove 1", 2, "would ask: remove member 1"},
      {"transfer 77", 2, "there is no member 77; they are 1, 2, 3"},
      {"restore /no/such --data /tmp/x --id 1", 1, "/no/such"},
      {"restore /no/such", 2, "restore takes --data DIR"},
      {"snapshot /no/such/dir/file", 1, "/no/such/dir/file"},
      {"--auth nocolon ls /", 2, "--auth takes scheme:credentials"},
      {"--auth nosuch:x ls /", 1, "AUTH_FAILED: /"},
      {"--dir /no/such ls /", 1, "/no/such"},
      {"frob /", 2, "frob"},
      {"get", 2, "PATH is required"},
  };
  for (const Case& c : cases) {
    CommandOutcome outcome = Coord(c.arguments);
    EXPECT_EQ(outcome.code, c.code) << c.arguments << ": " << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("sillok: ")) << c.arguments;
    EXPECT_THAT(outcome.err, HasSubstr(c.says)) << c.arguments;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1)
        << c.arguments << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "") << c.arguments;
  }
}

TEST_F(CoordCliTest, CoordinatorsThatAreNotThereAreNamed) {
  for (const char* command :
       {"ls /", "status", "members", "sessions", "transfer", "watch /",
        "snapshot /tmp/never", "shell"}) {
    CommandOutcome outcome = cluster_test::RunCommand(
        std::string("tools/sillok --coordinators 127.0.0.1:1 --timeout 0.3 "
                    "coord ") +
        command);
    EXPECT_EQ(outcome.code, 3) << command << ": " << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("127.0.0.1:1")) << command;
    EXPECT_EQ(outcome.out, "") << command;
  }
  CommandOutcome wrong = cluster_test::RunCommand(
      "tools/sillok --coordinators nohost coord ls /");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("'nohost' is not host:port"));
}

TEST_F(CoordCliTest, AclsGrantAndRefuse) {
  ASSERT_EQ(session_->Create(root_ + "/safe", "secret").code, v1::OK);
  EXPECT_EQ(Coord("acl get R/safe").out, "world:anyone:cdrwa\n");
  EXPECT_EQ(Coord("acl set R/safe digest-password:ann:pw:cdrwa").code, 0);
  CommandOutcome refused = Coord("get R/safe");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("NO_AUTH: " + root_ +
                                     "/safe: READ is not granted"));
  EXPECT_EQ(Coord("--auth digest:ann:wrong get R/safe").code, 1);
  EXPECT_EQ(Coord("--auth digest:ann:pw get R/safe").out, "secret\n");
  json acl = Json("--auth digest:ann:pw acl get R/safe");
  EXPECT_EQ(acl["aversion"], 1);
  EXPECT_EQ(acl["acl"][0]["scheme"], "digest");
  EXPECT_EQ(acl["acl"][0]["permissions"], "cdrwa");
  EXPECT_EQ(
      Coord("--auth digest:ann:pw create R/mine x --acl auth::cdrwa").code, 0);
  EXPECT_EQ(Coord("get R/mine").code, 1);
  EXPECT_THAT(Coord("--auth digest:ann:pw whoami").out,
              HasSubstr("digest  ann"));
  ASSERT_EQ(session_->CreateParents(root_ + "/deep/er"), v1::OK);
  EXPECT_EQ(Json("acl set -R R/deep world:anyone:r")["set"], 2);
  EXPECT_EQ(Coord("set R/deep/er x").code, 1);
}

TEST_F(CoordCliTest, WatchSaysWhatHappens) {
  Running watch(Line("watch -d -n 4 R/w"));
  ASSERT_TRUE(watch.Says("watching")) << watch.Err();
  ASSERT_EQ(session_->Create(root_ + "/w", "1").code, v1::OK);
  ASSERT_TRUE(watch.Says("created " + root_ + "/w version=0 \"1\""));
  ASSERT_EQ(session_->Create(root_ + "/w/child", "").code, v1::OK);
  ASSERT_EQ(session_->SetData(root_ + "/w", "2").code, v1::OK);
  ASSERT_EQ(session_->Delete(root_ + "/w/child"), v1::OK);
  EXPECT_EQ(watch.End(0), 0) << "it ends after four";
  EXPECT_THAT(watch.Out(), HasSubstr("created " + root_ + "/w/child"));
  EXPECT_THAT(watch.Out(), HasSubstr("changed " + root_ + "/w version=1"));
  EXPECT_THAT(watch.Out(), HasSubstr("deleted " + root_ + "/w/child\n"));

  Running forever(Line("watch --json -m persistent R/w"));
  ASSERT_TRUE(forever.Says("watching"));
  ASSERT_EQ(session_->Create(root_ + "/w/x", "").code, v1::OK);
  ASSERT_TRUE(forever.Says("children"));
  EXPECT_EQ(forever.End(SIGINT), 0);
  json event = json::parse(forever.Out());
  EXPECT_EQ(event["event"], "children");
  EXPECT_EQ(event["path"], root_ + "/w");
}

TEST_F(CoordCliTest, OneMayWaitForAChange) {
  Running get(Line("get -w R/g"));
  EXPECT_EQ(get.End(0), 1) << "nothing to watch: " << get.Err();
  Running stat(Line("stat -w R/g"));
  Running ls(Line("ls -w " + root_));
  ASSERT_TRUE(ProcessEnsemble::Eventually([&] {
    int64_t watches = 0;
    for (int id = 1; id <= 3; ++id) watches += ensemble_->Status(id).watches();
    return watches == 2;
  }));
  ASSERT_EQ(session_->Create(root_ + "/g", "").code, v1::OK);
  EXPECT_EQ(stat.End(0), 0);
  EXPECT_EQ(ls.End(0), 0);
}

TEST_F(CoordCliTest, TheMembersAreShownAndTheLeadHandedOver) {
  json members = Json("members");
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0]["votes"], true);
  EXPECT_EQ(Json("status").size(), 3u);
  int leader = ensemble_->WaitForLeader();
  int other = leader % 3 + 1;
  json moved = Json("transfer " + std::to_string(other));
  EXPECT_EQ(moved["was"], leader);
  EXPECT_EQ(moved["leader_id"], other);
  EXPECT_EQ(ensemble_->WaitForLeader(), other);
  // From one member all of them are found.
  CommandOutcome found = cluster_test::RunCommand(
      "tools/sillok --coordinators " + ensemble_->server(leader) +
      " coord members --json");
  EXPECT_EQ(json::parse(found.out)[other - 1]["role"], "leading");
}

TEST_F(CoordCliTest, AQuotaIsSetShownAndTakenAway) {
  ASSERT_EQ(session_->Create(root_ + "/q", "1234").code, v1::OK);
  CommandOutcome none = Coord("quota R/q");
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("has no quota"));
  json set = Json("quota R/q --count 3 --hard-bytes 100");
  EXPECT_EQ(set["count"], 1);
  EXPECT_EQ(set["bytes"], 4);
  EXPECT_EQ(set["count_limit"], 3);
  EXPECT_EQ(set["bytes_hard_limit"], 100);
  EXPECT_TRUE(set["bytes_limit"].is_null());
  session_->Sync();
  // As ZooKeeper's tools write and read it.
  EXPECT_EQ(session_->Get("/zookeeper/quota" + root_ + "/q/zookeeper_limits")
                .data,
            "count=3,bytes=-1=;byteHardLimit=100;countHardLimit=-1");
  // One limit is changed and the others stay.
  EXPECT_EQ(Json("quota R/q --hard-bytes -1")["count_limit"], 3);
  ASSERT_EQ(session_->Create(root_ + "/q/below", "56").code, v1::OK);
  json shown = Json("quota R/q");
  EXPECT_EQ(shown["count"], 2);
  EXPECT_EQ(shown["bytes"], 6);
  EXPECT_TRUE(shown["bytes_hard_limit"].is_null());
  // No second one above or below.
  EXPECT_THAT(Coord("quota R/q/below --count 1").err,
              HasSubstr(root_ + "/q, above it, has a quota"));
  EXPECT_THAT(Coord("quota " + root_ + " --count 1").err,
              HasSubstr(root_ + "/q, below it, has a quota"));
  EXPECT_EQ(Coord("quota R/nowhere --count 1").code, 1);
  EXPECT_EQ(Coord("quota / --count 1").code, 2);
  EXPECT_EQ(Coord("quota R/q --remove --count 1").code, 2);
  EXPECT_EQ(Coord("quota R/q --remove").code, 0);
  EXPECT_EQ(Coord("quota R/q").code, 1);
  session_->Sync();
  EXPECT_EQ(session_->Exists("/zookeeper/quota" + root_).code, v1::NO_NODE);
  // Now it may be above.
  EXPECT_EQ(Json("quota " + root_ + " --count 9")["count"], 3);
}

TEST_F(CoordCliTest, ASessionIsKilledWithItsEphemerals) {
  auto victim = *BlockingSession::Connect(
      *coord::ParseConnectString(ensemble_->servers()), 30'000);
  ASSERT_EQ(victim->Create(root_ + "/e", "", v1::EPHEMERAL).code, v1::OK);
  const std::string id = Hex(victim->session().session_id());
  CommandOutcome killed = Coord("kill-session " + id);
  EXPECT_EQ(killed.code, 0) << killed.err;
  EXPECT_TRUE(ProcessEnsemble::Eventually(
      [&] { return victim->state() == coord::SessionState::kExpired; }));
  session_->Sync();
  EXPECT_EQ(session_->Exists(root_ + "/e").code, v1::NO_NODE);
  CommandOutcome gone = Coord("kill-session " + id);
  EXPECT_EQ(gone.code, 1);
  EXPECT_THAT(gone.err, HasSubstr("there is no session " + id));
  EXPECT_EQ(Coord("kill-session nonsense").code, 2);
}

TEST(CoordMembersCliTest, MembersAreAddedInTwoStepsAndRemoved) {
  std::string directory = testing::TempDir() + "/coord-members";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  ProcessEnsemble ensemble(
      directory, 1,
      {"tickTime=500", "DigestAuthenticationProvider.superDigest=" +
                           tools::DigestId("super:secret")},
      1);
  auto run = [&](const std::string& arguments, bool super = true) {
    return cluster_test::RunCommand(
        "tools/sillok --timeout 20 --coordinators " + ensemble.server(1) +
        " coord " + (super ? "--auth digest:super:secret " : "") + arguments);
  };
  const std::string add = "add '" + ensemble.Line(2) + "'";
  CommandOutcome nobody = run(add, false);
  EXPECT_EQ(nobody.code, 1);
  EXPECT_THAT(nobody.err, HasSubstr("NO_AUTH: changing members needs WRITE"));
  EXPECT_EQ(run("add '2=nonsense'").code, 2);
  EXPECT_EQ(run("add '300=h:1;2'").code, 2);
  EXPECT_THAT(run("add 2=h:1").err, HasSubstr("say where member 2 answers"));
  EXPECT_EQ(run(add + " --from-version 77").code, 1);

  // It does not run yet: it stays an observer, which hurts nobody.
  CommandOutcome waited = run(add + " --wait 1");
  EXPECT_EQ(waited.code, 1);
  EXPECT_THAT(waited.err, HasSubstr("does not answer. It stays an observer"));
  json members = json::parse(run("members --json").out);
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[1]["votes"], false);
  EXPECT_EQ(members[1]["role"], "unreachable");
  // The same command goes on when it runs.
  ensemble.StartSpare(2);
  CommandOutcome added = run(add + " --json");
  EXPECT_EQ(added.code, 0) << added.err;
  json configuration = json::parse(added.out);
  EXPECT_THAT(configuration["configuration"].get<std::string>(),
              ContainsRegex("server.2=127.0.0.1:[0-9]+:[0-9]+:participant"));
  ensemble.WaitForLeader();
  members = json::parse(run("members --json").out);
  EXPECT_EQ(members[1]["votes"], true);
  // Adding it once more changes nothing.
  EXPECT_EQ(run(add).code, 0);

  EXPECT_THAT(run("remove 2").err, HasSubstr("-y"));
  CommandOutcome removed = run("remove 2 -y");
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_THAT(removed.err, HasSubstr("member 2 ends by itself"));
  EXPECT_THAT(removed.out, Not(HasSubstr("server.2=")));
  EXPECT_TRUE(ProcessEnsemble::Eventually(
      [&] { return ensemble.Exited(2).has_value(); }));
  CommandOutcome again = run("remove 2 -y");
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.err, HasSubstr("there is no member 2"));
  CommandOutcome last = run("remove 1 -y");
  EXPECT_EQ(last.code, 1);
  EXPECT_THAT(last.err, HasSubstr("nobody would vote"));
}

TEST_F(CoordCliTest, ASnapshotIsSavedCheckedAndRestored) {
  ASSERT_EQ(session_->Create(root_ + "/kept", "kept").code, v1::OK);
  std::string file = testing::TempDir() + "/coord.snapshot";
  std::filesystem::remove(file);
  json saved = Json("snapshot " + file);
  EXPECT_EQ(saved["status"], "SAVED");
  CommandOutcome again = Coord("snapshot " + file);
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr(file));
  EXPECT_EQ(Json("restore --check " + file)["zxid"], saved["zxid"]);
  ASSERT_EQ(session_->Delete(root_ + "/kept"), v1::OK);

  // A new ensemble, made from it.
  std::string directory = testing::TempDir() + "/coord-restored";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory + "/member-1");
  std::string data = directory + "/member-1";
  CommandOutcome whose = Coord("restore " + file + " --data " + data);
  EXPECT_EQ(whose.code, 2);
  EXPECT_THAT(whose.err, HasSubstr("Say --id N"));
  json restored = Json("restore " + file + " --id 1 --data " + data);
  EXPECT_EQ(restored["status"], "RESTORED");
  EXPECT_EQ(Coord("restore " + file + " --id 1 --data " + data).code, 1)
      << "not over what is there";
  ProcessEnsemble other(directory, 1);
  CommandOutcome got = cluster_test::RunCommand(
      "tools/sillok --coordinators " + other.servers() + " coord get " +
      root_ + "/kept");
  EXPECT_EQ(got.out, "kept\n") << got.err;

  // A damaged one is refused.
  std::string damaged = file + ".damaged";
  std::string bytes = cluster_test::ReadWholeFile(file);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(damaged, std::ios::binary) << bytes;
  EXPECT_EQ(Coord("restore --check " + damaged).code, 1);
}

TEST_F(CoordCliTest, TheShellRunsCommandsInOneSession) {
  CommandOutcome shell = Coord("shell",
                               "# a script\n"
                               "create -e " + root_ + "/e 'two words'\n"
                               "get " + root_ + "/e\n"
                               "ephemerals " + root_ + "\n"
                               "stat " + root_ + "/e --json\n"
                               "addauth digest:ann:pw\n"
                               "whoami\n"
                               "help acl set\n"
                               "quit\n"
                               "get /never\n");
  EXPECT_EQ(shell.code, 0) << shell.err;
  EXPECT_EQ(shell.err, "");
  EXPECT_THAT(shell.out, StartsWith(root_ + "/e\ntwo words\n" + root_ +
                                    "/e\n{\n"));
  EXPECT_THAT(shell.out, HasSubstr("digest  ann"));
  EXPECT_THAT(shell.out, HasSubstr("scheme:id:permissions"));
  session_->Sync();
  EXPECT_EQ(session_->Exists(root_ + "/e").code, v1::NO_NODE)
      << "its session is over";

  // One line that fails does not end the others, but the exit code tells.
  CommandOutcome wrong = Coord("shell",
                               "get /nope\nfrob\nset 'open\nget " + root_ +
                                   "\n");
  EXPECT_EQ(wrong.code, 1) << "that of the first one";
  EXPECT_THAT(wrong.err, HasSubstr("NO_NODE: /nope does not exist"));
  EXPECT_THAT(wrong.err, HasSubstr("there is no command 'frob'"));
  EXPECT_THAT(wrong.err, HasSubstr("quote is not closed"));
  EXPECT_EQ(wrong.out, "top\n");
}

TEST_F(CoordCliTest, BenchMeasuresAndCleansUp) {
  for (const char* op : {"set", "create", "get", "sync"}) {
    CommandOutcome bench = cluster_test::RunCommand(
        "tools/sillok --coordinators " + ensemble_->servers() +
        " bench coord grpc --op " + op +
        " -n 300 --sessions 3 --outstanding 8 -s 50 --json");
    ASSERT_EQ(bench.code, 0) << bench.err;
    json measured = json::parse(bench.out);
    EXPECT_EQ(measured["ops"], 300);
    EXPECT_EQ(measured["errors"], 0);
    EXPECT_GT(measured["ops_per_second"], 0);
    EXPECT_GE(measured["latency_ms"]["max"], measured["latency_ms"]["p50"]);
  }
  session_->Sync();
  for (const std::string& name : session_->GetChildren("/").children) {
    EXPECT_EQ(name.find("sillok-bench"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace sillok::tools
