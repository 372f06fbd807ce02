// A writer that is killed, again and again, loses nothing it was told is durable.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/store/store_fixture.h"

extern char** environ;

namespace sillok {
namespace {

namespace fs = std::filesystem;

// Runs the writer until it has reported `reports` batches, kills it, and gives
// the last zxid it reported.
Zxid RunAndKill(const std::string& directory, int reports) {
  int pipe_fds[2];
  EXPECT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
  std::string program = "test/coordinator/store/crash_writer";
  std::string argument = directory;
  char* argv[] = {program.data(), argument.data(), nullptr};
  pid_t pid = 0;
  EXPECT_EQ(::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv,
                          environ),
            0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe_fds[1]);
  FILE* in = ::fdopen(pipe_fds[0], "r");
  unsigned long long last = 0, value = 0;
  for (int i = 0; i < reports; ++i) {
    if (std::fscanf(in, "%llu", &value) != 1) {
      ADD_FAILURE() << "the writer ended by itself";
      break;
    }
    last = value;
  }
  ::kill(pid, SIGKILL);
  // What it still managed to say before it died counts as well.
  char line[64];
  while (std::fgets(line, sizeof(line), in) != nullptr) {
    const std::string text = line;
    if (text.size() > 1 && text.back() == '\n') {
      last = std::max(last, std::stoull("0" + text));
    }
  }
  std::fclose(in);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
  return Zxid(last);
}

// The tree is what the log up to LastZxid() makes it.
void ExpectConsistent(CoordinatorStore* store) {
  ZnodeTree tree;
  const absl::Status status = RecoverTree(store, &tree);
  ASSERT_TRUE(status.ok()) << status;
  v1::Stat stat;
  ASSERT_EQ(tree.Exists("/n", &stat), v1::OK);
  // Two txns came before the first child.
  EXPECT_EQ(stat.num_children() + 2u, store->LastZxid().counter());
}

TEST(CrashTest, AKilledWriterLosesNothingReported) {
  const std::string directory = MakeDirectory();
  for (const int reports : {1, 3, 40, 250, 5, 400, 1, 120}) {
    const Zxid reported = RunAndKill(directory, reports);
    auto store = MustOpen(Options(directory));
    ASSERT_NE(store, nullptr);
    EXPECT_GE(store->LastZxid(), reported);
    EXPECT_LE(store->recovered().applied, store->LastZxid());
    ASSERT_NO_FATAL_FAILURE(ExpectConsistent(store.get()));
  }
}

std::string ReadFile(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Of the log, the oldest first.
std::vector<fs::path> Segments(const std::string& directory) {
  std::vector<fs::path> segments;
  for (const auto& file : fs::directory_iterator(directory + "/log")) {
    if (file.path().filename().string().rfind("segment.", 0) == 0) {
      segments.push_back(file.path());
    }
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}
// The bytes behind its header in which something is written.
size_t UsedBytes(const std::string& segment) {
  return segment.find_last_not_of('\0') + 1;
}
void WriteFile(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// As when the power fails within a write: the log ends anywhere.
TEST(CrashTest, ATornTailLeavesAPrefix) {
  std::string original, good;
  fs::path segment;
  size_t used = 0;
  // The newest segment may have been begun just now.
  for (int attempt = 0; attempt < 20 && used < 4096 + 2000; ++attempt) {
    original = MakeDirectory();
    RunAndKill(original, 20);
    segment = Segments(original).back();
    good = ReadFile(segment);
    used = UsedBytes(good);
  }
  ASSERT_GT(used, 4096 + 2000u);
  Zxid before(~uint64_t{0});
  for (const size_t cut : {1, 5, 6, 7, 50, 200, 999, 1500}) {
    const std::string directory = MakeDirectory();
    fs::copy(original, directory, fs::copy_options::recursive);
    std::string torn = good.substr(0, used - cut);
    torn.resize(good.size(), '\0');
    WriteFile(directory + "/log/" + segment.filename().string(), torn);
    auto store = MustOpen(Options(directory));
    ASSERT_NE(store, nullptr) << cut;
    EXPECT_LE(store->LastZxid(), before);
    before = store->LastZxid();
    ASSERT_NO_FATAL_FAILURE(ExpectConsistent(store.get()));
    // And it can be written to again.
    const Zxid next = before.Next();
    EXPECT_TRUE(PersistAndWait(store.get(), Entries(next, 1)).ok());
  }
}

// Damage in the middle, with acknowledged writes after it, is not a torn tail.
TEST(CrashTest, DamageInTheMiddleOfTheLogIsRefused) {
  const std::string original = MakeDirectory();
  RunAndKill(original, 400);
  ASSERT_GT(Segments(original).size(), 1u);
  const fs::path segment = Segments(original).front();
  const std::string good = ReadFile(segment);
  const size_t used = UsedBytes(good) - 4096;
  for (const double where : {0.3, 0.5, 0.7}) {
    const std::string directory = MakeDirectory();
    fs::copy(original, directory, fs::copy_options::recursive);
    std::string bad = good;
    bad[4096 + static_cast<size_t>(used * where)] ^= 0x20;
    const std::string file =
        directory + "/log/" + segment.filename().string();
    WriteFile(file, bad);
    const auto store = OpenRocksStore(Options(directory));
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss)
        << store.status();
    EXPECT_NE(std::string(store.status().message()).find(file + ", byte "),
              std::string::npos)
        << store.status();
  }
}

}  // namespace
}  // namespace sillok
