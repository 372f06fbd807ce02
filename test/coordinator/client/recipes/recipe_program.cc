// recipe_program SERVERS SESSION_TIMEOUT_MS: uses recipes as told on stdin, one
// command a line, and says on stdout how it went.
//
//   lock PATH | read PATH | write PATH   choose a lock for what follows
//   acquire MS | release | held | await-loss MS
//   elect PATH ID      says "elected EPOCH" and "lost" when it happens
//   join PATH NAME DATA MS
//   put PATH DATA | take PATH MS | claim PATH MS | finish
//   enter PATH COUNT MS | leave MS
//   close PATH | open PATH | await PATH MS     the gate
//   add PATH DELTA
//   restart MS         waits until the session has expired; a new one
//
// A Status that is not OK is said as "failed CODE".
#include <cstdio>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>

#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/barrier.h"
#include "coordinator/client/recipes/counter.h"
#include "coordinator/client/recipes/double_barrier.h"
#include "coordinator/client/recipes/leader_election.h"
#include "coordinator/client/recipes/lock.h"
#include "coordinator/client/recipes/membership.h"
#include "coordinator/client/recipes/queue.h"

namespace sillok::coord {
namespace {

void Say(const std::string& line) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

std::string Text(const absl::Status& status, const std::string& good) {
  if (status.ok()) return good;
  return "failed " + absl::StatusCodeToString(status.code());
}

class Program {
 public:
  explicit Program(BlockingSession* session) : session_(session) {}

  // False: no such command.
  bool Do(const std::string& command, std::istringstream& rest) {
    if (Locks(command, rest) || Queues(command, rest) ||
        Barriers(command, rest)) {
      return true;
    }
    std::string path, name, data;
    int64_t number = 0;
    if (command == "elect") {
      rest >> path >> name;
      election_ = std::make_unique<LeaderElection>(
          session_, path, name,
          LeaderElection::Callbacks{
              [](uint64_t epoch) { Say("elected " + std::to_string(epoch)); },
              [] { Say("lost"); },
              [](const absl::Status& s) { Say(Text(s, "trouble")); }});
    } else if (command == "join") {
      rest >> path >> name >> data >> number;
      group_ = std::make_unique<GroupMembership>(session_, path);
      Say(Text(group_->Join(name, data, absl::Milliseconds(number)),
               "joined"));
    } else if (command == "add") {
      rest >> path >> number;
      Counter counter(session_, path);
      absl::StatusOr<int64_t> sum = counter.Add(number);
      Say(Text(sum.status(), sum.ok() ? std::to_string(*sum) : ""));
    } else if (command == "restart") {
      rest >> number;
      AwaitExpiry(number);
      Say(session_->Restart(number) ? "restarted" : "failed");
    } else {
      return false;
    }
    return true;
  }

 private:
  // Time may have told before the ensemble does.
  void AwaitExpiry(int64_t ms) {
    TimePoint deadline = DeadlineIn(absl::Milliseconds(ms));
    auto signal = std::make_shared<Signal>();
    auto listener =
        session_->Listen([signal](SessionState) { signal->Raise(); });
    while (session_->state() != SessionState::kExpired &&
           signal->Await(deadline)) {
    }
  }

  bool Locks(const std::string& command, std::istringstream& rest) {
    std::string path;
    int64_t ms = 0;
    if (command == "lock" || command == "read" || command == "write") {
      rest >> path;
      lock_ = std::make_unique<DistributedLock>(
          session_, path, "",
          command == "lock"   ? LockKind::kExclusive
          : command == "read" ? LockKind::kRead
                              : LockKind::kWrite);
    } else if (command == "acquire") {
      rest >> ms;
      absl::Status status = lock_->Acquire(absl::Milliseconds(ms));
      Say(Text(status, "acquired " + std::to_string(lock_->fencing_token())));
    } else if (command == "release") {
      Say(Text(lock_->Release(), "released"));
    } else if (command == "held") {
      Say(lock_->Held() ? "held" : "not held");
    } else if (command == "await-loss") {
      rest >> ms;
      Say(lock_->AwaitLoss(absl::Milliseconds(ms)) ? "lost" : "kept");
    } else {
      return false;
    }
    return true;
  }

  bool Queues(const std::string& command, std::istringstream& rest) {
    std::string path, data;
    int64_t ms = 0;
    if (command == "put") {
      rest >> path >> data;
      Say(Text(DistributedQueue(session_, path).Put(data), "put"));
    } else if (command == "take") {
      rest >> path >> ms;
      auto item = DistributedQueue(session_, path).Take(absl::Milliseconds(ms));
      Say(Text(item.status(), item.ok() ? "took " + *item : ""));
    } else if (command == "claim") {
      rest >> path >> ms;
      queue_ = std::make_unique<DistributedQueue>(session_, path);
      auto claimed = queue_->Claim(absl::Milliseconds(ms));
      if (claimed.ok()) claimed_ = *claimed;
      Say(Text(claimed.status(), "claimed " + claimed_.data));
    } else if (command == "finish") {
      Say(Text(queue_->Finish(claimed_), "finished"));
    } else {
      return false;
    }
    return true;
  }

  bool Barriers(const std::string& command, std::istringstream& rest) {
    std::string path;
    int64_t ms = 0;
    size_t count = 0;
    if (command == "enter") {
      rest >> path >> count >> ms;
      barrier_ = std::make_unique<DoubleBarrier>(session_, path, count);
      Say(Text(barrier_->Enter(absl::Milliseconds(ms)), "entered"));
    } else if (command == "leave") {
      rest >> ms;
      Say(Text(barrier_->Leave(absl::Milliseconds(ms)), "left"));
    } else if (command == "close") {
      rest >> path;
      Say(Text(Barrier(session_, path).Close(), "closed"));
    } else if (command == "open") {
      rest >> path;
      Say(Text(Barrier(session_, path).Open(), "opened"));
    } else if (command == "await") {
      rest >> path >> ms;
      Say(Text(Barrier(session_, path).Await(absl::Milliseconds(ms)),
               "through"));
    } else {
      return false;
    }
    return true;
  }

  BlockingSession* const session_;
  std::unique_ptr<DistributedLock> lock_;
  std::unique_ptr<LeaderElection> election_;
  std::unique_ptr<GroupMembership> group_;
  std::unique_ptr<DistributedQueue> queue_;
  DistributedQueue::Claimed claimed_;
  std::unique_ptr<DoubleBarrier> barrier_;
};

int Main(int argc, char** argv) {
  if (argc != 3) return 2;
  SessionOptions options = *ParseConnectString(argv[1]);
  options.session_timeout_ms = std::stoll(argv[2]);
  auto session = BlockingSession::Connect(options, 30'000);
  if (!session.ok()) {
    Say("failed " + std::string(session.status().message()));
    return 1;
  }
  Program program(session->get());
  Say("ready");
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream rest(line);
    std::string command;
    rest >> command;
    if (!program.Do(command, rest)) Say("what? " + line);
  }
  return 0;
}

}  // namespace
}  // namespace sillok::coord

int main(int argc, char** argv) { return sillok::coord::Main(argc, argv); }
