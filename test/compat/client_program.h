// A client program that runs beside the test.
#ifndef SILLOK_TEST_COMPAT_CLIENT_PROGRAM_H_
#define SILLOK_TEST_COMPAT_CLIENT_PROGRAM_H_

#include <sys/types.h>

#include <optional>
#include <string>

namespace sillok::compat_test {

// A shell command in a process group of its own; what it says goes into
// <temp folder>/<name>.out and .err. Not thread-safe.
class ClientProgram {
 public:
  ClientProgram(const std::string& name, const std::string& command);
  // Kills the group if it still runs.
  ~ClientProgram();
  ClientProgram(const ClientProgram&) = delete;
  ClientProgram& operator=(const ClientProgram&) = delete;

  // The program reads this; false once it has closed its input or ended.
  bool Write(const std::string& text);
  void CloseInput();
  void Signal(int signal);
  // The exit code, 128 + signal where one ended it, nullopt if it still runs
  // after `seconds`.
  std::optional<int> Wait(int seconds);

  const std::string& out_path() const { return out_path_; }
  const std::string& err_path() const { return err_path_; }
  // The end of what it said on both, for a failure's message.
  std::string Tail() const;

 private:
  std::string out_path_;
  std::string err_path_;
  pid_t pid_ = -1;
  int input_ = -1;
  std::optional<int> code_;
};

// Runs it to its end; nullopt = it was killed after `seconds`.
struct ProgramOutcome {
  std::optional<int> code;
  std::string out;
  std::string err;
};
ProgramOutcome RunProgram(const std::string& name, const std::string& command,
                          const std::string& input = "", int seconds = 120);

}  // namespace sillok::compat_test

#endif  // SILLOK_TEST_COMPAT_CLIENT_PROGRAM_H_
