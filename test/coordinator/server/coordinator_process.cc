#include "test/coordinator/server/coordinator_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/rpc/channel.h"
#include "glog/logging.h"
#include "proto/coordinator.grpc.pb.h"

namespace sillok::coord {
namespace {

constexpr char kBinary[] = "coordinator/sillok-coordinator";

// Ports that nobody has now. All are held until all are chosen.
std::vector<int> FreePorts(int count) {
  std::vector<int> sockets, ports;
  for (int i = 0; i < count; ++i) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    PCHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
    PCHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) ==
           0);
    sockets.push_back(fd);
    ports.push_back(ntohs(address.sin_port));
  }
  for (int fd : sockets) close(fd);
  return ports;
}

}  // namespace

ProcessEnsemble::ProcessEnsemble(std::string directory, int members,
                                 std::vector<std::string> settings, int spares)
    : directory_(std::move(directory)),
      members_(members),
      settings_(std::move(settings)),
      spares_(spares) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (TryStartAll()) return;
  }
  LOG(FATAL) << "the ensemble does not come up: " << Log(1);
}

ProcessEnsemble::~ProcessEnsemble() {
  while (!processes_.empty()) {
    Resume(processes_.begin()->first);
    Kill(processes_.begin()->first);
  }
}

bool ProcessEnsemble::TryStartAll() {
  std::vector<int> ports = FreePorts(2 * (members_ + spares_));
  for (int id = 1; id <= members_ + spares_; ++id) {
    grpc_ports_[id] = ports[static_cast<size_t>(2 * id - 2)];
    peer_ports_[id] = ports[static_cast<size_t>(2 * id - 1)];
  }
  for (int id = 1; id <= members_; ++id) {
    files_[id].clear();
    for (int i = 1; i <= members_; ++i) files_[id].push_back(Line(i));
    Start(id);
  }
  // A member that could not have its port has ended by the time the others
  // serve.
  bool up = Eventually([&] {
    size_t serving = 0;
    for (int id = 1; id <= members_; ++id) {
      auto it = processes_.find(id);
      if (it == processes_.end() ||
          waitpid(it->second, nullptr, WNOHANG) == it->second) {
        processes_.erase(id);
        return true;
      }
      v1::MemberStatusResponse status = Status(id);
      serving += status.role() == "leading" || status.role() == "following";
    }
    return serving == static_cast<size_t>(members_);
  });
  if (up && processes_.size() == static_cast<size_t>(members_)) {
    WaitForLeader();
    return true;
  }
  while (!processes_.empty()) Kill(processes_.begin()->first);
  for (int id = 1; id <= members_; ++id) Wipe(id);
  return false;
}

std::string ProcessEnsemble::DataDir(int id) const {
  return directory_ + "/member-" + std::to_string(id);
}

void ProcessEnsemble::StartSpare(int id) {
  std::vector<std::string>& file = files_[id];
  file.clear();
  for (const auto& [other, pid] : processes_) file.push_back(Line(other));
  file.push_back(Line(id, true));
  Start(id);
}

void ProcessEnsemble::Start(int id) {
  std::vector<std::string> arguments = {kBinary};
  auto set = [&](const std::string& key, const std::string& value) {
    arguments.push_back("--set");
    arguments.push_back(key + "=" + value);
  };
  set("myid", std::to_string(id));
  set("dataDir", DataDir(id));
  set("grpc.listen", server(id));
  set("admin.listen", "127.0.0.1:0");
  set("clientPort", "0");
  for (const std::string& line : files_.at(id)) {
    arguments.push_back("--set");
    arguments.push_back("server." + line);
  }
  for (const std::string& setting : settings_) {
    arguments.push_back("--set");
    arguments.push_back(setting);
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string log = DataDir(id) + ".log";
  pid_t parent = getpid();
  pid_t child = fork();
  PCHECK(child >= 0);
  if (child == 0) {
    // Ends with the test, however the test ends.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execv(kBinary, argv.data());
    _exit(127);
  }
  processes_[id] = child;
}

void ProcessEnsemble::Kill(int id) {
  pid_t pid = processes_.at(id);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  processes_.erase(id);
}

std::optional<int> ProcessEnsemble::Exited(int id) {
  int status = 0;
  auto it = processes_.find(id);
  if (it == processes_.end() ||
      waitpid(it->second, &status, WNOHANG) != it->second) {
    return std::nullopt;
  }
  processes_.erase(it);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ProcessEnsemble::Terminate(int id) {
  pid_t pid = processes_.at(id);
  kill(pid, SIGTERM);
  int status = 0;
  waitpid(pid, &status, 0);
  processes_.erase(id);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void ProcessEnsemble::Pause(int id) { kill(processes_.at(id), SIGSTOP); }
void ProcessEnsemble::Resume(int id) { kill(processes_.at(id), SIGCONT); }

void ProcessEnsemble::Wipe(int id) {
  CHECK(!running(id));
  std::filesystem::remove_all(DataDir(id));
}

std::string ProcessEnsemble::server(int id) const {
  return "127.0.0.1:" + std::to_string(grpc_ports_.at(id));
}

std::string ProcessEnsemble::servers() const {
  std::string all;
  for (const auto& [id, port] : grpc_ports_) {
    all += (all.empty() ? "" : ",") + server(id);
  }
  return all;
}

std::string ProcessEnsemble::Line(int id, bool observer) const {
  return std::to_string(id) + "=127.0.0.1:" +
         std::to_string(peer_ports_.at(id)) + (observer ? ":observer;" : ";") +
         std::to_string(grpc_ports_.at(id));
}

v1::MemberStatusResponse ProcessEnsemble::Status(int id) const {
  auto stub = v1::Coordinator::NewStub(rpc::NewChannel(server(id)));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(2));
  v1::MemberStatusResponse response;
  if (!stub->MemberStatus(&context, {}, &response).ok()) {
    return v1::MemberStatusResponse();
  }
  return response;
}

int ProcessEnsemble::WaitForLeader() {
  int leader = 0;
  bool found = Eventually([&] {
    leader = 0;
    size_t agreeing = 0;
    std::map<int, v1::MemberStatusResponse> seen;
    for (const auto& [id, pid] : processes_) {
      seen[id] = Status(id);
      if (seen[id].role() == "leading") leader = id;
    }
    for (const auto& [id, status] : seen) {
      bool serves = status.role() == "leading" ||
                    status.role() == "following" ||
                    status.role() == "observing";
      agreeing += leader != 0 && serves && status.leader_id() == leader &&
                  status.epoch() == seen[leader].epoch();
    }
    return agreeing == processes_.size();
  });
  CHECK(found) << "no leader";
  return leader;
}

bool ProcessEnsemble::Eventually(const std::function<bool()>& done) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return done();
}

std::string ProcessEnsemble::Log(int id) const {
  std::ifstream file(DataDir(id) + ".log");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace sillok::coord
