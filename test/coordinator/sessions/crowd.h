// Very many sessions at once, each on a connection of its own, in one thread.
#ifndef SILLOK_TEST_COORDINATOR_SESSIONS_CROWD_H_
#define SILLOK_TEST_COORDINATOR_SESSIONS_CROWD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "test/support/zookeeper/connection.h"

namespace sillok::zk {

// The sessions are numbered from 0. Every call sends to all it is about before
// it reads the first answer, so that a member has them all to do at once. A call
// says what went wrong first, or nothing.
class Crowd {
 public:
  Crowd(size_t size, int32_t timeout_ms);

  // New sessions at `address`, or the same ones again after Drop.
  std::string Connect(const Address& address);
  // One request of each of [begin, end), made by `frame` from its number and the
  // xid; each must be answered by this xid, the connect answer's zxid or a later
  // one, and `error`.
  using MakeFrame = std::function<std::string(size_t number, int32_t xid)>;
  std::string Ask(size_t begin, size_t end, const MakeFrame& frame,
                  int32_t error = 0);
  std::string Ping(size_t begin, size_t end);
  // Says goodbye; the server closes after its answer.
  std::string CloseSessions(size_t begin, size_t end);
  // Closes the sockets and keeps the sessions.
  void Drop(size_t begin, size_t end);

  size_t size() const { return people_.size(); }
  int64_t session_id(size_t number) const { return people_[number].session; }

 private:
  struct Person {
    Connection socket;
    int64_t session = 0;
    std::string password = std::string(16, '\0');
    int64_t zxid = 0;  // the last one it has been shown
  };
  // The header of the next frame: "" or what is wrong with it.
  std::string ReadAnswer(size_t number, int32_t xid, int32_t error);

  const int32_t timeout_ms_;
  std::vector<Person> people_;
  int32_t next_xid_ = 1;
};

}  // namespace sillok::zk

#endif  // SILLOK_TEST_COORDINATOR_SESSIONS_CROWD_H_
