// A client that works on znodes without end and writes down what it was told.
#ifndef SILLOK_TEST_COORDINATOR_LINEARIZABILITY_CLIENT_H_
#define SILLOK_TEST_COORDINATOR_LINEARIZABILITY_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "test/coordinator/linearizability/history.h"
#include "test/support/zookeeper/connection.h"

namespace sillok::linearizability {

// What all clients of a run share.
struct Work {
  std::vector<zk::Address> servers;
  // Operations on one key before it is left behind, and keys at a time.
  int64_t operations_per_key = 120;
  int keys_at_once = 4;
  int64_t operations = 0;              // to be done in all
  std::atomic<int64_t> begun{0};       // so far
  std::atomic<int64_t> acknowledged{0};  // writes
  std::atomic<bool> stop{false};
};

// One session at a time, one request at a time; each runs on its own thread.
// When no answer comes it goes to another server with its session, as every
// ZooKeeper client does.
class Client {
 public:
  Client(int number, Work* work);

  // Until `work` is done or stopped.
  void Run();
  // After the run, with everything healed: reads the keys in [from, to) with
  // sync, so that what was lost at the end is missed. False: no server answered.
  bool ReadAll(int32_t from, int32_t to);
  // Closes the session, if there is one.
  void Close();

  const History& history() const { return history_; }
  // Promises that are broken whatever the history says: about watches,
  // ephemerals, sessions.
  const std::vector<std::string>& violations() const { return violations_; }
  int64_t sessions_expired() const { return expired_; }
  int64_t reattached() const { return reattached_; }
  int64_t watches_fired() const { return fired_; }

 private:
  struct Answer {
    zk::ReplyHeader header;
    std::string body;
  };

  bool EnsureSession();
  void OnExpired();
  void Desert();
  void Drop();  // the connection
  bool Send(int32_t xid, const zk::Op& op);
  std::optional<Answer> Receive(int32_t xid);
  void OnEvent(zk::Reader* reader);
  std::optional<Answer> Ask(const zk::Op& op);

  void DoOne(int32_t key);
  void Finish(Operation op, const std::optional<Answer>& answer);
  void CheckWatch(const Operation& op);
  void CheckEphemeral();
  zk::Op ToRequest(const Operation& op, bool watch) const;
  void Violation(const std::string& what);
  int Below(int bound) {
    return static_cast<int>(random_() % static_cast<uint64_t>(bound));
  }

  const int number_;
  Work* const work_;
  std::mt19937_64 random_;
  History history_;
  std::vector<std::string> violations_;

  zk::Connection connection_;
  size_t server_;
  int64_t session_ = 0;
  std::string password_;
  int64_t last_zxid_ = 0;
  int32_t next_xid_ = 1;
  int64_t next_value_ = 1;
  std::map<int32_t, int32_t> versions_;  // last seen, by key
  // Keys with an armed data watch on this connection: the mzxid it was armed at.
  std::map<int32_t, int64_t> watches_;
  // An ephemeral of this session that certainly was made.
  std::string ephemeral_;
  int64_t expired_ = 0, reattached_ = 0, fired_ = 0;
};

}  // namespace sillok::linearizability

#endif  // SILLOK_TEST_COORDINATOR_LINEARIZABILITY_CLIENT_H_
