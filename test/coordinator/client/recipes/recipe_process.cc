#include "test/coordinator/client/recipes/recipe_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "glog/logging.h"

namespace sillok::coord {
namespace {

constexpr char kBinary[] = "test/coordinator/client/recipes/recipe_program";

}  // namespace

RecipeProcess::RecipeProcess(const std::string& servers,
                             int64_t session_timeout_ms) {
  int input[2];
  int output[2];
  PCHECK(pipe2(input, O_CLOEXEC) == 0);
  PCHECK(pipe2(output, O_CLOEXEC) == 0);
  std::string timeout = std::to_string(session_timeout_ms);
  pid_t parent = getpid();
  pid_ = fork();
  PCHECK(pid_ >= 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    execl(kBinary, kBinary, servers.c_str(), timeout.c_str(), nullptr);
    _exit(127);
  }
  close(input[0]);
  close(output[1]);
  to_ = input[1];
  from_ = output[0];
}

RecipeProcess::~RecipeProcess() {
  if (pid_ > 0) Kill();
  close(to_);
  close(from_);
}

void RecipeProcess::Send(const std::string& line) {
  std::string text = line + "\n";
  CHECK_EQ(write(to_, text.data(), text.size()),
           static_cast<ssize_t>(text.size()));
}

std::string RecipeProcess::ReadLine() {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (true) {
    size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd polled{from_, POLLIN, 0};
    if (left.count() <= 0 ||
        poll(&polled, 1, static_cast<int>(left.count())) <= 0) {
      return "";
    }
    char bytes[4096];
    ssize_t got = read(from_, bytes, sizeof(bytes));
    if (got <= 0) return "";
    buffer_.append(bytes, static_cast<size_t>(got));
  }
}

std::string RecipeProcess::Ask(const std::string& line) {
  Send(line);
  return ReadLine();
}

std::string RecipeProcess::ReadUntil(const std::string& beginning) {
  while (true) {
    std::string line = ReadLine();
    if (line.empty() || line.rfind(beginning, 0) == 0) return line;
  }
}

void RecipeProcess::Kill() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}
void RecipeProcess::Pause() { kill(pid_, SIGSTOP); }
void RecipeProcess::Resume() { kill(pid_, SIGCONT); }

}  // namespace sillok::coord
