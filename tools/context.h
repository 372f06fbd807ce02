// What every command of `sillok` shares: the global options, how errors end the
// program, and how output is made.
//
// stdout carries data only; notes, progress and errors go to stderr. Exit codes:
// 0 done, 1 the cluster said no, 2 usage, 3 the cluster could not be reached.
#ifndef SILLOK_TOOLS_CONTEXT_H_
#define SILLOK_TOOLS_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/admin.h"
#include "client/config.h"
#include "nlohmann/json.hpp"

namespace CLI {
class App;
}

namespace sillok::tools {

using Json = nlohmann::ordered_json;

inline constexpr int kExitDone = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 3;

struct Context {
  std::string bootstrap = "127.0.0.1:9094";
  std::string coordinator = "127.0.0.1:2180";
  bool json = false;
  double timeout_seconds = 10;
  std::vector<std::string> overrides;  // -X key=value
  int exit_code = kExitDone;

  int64_t timeout_ms() const {
    return static_cast<int64_t>(timeout_seconds * 1000);
  }
  // Global options and -X as properties; `more` has the last word.
  absl::StatusOr<client::Properties> MakeProperties(
      const client::Properties& more = {}) const;
  absl::StatusOr<std::unique_ptr<client::Admin>> MakeAdmin() const;

  // Prints "sillok: CODE: what" to stderr and remembers the exit code (the first
  // failure's). OK changes nothing.
  void Report(const absl::Status& status);
  // The same for what the cluster itself has answered: it was no usage error,
  // whatever the code.
  void ReportRefusal(const absl::Status& status);
  // For wrong arguments that CLI11 cannot see.
  void UsageError(const std::string& text);
  // Asks unless `yes`. False when nothing may be done: somebody said no, or
  // nobody is there to ask (a usage error either way).
  bool Confirm(bool yes, const std::string& question);
};

// A subcommand's work: what it returns is reported.
void OnRun(CLI::App* command, Context& context,
           std::function<absl::Status()> run);

// One document and a newline, on stdout. Text that is not UTF-8 is repaired.
void PrintJson(const Json& document);

// Rows under headings without blanks, in columns. Cells hold no newline.
class Table {
 public:
  explicit Table(std::vector<std::string> headings)
      : rows_{std::move(headings)} {}
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // To stdout.
  void Print() const;
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "-" for what is not known (negative).
std::string Known(int64_t number);
Json KnownJson(int64_t number);
// "[1,2,3]"
std::string ListOf(const std::vector<int32_t>& numbers);
// "1.2GiB"
std::string HumanBytes(int64_t bytes);

// For CLI::Option::check: "" or what is wrong.
std::string CheckNotNegative(const std::string& text);
std::string CheckPositive(const std::string& text);

void RegisterTopicCommands(CLI::App& app, Context& context);
void RegisterConfigCommands(CLI::App& app, Context& context);
void RegisterElectCommands(CLI::App& app, Context& context);
void RegisterClusterCommands(CLI::App& app, Context& context);
void RegisterProduceCommand(CLI::App& app, Context& context);
void RegisterConsumeCommand(CLI::App& app, Context& context);
void RegisterGroupCommands(CLI::App& app, Context& context);
void RegisterCoordCommands(CLI::App& app, Context& context);
void RegisterBenchCommands(CLI::App& app, Context& context);
void RegisterDevCommands(CLI::App& app, Context& context);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_CONTEXT_H_
