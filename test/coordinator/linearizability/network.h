// A network of its own for each member, so that links can be cut.
#ifndef SILLOK_TEST_COORDINATOR_LINEARIZABILITY_NETWORK_H_
#define SILLOK_TEST_COORDINATOR_LINEARIZABILITY_NETWORK_H_

#include <sys/types.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sillok::linearizability {

// The calling thread, and with it the test, moves into a fresh network
// namespace with a bridge; each member gets another one, joined to it by a
// cable. Nothing of it is seen outside, and nothing is left behind. Not
// thread-safe.
class Network {
 public:
  // To be made before the process has other threads. `why_not` is set when
  // this machine does not allow it; then everything stays as it was.
  Network(int members, std::string* why_not);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // 10.77.0.11, ... and the namespaces' paths under /proc.
  std::vector<std::string> hosts() const;
  std::vector<std::string> namespaces() const;

  // Packets from one member to the other vanish; the other way is another cut.
  void Cut(int from, int to);
  void CutBoth(int a, int b);
  void Isolate(int member);  // from all other members; clients still reach it
  void Heal();

 private:
  bool Build(std::string* why_not);
  // Runs `ip` in the namespace of a member, 0 = the test's own.
  bool Ip(int member, const std::vector<std::string>& arguments);

  const int members_;
  // Processes that do nothing but keep the members' namespaces.
  std::vector<pid_t> keepers_;
  std::set<std::pair<int, int>> cuts_;
};

}  // namespace sillok::linearizability

#endif  // SILLOK_TEST_COORDINATOR_LINEARIZABILITY_NETWORK_H_
