// Real servers behind ZooKeeper's port: Sillok's coordinators or Debian's own
// ZooKeeper, so that a test can be run against either.
#ifndef SILLOK_TEST_SUPPORT_ZOOKEEPER_ENSEMBLE_H_
#define SILLOK_TEST_SUPPORT_ZOOKEEPER_ENSEMBLE_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "test/support/zookeeper/connection.h"

namespace sillok::zk {

struct EnsembleSpec {
  enum class Kind { kSillok, kDebian };
  Kind kind = Kind::kSillok;
  std::string directory;  // must exist
  int members = 3;
  // key=value, for every member.
  std::vector<std::string> settings;
  // Java's own, before the class: -Dzookeeper.extendedTypesEnabled=true.
  std::vector<std::string> java_flags;
  // The address of each member and the network namespace it runs in (a path
  // under /proc); none: loopback, and the namespace of the test.
  std::vector<std::string> hosts;
  std::vector<std::string> namespaces;
};

// Ports are the kernel's free ones; one that another process took in between
// makes the start fail, and the ensemble is begun anew with others. All
// processes end with the object. Not thread-safe.
class Ensemble {
 public:
  // What the environment says: SILLOK_ZOOKEEPER=debian is the control run.
  static EnsembleSpec::Kind KindFromEnvironment();
  // Why Debian's cannot be started here; "" when it can.
  static std::string DebianMissing();

  // CHECKs that the ensemble comes up.
  explicit Ensemble(EnsembleSpec spec);
  ~Ensemble();
  Ensemble(const Ensemble&) = delete;
  Ensemble& operator=(const Ensemble&) = delete;

  void Start(int id);
  void Kill(int id);       // SIGKILL, and waits
  int Terminate(int id);   // SIGTERM, and waits; the exit code
  void Pause(int id);      // SIGSTOP
  void Resume(int id);     // SIGCONT
  bool running(int id) const { return processes_.count(id) != 0; }
  pid_t pid(int id) const { return processes_.at(id); }
  int members() const { return spec_.members; }

  // Where clients connect.
  Address address(int id) const;
  std::string server(int id) const;  // host:port
  std::string servers() const;       // all, with commas

  // "leader", "follower", "standalone"; "" when it does not serve.
  std::string Mode(int id) const;
  // Polls until one leads and all running members serve; its id.
  int WaitForLeader();
  // Polls until `done`, up to a minute.
  static bool Eventually(const std::function<bool()>& done);
  std::string Log(int id) const;

 private:
  bool TryStartAll();
  std::string Host(int id) const;
  std::string DataDir(int id) const;
  std::vector<std::string> SillokCommand(int id) const;
  std::vector<std::string> DebianCommand(int id) const;

  const EnsembleSpec spec_;
  struct Ports {
    int client = 0;
    int grpc = 0;
    int peer = 0;
    int election = 0;
  };
  std::map<int, Ports> ports_;
  std::map<int, pid_t> processes_;
};

}  // namespace sillok::zk

#endif  // SILLOK_TEST_SUPPORT_ZOOKEEPER_ENSEMBLE_H_
