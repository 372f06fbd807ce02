#include "base/net/request_memory.h"

#include <utility>

namespace sillok::net {

bool RequestMemory::TakeIfItFits(int64_t bytes) {
  int64_t used = used_.load();
  do {
    if (used != 0 && used + bytes > limit_) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

bool RequestMemory::TryTake(int64_t bytes) {
  if (limit_ <= 0) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
    return true;
  }
  return waiting_.load() == 0 && TakeIfItFits(bytes);
}

RequestMemory::Ticket RequestMemory::Wait(int64_t bytes,
                                          std::function<void()> granted) {
  waits_.fetch_add(1, std::memory_order_relaxed);
  Ticket ticket;
  {
    std::lock_guard lock(mutex_);
    ticket = next_ticket_++;
    line_.emplace(ticket, Waiter{bytes, std::move(granted)});
    waiting_.store(static_cast<int64_t>(line_.size()));
  }
  // What was released before waiting_ could be seen woke nobody.
  GrantInLine();
  return ticket;
}

bool RequestMemory::Cancel(Ticket ticket) {
  {
    std::lock_guard lock(mutex_);
    if (line_.erase(ticket) == 0) return false;
    waiting_.store(static_cast<int64_t>(line_.size()));
  }
  GrantInLine();  // a large one at the head may have held up small ones
  return true;
}

void RequestMemory::Release(int64_t bytes) {
  used_.fetch_sub(bytes);
  if (waiting_.load() > 0) GrantInLine();
}

void RequestMemory::GrantInLine() {
  std::vector<std::function<void()>> granted;
  {
    std::lock_guard lock(mutex_);
    while (!line_.empty() && TakeIfItFits(line_.begin()->second.bytes)) {
      granted.push_back(std::move(line_.begin()->second.granted));
      line_.erase(line_.begin());
    }
    waiting_.store(static_cast<int64_t>(line_.size()));
  }
  for (const auto& call : granted) call();
}

std::shared_ptr<char> RequestMemory::MakeBuffer(int64_t bytes) {
  char* data = buffers_.Allocate(static_cast<size_t>(bytes));
  return std::shared_ptr<char>(data, [owner = shared_from_this(),
                                      bytes](char* memory) {
    owner->buffers_.Free(memory, static_cast<size_t>(bytes));
    owner->Release(bytes);
  });
}

}  // namespace sillok::net
