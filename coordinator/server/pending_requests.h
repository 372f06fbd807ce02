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
#include <optional>
#include <vector>

#include "base/ids.h"
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

  // The leader's decision about `ticket` is known, and this member shows it: its
  // tree stands at `applied`. False when there is no such request waiting.
  bool Resolve(Ticket ticket, Zxid applied, v1::SessionResponse response);

  // The transaction of `ticket` is about to be applied to a tree that stands at
  // `applied`. Carries out the local requests before it, which must not see what
  // a later request of the same session does; their replies wait for their turn.
  // Where the leader has not decided an earlier request yet (a refusal takes a
  // round of its own), the events of this transaction wait, too.
  void ExecuteBefore(Ticket ticket, Zxid applied, const Execute& execute);

  // A watch event that is due now: goes to `out`, or behind the last request
  // that ExecuteBefore has let overtake another. Other replies that wait show
  // the change when they go, and so must come after it.
  void AddEvent(v1::SessionResponse event, Messages* out);

  // Moves to `out` what may be sent now, carrying out local requests whose turn
  // it is. A response (without a zxid) in front of one that has overtaken it
  // gets the zxid of before that: it shows no more.
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
    Messages messages;           // kReady; kForwarded: its events
    // Happened while something before it waited, on a tree that stood here.
    std::optional<Zxid> overtook_at;
  };

  void SetOvertook(Slot* slot, Zxid applied);
  void LimitZxid(Slot* slot) const;

  std::deque<Slot> slots_;
  size_t undecided_ = 0;  // slots of kind kForwarded
  size_t overtaking_ = 0;  // slots that have overtaken others
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_PENDING_REQUESTS_H_
