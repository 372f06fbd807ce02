// The order of one client stream: what was asked, what is answered, what waits.
//
// A plain data structure; one owner. It keeps ZooKeeper's promises for a
// session: replies in the order of the requests; a read waits for the earlier
// writes of its own session and for no others; a watch event is sent before
// any reply that shows its change or a later one.
#ifndef SILLOK_COORDINATOR_SERVER_PENDING_REQUESTS_H_
#define SILLOK_COORDINATOR_SERVER_PENDING_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "proto/coordinator.pb.h"

namespace sillok::coord {

class PendingRequests {
 public:
  // Names a request that the leader decides; never 0.
  using Ticket = uint64_t;
  using Messages = std::vector<v1::SessionResponse>;
  // Carries out a local request (a read, a set_watches) now and adds what the
  // client is sent: missed events, then the reply.
  // `since_ms` is that of AddLocal.
  using Execute = std::function<void(const v1::SessionRequest&,
                                     int64_t since_ms, Messages*)>;

  // A request that was sent to the leader.
  void AddForwarded(Ticket ticket);
  // A request this member answers by itself, once what is before it is answered.
  // If nothing is (empty()), the caller may as well answer it at once.
  void AddLocal(v1::SessionRequest request, int64_t since_ms);

  // The leader's decision about `ticket` is known, and this member shows it.
  // False when there is no such request waiting.
  bool Resolve(Ticket ticket, v1::SessionResponse response);

  // Carries out the local requests before `ticket`, whose transaction is about
  // to be applied: they must not see what a later request of the same session
  // does. Their replies wait for their turn.
  void ExecuteBefore(Ticket ticket, const Execute& execute);

  // A watch event that is due now: goes to `out`, or behind the last read that is
  // carried out but not sent. Other replies that wait show the change when they
  // go, and so must come after it.
  void AddEvent(v1::SessionResponse event, Messages* out);

  // Moves to `out` what may be sent now, carrying out local requests whose turn
  // it is. A response (without a zxid) in front of a read that is carried out
  // already gets that read's: it shows no more.
  void Flush(const Execute& execute, Messages* out);

  bool empty() const { return slots_.empty(); }
  // Requests that are not answered.
  size_t size() const { return slots_.size(); }
  // Requests the leader has not decided.
  std::vector<Ticket> Undecided() const;
  bool HasUndecided() const { return undecided_ > 0; }

 private:
  struct Slot {
    enum class Kind { kForwarded, kLocal, kReady };
    Kind kind;
    Ticket ticket = 0;
    v1::SessionRequest request;  // kLocal
    int64_t since_ms = 0;        // kLocal
    Messages messages;           // kReady
    bool read_ahead = false;     // kReady, by ExecuteBefore
  };

  void LimitZxid(Slot* slot) const;

  std::deque<Slot> slots_;
  size_t undecided_ = 0;  // slots of kind kForwarded
  size_t read_ahead_ = 0;  // slots that are read_ahead
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_PENDING_REQUESTS_H_
