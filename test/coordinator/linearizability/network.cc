#include "test/coordinator/linearizability/network.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::linearizability {
namespace {

constexpr char kIp[] = "/sbin/ip";

std::string Host(int member) { return fmt::format("10.77.0.{}", 10 + member); }

std::string NamespaceOf(pid_t pid) { return fmt::format("/proc/{}/ns/net", pid); }

// A child with a namespace of its own that lives until it is killed; -1 when
// that is not allowed.
pid_t StartKeeper() {
  int ready[2];
  PCHECK(pipe2(ready, O_CLOEXEC) == 0);
  const pid_t child = fork();
  PCHECK(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const char ok = unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
    if (write(ready[1], &ok, 1) != 1 || ok != 'y') _exit(1);
    while (true) pause();
  }
  close(ready[1]);
  char ok = 'n';
  if (read(ready[0], &ok, 1) != 1) ok = 'n';
  close(ready[0]);
  if (ok == 'y') return child;
  waitpid(child, nullptr, 0);
  return -1;
}

}  // namespace

Network::Network(int members, std::string* why_not) : members_(members) {
  if (access(kIp, X_OK) != 0) {
    *why_not = "there is no ip command (package iproute2)";
  } else if (geteuid() != 0) {
    *why_not = "network namespaces need root";
  } else if (unshare(CLONE_NEWNET) != 0) {
    *why_not = std::string("no network namespace: ") + strerror(errno);
  } else {
    Build(why_not);
  }
}

Network::~Network() {
  for (pid_t keeper : keepers_) {
    kill(keeper, SIGKILL);
    waitpid(keeper, nullptr, 0);
  }
}

bool Network::Build(std::string* why_not) {
  bool ok = Ip(0, {"link", "set", "lo", "up"}) &&
            Ip(0, {"link", "add", "br0", "type", "bridge"}) &&
            Ip(0, {"addr", "add", "10.77.0.1/24", "dev", "br0"}) &&
            Ip(0, {"link", "set", "br0", "up"});
  for (int member = 1; ok && member <= members_; ++member) {
    const pid_t keeper = StartKeeper();
    if (keeper < 0) {
      ok = false;
      break;
    }
    keepers_.push_back(keeper);
    const std::string end = fmt::format("v{}", member);
    ok = Ip(0, {"link", "add", end, "type", "veth", "peer", "name", "eth0",
                "netns", std::to_string(keeper)}) &&
         Ip(0, {"link", "set", end, "master", "br0", "up"}) &&
         Ip(member, {"link", "set", "lo", "up"}) &&
         Ip(member, {"addr", "add", Host(member) + "/24", "dev", "eth0"}) &&
         Ip(member, {"link", "set", "eth0", "up"});
  }
  if (!ok) *why_not = "the bridge and its cables could not be made";
  return ok;
}

bool Network::Ip(int member, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {kIp};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string where =
      member == 0 ? "" : NamespaceOf(keepers_.at(static_cast<size_t>(member) - 1));
  const pid_t child = fork();
  PCHECK(child >= 0);
  if (child == 0) {
    if (!where.empty() &&
        setns(open(where.c_str(), O_RDONLY), CLONE_NEWNET) != 0) {
      _exit(126);
    }
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::vector<std::string> Network::hosts() const {
  std::vector<std::string> all;
  for (int member = 1; member <= members_; ++member) {
    all.push_back(Host(member));
  }
  return all;
}

std::vector<std::string> Network::namespaces() const {
  std::vector<std::string> all;
  for (pid_t keeper : keepers_) all.push_back(NamespaceOf(keeper));
  return all;
}

void Network::Cut(int from, int to) {
  if (from == to || !cuts_.emplace(from, to).second) return;
  CHECK(Ip(from, {"route", "add", "blackhole", Host(to) + "/32"}));
}

void Network::CutBoth(int a, int b) {
  Cut(a, b);
  Cut(b, a);
}

void Network::Isolate(int member) {
  for (int other = 1; other <= members_; ++other) CutBoth(member, other);
}

void Network::Heal() {
  for (const auto& [from, to] : cuts_) {
    CHECK(Ip(from, {"route", "del", "blackhole", Host(to) + "/32"}));
  }
  cuts_.clear();
}

}  // namespace sillok::linearizability
