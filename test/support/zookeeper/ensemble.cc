#include "test/support/zookeeper/ensemble.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::zk {
namespace {

namespace fs = std::filesystem;

constexpr char kJava[] = "/usr/bin/java";
constexpr char kZooKeeperJar[] = "/usr/share/java/zookeeper.jar";

// Relative in a test's runfiles; elsewhere SILLOK_SERVERS=<folder> says.
std::string CoordinatorBinary() {
  const char* folder = getenv("SILLOK_SERVERS");
  return folder != nullptr ? std::string(folder) + "/sillok-coordinator"
                           : "coordinator/sillok-coordinator";
}

bool PortIsFree(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  bool free = bind(fd, reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)) == 0;
  close(fd);
  return free;
}

// Ports below the range from which the kernel gives out ports of its own, so
// that a member that was killed finds its port free when it comes back.
int ChoosePort(std::set<int>* taken) {
  static auto* random = new std::mt19937(std::random_device{}());
  std::uniform_int_distribution<int> range(20'000, 32'000);
  while (true) {
    int port = range(*random);
    if (PortIsFree(port) && taken->insert(port).second) return port;
  }
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  CHECK(file) << "cannot write " << path;
}

// In the child, between fork and exec.
[[noreturn]] void Become(char* const* argv, const char* log,
                         const char* network, pid_t parent) {
  // Ends with the test, however the test ends.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  if (network[0] != '\0') {
    int fd = open(network, O_RDONLY);
    if (setns(fd, CLONE_NEWNET) != 0) _exit(126);
    close(fd);
  }
  int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

}  // namespace

EnsembleSpec::Kind Ensemble::KindFromEnvironment() {
  const char* which = getenv("SILLOK_ZOOKEEPER");
  return which != nullptr && std::string(which) == "debian"
             ? EnsembleSpec::Kind::kDebian
             : EnsembleSpec::Kind::kSillok;
}

std::string Ensemble::DebianMissing() {
  if (access(kZooKeeperJar, R_OK) != 0) {
    return "Debian's package zookeeper is not installed";
  }
  if (access(kJava, X_OK) != 0) return "there is no Java";
  return "";
}

Ensemble::Ensemble(EnsembleSpec spec) : spec_(std::move(spec)) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (TryStartAll()) return;
    LOG(WARNING) << "the ensemble does not come up: " << Log(1);
    while (!processes_.empty()) Kill(processes_.begin()->first);
    for (int id = 1; id <= spec_.members; ++id) fs::remove_all(DataDir(id));
  }
  LOG(FATAL) << "the ensemble does not come up";
}

Ensemble::~Ensemble() {
  while (!processes_.empty()) Kill(processes_.begin()->first);
}

bool Ensemble::TryStartAll() {
  std::set<int> taken;
  for (int id = 1; id <= spec_.members; ++id) {
    ports_[id] = {ChoosePort(&taken), ChoosePort(&taken), ChoosePort(&taken),
                  ChoosePort(&taken)};
  }
  for (int id = 1; id <= spec_.members; ++id) {
    fs::remove(DataDir(id) + ".log");
    Start(id);
  }
  // A member that could not have its port has ended by the time the others
  // serve.
  bool ended = false;
  const bool up = Eventually([&] {
    int serving = 0;
    for (int id = 1; id <= spec_.members && !ended; ++id) {
      ended = waitpid(processes_.at(id), nullptr, WNOHANG) != 0;
      if (ended) processes_.erase(id);
      serving += !ended && !Mode(id).empty();
    }
    return ended || serving == spec_.members;
  });
  return up && !ended;
}

std::string Ensemble::Host(int id) const {
  return spec_.hosts.empty() ? "127.0.0.1"
                             : spec_.hosts.at(static_cast<size_t>(id) - 1);
}

std::string Ensemble::DataDir(int id) const {
  return spec_.directory + "/member-" + std::to_string(id);
}

std::vector<std::string> Ensemble::SillokCommand(int id) const {
  std::vector<std::string> command = {CoordinatorBinary()};
  auto set = [&](const std::string& setting) {
    command.insert(command.end(), {"--set", setting});
  };
  const Ports& own = ports_.at(id);
  set(fmt::format("myid={}", id));
  set("dataDir=" + DataDir(id));
  set(fmt::format("grpc.listen={}:{}", Host(id), own.grpc));
  set("admin.listen=127.0.0.1:0");
  set(fmt::format("clientPort={}", own.client));
  set("clientPortAddress=" + Host(id));
  set("maxClientCnxns=0");
  set("4lw.commands.whitelist=*");
  for (const auto& [other, ports] : ports_) {
    set(fmt::format("server.{}={}:{};{}", other, Host(other), ports.peer,
                    ports.grpc));
  }
  for (const std::string& setting : spec_.settings) set(setting);
  return command;
}

