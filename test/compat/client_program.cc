#include "test/compat/client_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "gtest/gtest.h"

namespace sillok::compat_test {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Last(const std::string& text, size_t size) {
  return text.size() <= size ? text : "..." + text.substr(text.size() - size);
}

// In the child, between fork and exec: calls that are safe there only.
[[noreturn]] void BecomeShell(const char* command, int input, const char* out,
                              const char* err) {
  setpgid(0, 0);
  dup2(input, 0);
  dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644), 1);
  dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC, 0644), 2);
  execl("/bin/sh", "sh", "-c", command, nullptr);
  _exit(127);
}

}  // namespace

ClientProgram::ClientProgram(const std::string& name,
                             const std::string& command)
    : out_path_(testing::TempDir() + "/" + name + ".out"),
      err_path_(testing::TempDir() + "/" + name + ".err") {
  signal(SIGPIPE, SIG_IGN);  // a program that has ended is told by Write
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  pid_ = fork();
  if (pid_ == 0) {
    BecomeShell(command.c_str(), ends[0], out_path_.c_str(),
                err_path_.c_str());
  }
  close(ends[0]);
  input_ = ends[1];
}

ClientProgram::~ClientProgram() {
  CloseInput();
  if (pid_ > 0 && !code_.has_value()) {
    kill(-pid_, SIGKILL);
    (void)Wait(10);
  }
}

bool ClientProgram::Write(const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    ssize_t wrote = write(input_, text.data() + done, text.size() - done);
    if (wrote <= 0) return false;
    done += static_cast<size_t>(wrote);
  }
  return true;
}

void ClientProgram::CloseInput() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

void ClientProgram::Signal(int signal) {
  if (pid_ > 0 && !code_.has_value()) kill(-pid_, signal);
}

std::optional<int> ClientProgram::Wait(int seconds) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (pid_ > 0 && !code_.has_value()) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (std::chrono::steady_clock::now() > end) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  return code_;
}

std::string ClientProgram::Tail() const {
  return "\n--- stdout:\n" + Last(ReadFile(out_path_), 1500) +
         "\n--- stderr:\n" + Last(ReadFile(err_path_), 3000);
}

ProgramOutcome RunProgram(const std::string& name, const std::string& command,
                          const std::string& input, int seconds) {
  ClientProgram program(name, command);
  program.Write(input);
  program.CloseInput();
  ProgramOutcome outcome;
  outcome.code = program.Wait(seconds);
  outcome.out = ReadFile(program.out_path());
  outcome.err = ReadFile(program.err_path());
  return outcome;
}

}  // namespace sillok::compat_test
