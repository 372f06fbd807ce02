// Plays scripts on servers and writes down what comes back.
#ifndef SILLOK_TEST_DIFFERENTIAL_PLAYER_H_
#define SILLOK_TEST_DIFFERENTIAL_PLAYER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "test/differential/script.h"
#include "test/differential/transcript.h"
#include "test/support/zookeeper/connection.h"

namespace sillok::differential {

// Each script gets a subtree and sessions of its own, so any number can be
// played on the same servers. One operation, or batch of one session, is done
// before the next begins; after one that changes something every other session
// syncs, so that its watches have told all they have to tell.
class Player {
 public:
  explicit Player(std::vector<zk::Address> servers)
      : servers_(std::move(servers)) {}

  Transcript Play(const Script& script);

 private:
  struct Session {
    zk::Connection connection;
    int64_t id = 0;  // 0: there is none
    std::string password;
    int64_t last_zxid = 0;
    int32_t next_xid = 1;
    size_t server = 0;
  };
  struct Pending {
    int32_t xid = 0;
    zk::Op op;
  };

  // Makes the session, or takes it up on another server.
  void Attach(Session* session, StepLines* lines);
  void Ask(Session* session, const std::vector<zk::Op>& ops, StepLines* lines);
  Pending Prepare(Session* session, const zk::Op& op);
  // Replies until none is missing, and what comes in between. `quiet` leaves
  // out the replies themselves.
  void Receive(Session* session, std::deque<Pending> pending, bool quiet,
               StepLines* lines);
  Line ReadFrame(Session* session, const std::string& frame,
                 std::deque<Pending>* pending, bool* is_reply);
  void ReadBody(const zk::Op& op, const zk::ReplyHeader& header,
                zk::Reader* reader, Line* line) const;
  void ReadParts(const zk::ReplyHeader& header, zk::Reader* reader,
                 Line* line) const;
  void Settle(int except, bool sorted, StepLines* lines);
  void AwaitEnd(Session* session, StepLines* lines);
  void End(Session* session, const std::string& why, StepLines* lines);

  // '~' to the script's subtree, and back.
  std::string Real(const std::string& path) const;
  zk::Op Real(const zk::Op& op) const;
  std::string Shown(const std::string& path) const;
  std::string Shown(std::vector<std::string> paths) const;

  const std::vector<zk::Address> servers_;
  std::string base_;
  int played_ = 0;
  std::vector<Session> sessions_;
};

}  // namespace sillok::differential

#endif  // SILLOK_TEST_DIFFERENTIAL_PLAYER_H_