std::vector<std::string> Ensemble::DebianCommand(int id) const {
  const Ports& own = ports_.at(id);
  fs::create_directories(DataDir(id));
  WriteFile(DataDir(id) + "/myid", std::to_string(id) + "\n");
  std::string config = fmt::format(
      "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={}\n"
      "clientPortAddress={}\nclientPort={}\nmaxClientCnxns=0\n"
      "admin.enableServer=false\n4lw.commands.whitelist=*\n",
      DataDir(id), Host(id), own.client);
  for (const auto& [other, ports] : ports_) {
    if (spec_.members == 1) break;
    config += fmt::format("server.{}={}:{}:{}\n", other, Host(other),
                          ports.peer, ports.election);
  }
  for (const std::string& setting : spec_.settings) config += setting + "\n";
  const std::string path = DataDir(id) + ".cfg";
  WriteFile(path, config);
  std::vector<std::string> command = {
      kJava, "-Xmx512m", "-Dzookeeper.jmx.log4j.disable=true",
      "-Djava.net.preferIPv4Stack=true"};
  command.insert(command.end(), spec_.java_flags.begin(),
                 spec_.java_flags.end());
  command.insert(command.end(),
                 {"-cp",
                  std::string(kZooKeeperJar) +
                      ":/usr/share/java/slf4j-simple.jar",
                  "org.apache.zookeeper.server.quorum.QuorumPeerMain", path});
  return command;
}

void Ensemble::Start(int id) {
  std::vector<std::string> command = spec_.kind == EnsembleSpec::Kind::kDebian
                                         ? DebianCommand(id)
                                         : SillokCommand(id);
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string log = DataDir(id) + ".log";
  const std::string network =
      spec_.namespaces.empty()
          ? ""
          : spec_.namespaces.at(static_cast<size_t>(id) - 1);
  const pid_t parent = getpid();
  const pid_t child = fork();
  PCHECK(child >= 0);
  if (child == 0) Become(argv.data(), log.c_str(), network.c_str(), parent);
  processes_[id] = child;
}

void Ensemble::Kill(int id) {
  const pid_t pid = processes_.at(id);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  processes_.erase(id);
}

int Ensemble::Terminate(int id) {
  const pid_t pid = processes_.at(id);
  kill(pid, SIGTERM);
  int status = 0;
  waitpid(pid, &status, 0);
  processes_.erase(id);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Ensemble::Pause(int id) { kill(processes_.at(id), SIGSTOP); }
void Ensemble::Resume(int id) { kill(processes_.at(id), SIGCONT); }

Address Ensemble::address(int id) const {
  return {Host(id), ports_.at(id).client};
}

std::string Ensemble::server(int id) const {
  return fmt::format("{}:{}", Host(id), ports_.at(id).client);
}

std::string Ensemble::servers() const {
  std::string all;
  for (int id = 1; id <= spec_.members; ++id) {
    all += (all.empty() ? "" : ",") + server(id);
  }
  return all;
}

std::string Ensemble::Mode(int id) const {
  const std::string said = FourLetterWord(address(id), "srvr");
  const size_t at = said.find("Mode: ");
  if (at == std::string::npos) return "";
  return said.substr(at + 6, said.find('\n', at) - at - 6);
}

int Ensemble::WaitForLeader() {
  int leader = 0;
  const bool found = Eventually([&] {
    leader = 0;
    size_t serving = 0;
    for (const auto& [id, pid] : processes_) {
      const std::string mode = Mode(id);
      if (mode == "leader" || mode == "standalone") leader = id;
      serving += !mode.empty();
    }
    return leader != 0 && serving == processes_.size();
  });
  CHECK(found) << "no leader";
  return leader;
}

bool Ensemble::Eventually(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < end) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return done();
}

std::string Ensemble::Log(int id) const {
  std::ifstream file(DataDir(id) + ".log");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() < 4000 ? all : all.substr(all.size() - 4000);
}

}  // namespace sillok::zk
