// One member's history: its log and hard state, on the way to disk or there.
#ifndef SILLOK_COORDINATOR_ZAB_HISTORY_H_
#define SILLOK_COORDINATOR_ZAB_HISTORY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"
#include "coordinator/zab/fingerprint.h"
#include "coordinator/zab/log_view.h"
#include "coordinator/zab/options.h"
#include "coordinator/zab/persist.h"

namespace sillok::zab {

// The log as the core wants it to be. Changes take effect here at once and are
// collected as Persists; durable() says how much of the present history storage
// has confirmed. Recent entries are held in memory (all that are not durable,
// and a cache of durable ones); older ones are read from the LogView.
class History {
 public:
  History(HardState hard_state, Zxid applied, const LogView* view,
          const Options& options);

  void Rebind(const LogView* view) { view_ = view; }
  // Of tokens only how far they lie from what is confirmed. The entries are those
  // of the view and of the Persists handed out, wherever they are read from.
  uint64_t TokenDistance(uint64_t token) const {
    return IsDurable(token) ? 0 : token - confirmed_token_;
  }
  void AddTo(Fingerprint* print) const {
    print->Add(hard_state_, last_, durable_, confirmed_last_, floor_,
               next_token_ - confirmed_token_,
               building_.empty() ? Stage::kInstall : stage_, building_.size(),
               violation_.size());
    for (const Pending& pending : pending_) {
      print->Add(TokenDistance(pending.token), pending.last, pending.keeps);
    }
  }

  Zxid last() const { return last_; }
  // The end of that part of the present history that a crash would leave.
  Zxid durable() const { return durable_; }
  const HardState& hard_state() const { return hard_state_; }

  // Histories are compared by (recency, last). A member that holds an entry of
  // epoch e holds all of the history e started from, just as one that has
  // current_epoch e does, so both count as being of that epoch.
  uint32_t recency() const {
    return std::max(hard_state_.current_epoch, last_.epoch());
  }

  bool Contains(Zxid zxid) const { return LastAtOrBefore(zxid) == zxid; }
  // As LogView's, of the present history.
  std::optional<Zxid> LastAtOrBefore(Zxid zxid) const;
  // The zxid after `zxid`, which is contained; nothing if it is the last.
  std::optional<Zxid> Next(Zxid zxid) const;
  // As LogView::Read. Empty also if `after` is below where the log starts.
  std::vector<Entry> Read(Zxid after, size_t max_bytes) const;
  // Where the log starts: entries at or below are not there any more.
  Zxid trimmed_to() const { return std::max(floor_, view_->TrimmedTo()); }

  void Append(Entry entry);
  // `zxid` is contained. No effect if it is the last.
  void TruncateAfter(Zxid zxid);
  void InstallSnapshot(Zxid zxid);
  void SetHardState(HardState hard_state);

  // The newest Persist: once it is confirmed all that was asked for so far is
  // durable. 0 before the first.
  uint64_t newest_token() const { return next_token_ - 1; }
  bool IsDurable(uint64_t token) const { return token <= confirmed_token_; }
  void OnPersisted(uint64_t token);

  bool HasPersists() const { return !building_.empty(); }
  std::vector<Persist> TakePersists();

  // Entries up to `zxid` have been handed out as committed, so those that are
  // durable as well may leave memory when the cache is full.
  void Release(Zxid zxid);

  // Not empty once the core has tried something impossible, or storage came
  // with contradictions. Nothing may be written any more.
  const std::string& violation() const { return violation_; }

 private:
  // What a Persist does to the log, until it is confirmed.
  struct Pending {
    uint64_t token = 0;
    // The log's end when it is done.
    Zxid last;
    // No entry above this survives it from before.
    Zxid keeps{~uint64_t{0}};
  };
  enum class Stage { kInstall, kTruncate, kEntries, kHardState };

  // The Persist under construction that a part of this stage can still join.
  Persist& Build(Stage stage);
  void UpdateDurable();

  const LogView* view_;
  const ZabFaults faults_;
  const size_t cache_bytes_;

  HardState hard_state_;
  Zxid last_;
  Zxid durable_;
  // The end of the log after the last confirmed Persist, on disk as it then was.
  Zxid confirmed_last_;
  // Nothing below an installed snapshot may be read from the view, which shows
  // the old log until the installation is confirmed.
  Zxid floor_;

  // Entries (memory_base_, last_]. Up to memory_base_ the view is right, or
  // memory_base_ is floor_.
  std::deque<Entry> memory_;
  Zxid memory_base_;
  size_t memory_bytes_ = 0;

  uint64_t next_token_ = 1;
  uint64_t confirmed_token_ = 0;
  Stage stage_ = Stage::kInstall;
  std::vector<Persist> building_;
  std::deque<Pending> pending_;
  std::string violation_;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_HISTORY_H_
