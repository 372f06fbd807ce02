// What the parts of one ZAB member share.
#ifndef SILLOK_COORDINATOR_ZAB_LOCAL_H_
#define SILLOK_COORDINATOR_ZAB_LOCAL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/fingerprint.h"
#include "coordinator/zab/history.h"
#include "coordinator/zab/memberships.h"
#include "coordinator/zab/message.h"
#include "coordinator/zab/options.h"

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
      print->Add(history_->TokenDistance(held.token), m.kind, m.to,
                 Fingerprint::Epoch{m.epoch}, m.zxid, m.hint,
                 HardState{m.accepted_epoch, m.current_epoch}, m.promised);
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
        memberships(options, applied),
        history(hard_state, applied, view, options),
        outbox(options.self, &history),
        commit(applied),
        delivered(applied),
        random_state(options.seed) {
    ReadMemberships();
  }

  // A copy on another log.
  Local(const Local& other, const LogView* view)
      : options(other.options),
        memberships(other.memberships),
        newer_membership(other.newer_membership),
        departed(other.departed),
        history(other.history),
        outbox(other.outbox),
        commit(other.commit),
        delivered(other.delivered),
        epoch_floor(other.epoch_floor),
        epoch_heard(other.epoch_heard),
        random_state(other.random_state),
        removed(other.removed),
        fatal(other.fatal) {
    history.Rebind(view);
    outbox.Rebind(&history);
  }
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;

  void AddTo(Fingerprint* print) const {
    history.AddTo(print);
    outbox.AddTo(print);
    memberships.AddTo(print);
    // Heard of counts where it is above what was promised; and there is nothing
    // random about short silences.
    const uint32_t heard =
        std::max(epoch_heard, history.hard_state().accepted_epoch);
    print->Add(commit, delivered, print->settled() ? 0 : heard,
               options.silence_ticks / 4 == 0 ? 0 : random_state, removed,
               fatal.size());
  }

  // ---- The history, and the memberships with it

  void Append(Entry entry) {
    memberships.OnAppended(entry);
    history.Append(std::move(entry));
    RaiseCommit(memberships.proven());
  }
  void TruncateAfter(Zxid zxid) {
    history.TruncateAfter(zxid);
    memberships.OnTruncated(zxid);
  }
  void InstallSnapshot(Zxid zxid, Membership membership) {
    history.InstallSnapshot(zxid);
    memberships.OnInstalled(zxid, std::move(membership));
    commit = delivered = zxid;
  }
  void RaiseCommit(Zxid zxid) {
    if (zxid <= commit) return;
    commit = zxid;
    memberships.OnCommitted(zxid);
  }

  // What may be handed out.
  Zxid deliverable() const {
    const Zxid held = memberships.held();
    if (held == Zxid()) return commit;
    return history.LastAtOrBefore(Zxid(held.value() - 1)).value_or(delivered);
  }

  // ---- The members

  // Not one of those who elect and lead, as far as this member knows.
  bool observing() const { return !memberships.Votes(options.self); }
  // It has no vote and nothing from anybody. Perhaps it had both, on another disk:
  // a leader of that time, whom nobody else follows any more, would still count
  // it.
  bool new_here() const {
    return memberships.can_change() && observing() &&
           history.last() == Zxid();
  }
  bool IsMember(MemberId id) const {
    return memberships.Contains(id) ||
           (newer_membership != nullptr && newer_membership->Find(id)) ||
           std::any_of(departed.begin(), departed.end(),
                       [&](const Departed& d) { return d.member.id == id; });
  }
  // Whom to ask who leads, this member left out.
  std::vector<MemberId> Others() const {
    std::vector<MemberId> others;
    for (const EnsembleMember& member : Contacts()) {
      if (member.id != options.self) others.push_back(member.id);
    }
    return others;
  }
  // By id.
  std::vector<EnsembleMember> Contacts() const {
    std::vector<EnsembleMember> contacts = memberships.contacts();
    auto add = [&](const EnsembleMember& member) {
      if (std::none_of(contacts.begin(), contacts.end(),
                       [&](const auto& c) { return c.id == member.id; })) {
        contacts.push_back(member);
      }
    };
    if (newer_membership != nullptr) {
      for (const EnsembleMember& member : newer_membership->members) {
        add(member);
      }
    }
    for (const Departed& gone : departed) add(gone.member);
    std::sort(contacts.begin(), contacts.end(),
              [](const EnsembleMember& a, const EnsembleMember& b) {
                return a.id < b.id;
              });
    return contacts;
  }
  // Somebody knows of a membership. True if that is news.
  bool HearOf(const std::shared_ptr<const Membership>& other) {
    if (!memberships.can_change() || other == nullptr ||
        other->version <= memberships.newest().version ||
        (newer_membership && other->version <= newer_membership->version)) {
      return false;
    }
    newer_membership = other;
    return true;
  }

  // 0 to bound, from the injected seed (splitmix64).
  uint64_t Random(uint64_t bound) {
    uint64_t z = (random_state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % (bound + 1);
  }

  const Options options;
  Memberships memberships;
  // Heard of from others: whom they name this member may talk to, so that it is
  // found and finds a leader. Nobody's word counts for it.
  std::shared_ptr<const Membership> newer_membership;
  // No members any more, but there may be something to be said to them, or heard
  // from one that has led until now. Forgotten after a while.
  struct Departed {
    EnsembleMember member;
    int ticks = 0;
  };
  std::vector<Departed> departed;
  History history;
  Outbox outbox;
  // Known to be committed; never truncated, never lowered.
  Zxid commit;
  // Handed out in Output::committed.
  Zxid delivered;
  // What a majority has told us, who are new here: nothing older is to be joined.
  uint32_t epoch_floor = 0;
  // The highest epoch that anybody has told us it has promised.
  uint32_t epoch_heard = 0;
  uint64_t random_state;
  // See Output::removed.
  bool removed = false;
  // See Output::fatal.
  std::string fatal;

 private:
  // What lies behind the applied zxid may name memberships, too.
  void ReadMemberships() {
    if (!memberships.can_change() || options.faults.forget_at_start ||
        !history.violation().empty()) {
      return;
    }
    constexpr size_t kChunkBytes = size_t{1} << 20;
    for (Zxid after = commit;;) {
      std::vector<Entry> entries = history.Read(after, kChunkBytes);
      if (entries.empty()) return;
      for (const Entry& entry : entries) memberships.OnAppended(entry);
      after = entries.back().zxid;
      RaiseCommit(memberships.proven());
    }
  }
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_LOCAL_H_
