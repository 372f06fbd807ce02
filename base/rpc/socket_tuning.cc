#include "base/rpc/socket_tuning.h"

#include <grpc/support/sync.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

// gRPC takes a socket mutator as a public channel argument, but its layout is in
// an internal header that Debian does not install. This is the layout of gRPC
// 1.51; RpcServer::Start checks that it was called (TunedSockets).
struct grpc_mutate_socket_info;
struct grpc_socket_mutator_vtable {
  bool (*mutate_fd)(int fd, grpc_socket_mutator* mutator);
  int (*compare)(grpc_socket_mutator* a, grpc_socket_mutator* b);
  void (*destroy)(grpc_socket_mutator* mutator);
  bool (*mutate_fd_2)(const grpc_mutate_socket_info* info,
                      grpc_socket_mutator* mutator);
};
struct grpc_socket_mutator {
  const grpc_socket_mutator_vtable* vtable;
  gpr_refcount refcount;
};

namespace sillok::rpc {
namespace {

std::string* chosen = new std::string;
std::atomic<int> tuned_sockets{0};

bool SetCongestion(int fd, const std::string& name) {
  return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                    static_cast<socklen_t>(name.size())) == 0;
}

bool Mutate(int fd, grpc_socket_mutator*) {
  // A refusal must not cost the connection: unix sockets have no congestion.
  if (TuneSocket(fd)) tuned_sockets.fetch_add(1, std::memory_order_relaxed);
  return true;
}
int Compare(grpc_socket_mutator* a, grpc_socket_mutator* b) {
  return a == b ? 0 : (a < b ? -1 : 1);
}
void Destroy(grpc_socket_mutator*) {}

grpc_socket_mutator* Mutator() {
  static const grpc_socket_mutator_vtable vtable = {Mutate, Compare, Destroy,
                                                    nullptr};
  static grpc_socket_mutator* mutator = [] {
    auto* made = new grpc_socket_mutator{&vtable, {}};
    gpr_ref_init(&made->refcount, 1);  // ours, never given back
    return made;
  }();
  return mutator;
}

std::string SystemDefault(int fd) {
  char name[32] = {};
  socklen_t length = sizeof(name) - 1;
  if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) != 0) {
    return "unknown";
  }
  return name;
}

}  // namespace

std::string SetTcpCongestion(const std::string& choice) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string system = SystemDefault(fd);
  std::string note = " (system default " + system + ")";
  chosen->clear();
  if (choice == "auto") {
    for (const char* name : {"cubic", "reno"}) {
      if (SetCongestion(fd, name)) {
        *chosen = name;
        break;
      }
    }
  } else if (choice != "system") {
    if (SetCongestion(fd, choice)) {
      *chosen = choice;
    } else {
      note = " (the kernel refused " + choice + ": " + strerror(errno) + ")";
    }
  }
  close(fd);
  return (chosen->empty() ? system : *chosen) + note;
}

const std::string& TcpCongestion() { return *chosen; }

bool TuneSocket(int fd) {
  return chosen->empty() || SetCongestion(fd, *chosen);
}

void ApplySocketTuning(grpc::ChannelArguments* args) {
  if (chosen->empty()) return;
  gpr_ref(&Mutator()->refcount);  // SetSocketMutator takes one over
  args->SetSocketMutator(Mutator());
}

int TunedSockets() { return tuned_sockets.load(std::memory_order_relaxed); }

}  // namespace sillok::rpc
