// What the parts of one ZAB member share.
#ifndef SILLOK_COORDINATOR_ZAB_LOCAL_H_
#define SILLOK_COORDINATOR_ZAB_LOCAL_H_

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/fingerprint.h"
#include "coordinator/zab/history.h"
#include "coordinator/zab/message.h"
#include "coordinator/zab/options.h"
#include "coordinator/zab/quorum.h"

namespace sillok::zab {

// Messages on their way out. Those that would reveal what is not yet durable
// wait for the Persist that makes it so.
class Outbox {
 public:
  Outbox(MemberId self, const History* history)
      : self_(self), history_(history) {}

  void Send(MemberId to, Message message) {
    message.from = self_;
    message.to = to;
    ready_.push_back(std::move(message));
  }
  void SendAfter(uint64_t token, MemberId to, Message message) {
    if (history_->IsDurable(token)) {
      Send(to, std::move(message));
      return;
    }
    message.from = self_;
    message.to = to;
    held_.push_back({token, std::move(message)});
  }
  // Something became durable.
  void Release() {
    while (!held_.empty() && history_->IsDurable(held_.front().token)) {
      ready_.push_back(std::move(held_.front().message));
      held_.pop_front();
    }
  }
  void Rebind(const History* history) { history_ = history; }
  void AddTo(Fingerprint* print) const {
    for (const Held& held : held_) {
      const Message& m = held.message;
      print->Add(history_->TokenDistance(held.token), m.kind, m.to, m.epoch,
                 m.zxid, m.hint, m.accepted_epoch, m.current_epoch,
                 m.promised);
    }
    print->Add(ready_.size());
  }
  // The role they were meant for is over.
  void DropHeld() { held_.clear(); }

  bool HasReady() const { return !ready_.empty(); }
  std::vector<Message> TakeReady() { return std::exchange(ready_, {}); }

 private:
  struct Held {
    uint64_t token;
    Message message;
  };
  const MemberId self_;
  const History* history_;
  std::vector<Message> ready_;
  // Sent in this order: one never overtakes another.
  std::deque<Held> held_;
};

// Outlives every role the member takes. The role that is on at the time is the
// only one that writes to it.
struct Local {
  Local(Options options_in, HardState hard_state, Zxid applied,
        const LogView* view)
      : options(std::move(options_in)),
        voters(options.voters),
        observers(options.observers),
        history(hard_state, applied, view, options),
        outbox(options.self, &history),
        commit(applied),
        delivered(applied),
        random_state(options.seed) {}

  // A copy on another log.
  Local(const Local& other, const LogView* view)
      : options(other.options),
        voters(other.voters),
        observers(other.observers),
        history(other.history),
        outbox(other.outbox),
        commit(other.commit),
        delivered(other.delivered),
        epoch_heard(other.epoch_heard),
        random_state(other.random_state),
        fatal(other.fatal) {
    history.Rebind(view);
    outbox.Rebind(&history);
  }
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;

  void AddTo(Fingerprint* print) const {
    history.AddTo(print);
    outbox.AddTo(print);
    print->Add(commit, delivered, epoch_heard, random_state, fatal.size());
  }

  void RaiseCommit(Zxid zxid) {
    if (zxid > commit) commit = zxid;
  }
  // 0 to bound, from the injected seed (splitmix64).
  uint64_t Random(uint64_t bound) {
    uint64_t z = (random_state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % (bound + 1);
  }

  const Options options;
  bool observing() const { return !voters.Contains(options.self); }
  bool IsMember(MemberId id) const {
    return voters.Contains(id) || observers.Contains(id);
  }

  const VoterSet voters;
  const MemberSet observers;
  History history;
  Outbox outbox;
  // Known to be committed; never truncated, never lowered.
  Zxid commit;
  // Handed out in Output::committed.
  Zxid delivered;
  // The highest epoch that anybody has told us it has promised.
  uint32_t epoch_heard = 0;
  uint64_t random_state;
  // See Output::fatal.
  std::string fatal;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_LOCAL_H_
