// sillok coord shell: the commands of `sillok coord` in one session, with history
// and completion at a terminal, and plain lines from a file or a pipe.
#include <editline/readline.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/coord_session.h"
#include "tools/shell_line.h"

namespace sillok::tools {
namespace {

constexpr char kPrompt[] = "coord> ";
constexpr int kHistoryLines = 1000;

// The one shell of this program, for libedit's functions without an argument.
CoordSession* shell_session = nullptr;
std::vector<std::string> shell_commands;
volatile std::sig_atomic_t prompt_interrupted = 0;

std::vector<std::string> ListChildren(const std::string& path) {
  absl::StatusOr<coord::BlockingSession*> session = shell_session->Get();
  if (!session.ok()) return {};
  return (*session)->GetChildren(path).children;
}

char** Complete(const char* text, int start, int end) {
  static std::vector<std::string> matches;
  static size_t next;
  std::string line(rl_line_buffer, static_cast<size_t>(end));
  matches = CompleteWord(line, {shell_commands, ListChildren});
  next = 0;
  rl_attempted_completion_over = 1;  // no file names
  bool goes_on = matches.size() == 1 && matches[0].back() == '/';
  rl_completion_append_character = goes_on ? '\0' : ' ';
  if (matches.empty()) return nullptr;
  return rl_completion_matches(text, [](const char*, int) -> char* {
    return next < matches.size() ? strdup(matches[next++].c_str()) : nullptr;
  });
}

// "" = none.
std::string HistoryFile() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state != nullptr && *state != '\0') {
    return std::string(state) + "/sillok_coord_history";
  }
  if (home != nullptr && *home != '\0') {
    return std::string(home) + "/.sillok_coord_history";
  }
  return "";
}

// Credentials are nobody's history.
bool IsSecret(const std::string& line) {
  return line.find("addauth") != std::string::npos ||
         line.find("digest-password") != std::string::npos;
}

class Shell {
 public:
  explicit Shell(CoordSession* session) : session_(session) {}

  absl::Status Run() {
    bool terminal = isatty(STDIN_FILENO) != 0;
    // The prompt comes after it is known that there is somebody to talk to.
    RETURN_IF_ERROR(session_->Get().status());
    terminal ? RunTerminal() : RunLines();
    session_->Close();
    return absl::OkStatus();
  }

 private:
  void RunTerminal() {
    shell_session = session_;
    shell_commands = CommandNames();
    rl_attempted_completion_function = Complete;
    rl_basic_word_break_characters = const_cast<char*>(" \t");
    using_history();
    stifle_history(kHistoryLines);
    std::string file = HistoryFile();
    if (!file.empty()) read_history(file.c_str());
    std::fprintf(stderr, "help lists the commands, quit or Ctrl-D ends\n");
    // Ctrl-C drops a line, not the session.
    struct sigaction action {};
    action.sa_handler = [](int) { prompt_interrupted = 1; };
    sigaction(SIGINT, &action, nullptr);
    while (!done_) {
      prompt_interrupted = 0;
      std::unique_ptr<char, decltype(&std::free)> line(readline(kPrompt),
                                                       &std::free);
      if (line == nullptr) std::fputc('\n', stdout);
      if (line == nullptr && prompt_interrupted != 0) continue;
      if (line == nullptr) break;
      std::string text = line.get();
      text.erase(text.find_last_not_of(" \t") + 1);
      if (!text.empty() && !IsSecret(text)) add_history(text.c_str());
      Do(text);
    }
    // What went wrong was seen.
    session_->context().exit_code = kExitDone;
    if (file.empty()) return;
    mode_t mask = umask(077);
    write_history(file.c_str());
    umask(mask);
  }

  // The exit code is that of the first line that fails; the others still run.
  void RunLines() {
    int& code = session_->context().exit_code;
    int first = kExitDone;
    for (std::string line; !done_ && std::getline(std::cin, line);) {
      code = kExitDone;
      Do(line);
      if (first == kExitDone) first = code;
    }
    code = first;
  }

  std::vector<std::string> CommandNames() {
    CLI::App app;
    AddCoordCommands(&app, session_);
    std::vector<std::string> names = {"help", "quit", "exit", "addauth"};
    for (const CLI::App* command : app.get_subcommands({})) {
      names.push_back(command->get_name());
      for (const CLI::App* below : command->get_subcommands({})) {
        names.push_back(command->get_name() + " " + below->get_name());
      }
    }
    return names;
  }

  void Do(const std::string& line) {
    auto words = SplitWords(line);
    if (!words.ok()) {
      session_->context().UsageError(std::string(words.status().message()));
      return;
    }
    if (words->empty()) return;
    const std::string& command = words->front();
    if (command == "quit" || command == "exit") {
      done_ = true;
    } else if (command == "help") {
      words->erase(words->begin());
      words->push_back("--help");
      Parse(*words);
    } else if (command == "addauth") {
      AddAuth(*words);
    } else {
      Parse(*words);
    }
    std::fflush(stdout);
  }

  void AddAuth(const std::vector<std::string>& words) {
    size_t colon = words.size() == 2 ? words[1].find(':') : std::string::npos;
    if (colon == std::string::npos || colon == 0) {
      session_->context().UsageError(
          "addauth takes scheme:credentials, like digest:user:password");
      return;
    }
    absl::StatusOr<coord::BlockingSession*> session = session_->Get();
    if (!session.ok()) return session_->context().Report(session.status());
    v1::CoordCode code = (*session)->AddAuth(
        {words[1].substr(0, colon), words[1].substr(colon + 1)});
    session_->Refuse(code, words[1].substr(0, colon), "", -1);
    // Also for a session that takes this one's place.
    if (code == v1::OK) session_->auths.push_back(words[1]);
  }

  // A new CLI::App for each line: options of the one before are forgotten.
  void Parse(std::vector<std::string> words) {
    Context& context = session_->context();
    const bool json = context.json;
    CLI::App app{"Commands of the shell: those of `sillok coord`, addauth "
                 "SCHEME:CREDENTIALS, help [COMMAND], quit",
                 ""};
    app.require_subcommand(1);
    app.add_flag("--json", context.json, "print JSON");
    AddCoordCommands(&app, session_);
    std::string first = words.front();
    std::reverse(words.begin(), words.end());
    try {
      app.parse(words);
    } catch (const CLI::Success& asked) {
      app.exit(asked);
    } catch (const CLI::ParseError& error) {
      std::string text = error.what();
      std::vector<std::string> known = CommandNames();
      if (std::find(known.begin(), known.end(), first) == known.end()) {
        text = "there is no command '" + first + "'";
      }
      std::replace(text.begin(), text.end(), '\n', ' ');
      context.UsageError(text + " (see help)");
    }
    context.json = json;
  }

  CoordSession* const session_;
  bool done_ = false;
};

}  // namespace

absl::Status RunCoordShell(CoordSession* session) {
  session->in_shell = true;
  return Shell(session).Run();
}

}  // namespace sillok::tools
