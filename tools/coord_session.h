// What the commands of `sillok coord` share: which ensemble, one session that
// lasts as long as the program (or the shell), and how a "no" is told.
#ifndef SILLOK_TOOLS_COORD_SESSION_H_
#define SILLOK_TOOLS_COORD_SESSION_H_

#include <signal.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/client/blocking_session.h"
#include "tools/context.h"

namespace sillok::tools {

class CoordSession {
 public:
  explicit CoordSession(Context* context) : context_(context) {}

  Context& context() { return *context_; }
  // Of the command line.
  std::string dir;                 // of a local cluster; "" = --coordinator
  std::vector<std::string> auths;  // scheme:credentials
  bool in_shell = false;

  // host:port of the members, and the chroot.
  absl::StatusOr<coord::SessionOptions> Options();
  // The session; connects when there is none (or it has expired, with a word
  // about that).
  absl::StatusOr<coord::BlockingSession*> Get();
  void Close() { session_ = nullptr; }

  // The ensemble's "no" to what was asked of `path`, in its own code and in
  // words; remembers the exit code. OK says nothing.
  void Refuse(v1::CoordCode code, const std::string& path,
              const std::string& words);
  // The same with the words that fit most commands. `permission` is what NO_AUTH
  // is about ("READ").
  void Refuse(v1::CoordCode code, const std::string& path,
              const std::string& permission, int32_t version);
  // What the ensemble would only not find. Reports.
  bool IsPath(const std::string& path);

 private:
  absl::StatusOr<std::vector<coord::AuthInfo>> ParseAuths() const;
  std::string AddressText() const;

  Context* const context_;
  std::unique_ptr<coord::BlockingSession> session_;
};

// Waits for what the user waits for: Ctrl-C and SIGTERM end it, not the program,
// so that the session is closed.
class UntilInterrupted {
 public:
  UntilInterrupted();
  ~UntilInterrupted();
  // Any thread: look at `done` again.
  void Wake();
  // Until `done` or interrupted; false: interrupted, or `timeout_ms` (-1 = never)
  // passed.
  bool Await(const std::function<bool()>& done, int64_t timeout_ms = -1);
  bool interrupted() const;

 private:
  int wake_ = -1;  // eventfd
  struct sigaction old_int_ {};
  struct sigaction old_term_ {};
};

void AddNodeCommands(CLI::App* coord, CoordSession* session);
void AddWriteCommands(CLI::App* coord, CoordSession* session);
void AddWatchCommand(CLI::App* coord, CoordSession* session);
void AddAclCommands(CLI::App* coord, CoordSession* session);
void AddEnsembleCommands(CLI::App* coord, CoordSession* session);
void AddChangeCommands(CLI::App* coord, CoordSession* session);
void AddQuotaCommand(CLI::App* coord, CoordSession* session);
void AddSnapshotCommands(CLI::App* coord, CoordSession* session);
// All but the shell itself.
void AddCoordCommands(CLI::App* coord, CoordSession* session);
// Reads commands until the end of its input.
absl::Status RunCoordShell(CoordSession* session);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_COORD_SESSION_H_
