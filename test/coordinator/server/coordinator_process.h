// Real coordinator processes for a test: started, killed, started again.
#ifndef SILLOK_TEST_COORDINATOR_SERVER_COORDINATOR_PROCESS_H_
#define SILLOK_TEST_COORDINATOR_SERVER_COORDINATOR_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/coordinator.pb.h"

namespace sillok::coord {

// An ensemble on loopback. Ports are the kernel's choice, taken before the
// members start (they must know one another); a port that another process took
// in between makes the start fail, and the ensemble is begun anew with others.
// All processes end with the object.
class ProcessEnsemble {
 public:
  // `directory` must exist. CHECKs that the ensemble comes up. `spares`: ids (and
  // ports) behind those of the members for processes that may join later.
  ProcessEnsemble(std::string directory, int members,
                  std::vector<std::string> settings = {}, int spares = 0);
  ~ProcessEnsemble();

  // With the configuration file of its first start.
  void Start(int id);
  // A spare, with a file that has those who run now, and itself as an observer.
  void StartSpare(int id);
  void Kill(int id);              // SIGKILL, and waits
  int Terminate(int id);          // SIGTERM, and waits; the exit code
  // Has ended by itself: its exit code, once.
  std::optional<int> Exited(int id);
  void Pause(int id);             // SIGSTOP
  void Resume(int id);            // SIGCONT
  void Wipe(int id);              // its data; it must not run
  bool running(int id) const { return processes_.count(id) != 0; }

  // "127.0.0.1:1,127.0.0.1:2,...", of spares, too.
  std::string servers() const;
  // "N=host:peerport[:observer];grpcport"
  std::string Line(int id, bool observer = false) const;
  std::string server(int id) const;
  // Asked over gRPC; nothing set when it does not answer.
  v1::MemberStatusResponse Status(int id) const;
  // Polls until one leads and all that run serve in its epoch; its id.
  int WaitForLeader();
  // Polls until `done`, up to 30 s.
  static bool Eventually(const std::function<bool()>& done);
  std::string Log(int id) const;

 private:
  bool TryStartAll();
  std::string DataDir(int id) const;

  const std::string directory_;
  const int members_;
  const std::vector<std::string> settings_;
  const int spares_;
  std::map<int, std::vector<std::string>> files_;  // server lines, by id
  std::map<int, int> grpc_ports_, peer_ports_;
  std::map<int, pid_t> processes_;
};

}  // namespace sillok::coord

#endif  // SILLOK_TEST_COORDINATOR_SERVER_COORDINATOR_PROCESS_H_
