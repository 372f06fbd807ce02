// The memory that requests of all connections may use together.
#ifndef SILLOK_BASE_NET_REQUEST_MEMORY_H_
#define SILLOK_BASE_NET_REQUEST_MEMORY_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/net/buffer_cache.h"

namespace sillok::net {

// Thread-safe; two atomic additions per request while there is enough. Who does
// not get it waits in line, and nobody overtakes: a large frame is not starved
// by small ones. While nothing is taken one frame of any size gets through, so
// a bound below a frame's size slows down but never blocks.
//
// A frame takes all its memory before its first byte is read, so nobody waits
// for more while holding some.
class RequestMemory : public std::enable_shared_from_this<RequestMemory> {
 public:
  using Ticket = uint64_t;

  // <= 0: no bound, it only counts.
  explicit RequestMemory(int64_t limit_bytes) : limit_(limit_bytes) {}
  RequestMemory(const RequestMemory&) = delete;
  RequestMemory& operator=(const RequestMemory&) = delete;

  bool TryTake(int64_t bytes);
  // After TryTake refused. `granted` runs when `bytes` have been taken for the
  // caller: once, on the thread that made room, perhaps before this returns. It
  // must be short: it holds up whoever gave back.
  Ticket Wait(int64_t bytes, std::function<void()> granted);
  // True: left the line, `granted` will not run. False: it has been granted.
  bool Cancel(Ticket ticket);
  void Release(int64_t bytes);

  // A buffer for `bytes` that were taken; its last reference gives them back.
  // Not initialised.
  std::shared_ptr<char> MakeBuffer(int64_t bytes);

  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  // How often somebody had to wait.
  int64_t waits() const { return waits_.load(std::memory_order_relaxed); }

 private:
  struct Waiter {
    int64_t bytes;
    std::function<void()> granted;
  };

  bool TakeIfItFits(int64_t bytes);
  void GrantInLine();

  const int64_t limit_;
  BufferCache buffers_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> waiting_{0};  // size of line_
  std::atomic<int64_t> waits_{0};

  std::mutex mutex_;
  std::map<Ticket, Waiter> line_;  // oldest first; guarded by mutex_
  Ticket next_ticket_ = 1;         // guarded by mutex_
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_REQUEST_MEMORY_H_
