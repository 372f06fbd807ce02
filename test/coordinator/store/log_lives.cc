#include "test/coordinator/store/log_lives.h"

#include <algorithm>

namespace sillok {
namespace {

constexpr uint64_t kLogId = 77;

std::string Show(const LogModel& model) {
  std::string text = "after " + std::to_string(model.trimmed.epoch()) + "." +
                     std::to_string(model.trimmed.counter()) + ":";
  for (const auto& [zxid, txn] : model.entries) {
    text += " " + std::to_string(zxid.epoch()) + "." +
            std::to_string(zxid.counter()) + "=" + txn.substr(0, 6);
  }
  return text + " epochs " + std::to_string(model.hard_state.accepted_epoch) +
         "," + std::to_string(model.hard_state.current_epoch) + " rows " +
         std::to_string(model.active_rows);
}

}  // namespace

void LogModel::Apply(const zab::Persist& persist) {
  if (persist.install_snapshot) {
    trimmed = *persist.install_snapshot;
    entries.clear();
    active_rows = 1 - active_rows;
  }
  if (persist.truncate_after) {
    while (!entries.empty() && entries.back().first > *persist.truncate_after) {
      entries.pop_back();
    }
  }
  for (const zab::Entry& entry : persist.entries) {
    entries.emplace_back(entry.zxid, *entry.txn);
  }
  if (persist.hard_state) hard_state = *persist.hard_state;
}

LogModel LogModel::From(Zxid from) const {
  LogModel later = *this;
  std::erase_if(later.entries,
                [&](const auto& entry) { return entry.first <= from; });
  later.trimmed = std::max(trimmed, from);
  return later;
}

LogLives::LogLives(uint64_t seed, const LogFaults& faults)
    : faults_(faults), random_(seed), disk_(seed ^ 0x5eed) {
  log_ = *SegmentLog::Create(disk_.Open(), Options(), kLogId);
}

SegmentLogOptions LogLives::Options() {
  SegmentLogOptions options;
  options.first_segment_bytes = 2 * kLogPageBytes;
  options.segment_bytes = 4 * kLogPageBytes;
  options.faults = faults_;
  options.on_new_segment = [this](uint64_t sequence) {
    newest_ = sequence;
    return absl::OkStatus();
  };
  return options;
}

bool LogLives::Broken(const std::string& what) {
  if (broken_.empty()) broken_ = what;
  return false;
}

// Often one that makes a frame end where a page does, as the frame did that was
// there before. Some can be packed and some cannot.
std::string LogLives::SomeTxn() {
  size_t bytes = 0;
  bool packable = random_() % 4 == 0;
  switch (random_() % 4) {
    case 0:
      bytes = kLogPageBytes - kFrameHeaderBytes - 16;
      packable = false;
      break;
    case 1: bytes = random_() % 6000; break;
    default: bytes = random_() % 200;
  }
  std::string txn = std::to_string(random_());
  txn.resize(bytes, static_cast<char>('a' + random_() % 26));
  for (size_t i = 6; i < bytes && !packable; ++i) {
    txn[i] = static_cast<char>(random_());
  }
  return txn;
}

zab::Persist LogLives::SomePersist() {
  zab::Persist persist;
  const uint32_t epoch = acked_.last().epoch();
  const uint64_t what = random_() % 20;
  Zxid last = acked_.last();
  if (what == 0) {
    last = Zxid(epoch + 1, random_() % 5 + 1);
    persist.install_snapshot = last;
  } else if (what < 4 && !acked_.entries.empty()) {
    // Never below what the tree has.
    const size_t at = random_() % acked_.entries.size();
    last = std::max(acked_.entries[at].first, covered_);
    persist.truncate_after = last;
  }
  if (what == 1 || what == 4) {
    // Each write changes something, so that its loss shows.
    persist.hard_state = zab::HardState{++promises_, epoch};
  }
  const uint64_t count = what == 1 || what == 4 ? 0 : random_() % 3 + 1;
  const bool anew = last != acked_.last() || random_() % 9 == 0;
  for (uint64_t i = 0; i < count; ++i) {
    // Sometimes the zxids that were truncated come again.
    last = i == 0 && anew && random_() % 2 == 0
               ? Zxid(last.epoch() + 1, 1)
               : last.Next();
    persist.entries.push_back(zab::MakeEntry(last, SomeTxn()));
  }
  return persist;
}

void LogLives::Live() {
  disk_.FailAfter(random_() % 60 + 1);
  while (true) {
    const zab::Persist persist = SomePersist();
    LogModel after = acked_;
    after.Apply(persist);
    given_ = after;
    if (!log_->Append({&persist}).ok()) return;
    if (!persist.entries.empty() || persist.hard_state ||
        persist.truncate_after || persist.install_snapshot) {
      before_last_ = acked_;
      acked_ = std::move(after);
    }
    given_.reset();
    covered_ = std::max(covered_, acked_.trimmed);
    if (random_() % 4 == 0 && !acked_.entries.empty()) {
      const size_t at = random_() % acked_.entries.size();
      covered_ = std::max(covered_, acked_.entries[at].first);
    }
    if (random_() % 3 == 0) {
      // The trim is begun even if the disk fails in it.
      trimmed_ = std::max(trimmed_, covered_);
      if (log_->PlanTrim(covered_)) ++recycled_;
      if (!log_->Drop(covered_).ok()) return;
    }
    if (random_() % 5 == 0 && !log_->PrepareSpare().ok()) return;
  }
}

bool LogLives::Open(LogModel* found) {
  log_.reset();
  tail_.Reset(Zxid());
  auto log = SegmentLog::Open(disk_.Open(), Options(), kLogId, &tail_);
  if (!log.ok()) return Broken(std::string(log.status().message()));
  log_ = *std::move(log);
  found->trimmed = tail_.trimmed();
  found->hard_state = log_->hard_state();
  found->active_rows = log_->active_rows();
  Zxid at = tail_.trimmed();
  std::vector<zab::Entry> entries;
  size_t bytes = 0;
  const absl::Status read =
      log_->Read(&at, tail_.last(), size_t{1} << 30, &bytes, &entries);
  if (!read.ok()) return Broken("cannot be read: " + read.ToString());
  for (const zab::Entry& entry : entries) {
    const absl::StatusOr<Zxid> same = log_->LastAtOrBefore(entry.zxid);
    if (!same.ok() || *same != entry.zxid) {
      return Broken("an entry is not found");
    }
    found->entries.emplace_back(entry.zxid, *entry.txn);
  }
  return true;
}

bool LogLives::Recover() {
  const uint64_t noted = newest_;
  LogModel found;
  if (!Open(&found)) return false;
  if (log_->sequence() < noted) return Broken("the newest segment is lost");
  if (found.trimmed > std::max(trimmed_, acked_.trimmed) &&
      !(given_ && found == given_->From(found.trimmed))) {
    return Broken("trimmed too far");
  }
  if (given_ && found == given_->From(found.trimmed)) {
    before_last_ = acked_;
    acked_ = *given_;
    covered_ = std::max(covered_, acked_.trimmed);
    ++torn_;
  } else if (found != acked_.From(found.trimmed)) {
    return Broken("found " + Show(found) + "\nacknowledged " + Show(acked_) +
                  (given_ ? "\ngiven " + Show(*given_) : ""));
  }
  given_.reset();
  return true;
}

bool LogLives::TryDamage() {
  std::vector<std::string> segments;
  for (const std::string& name : disk_.Names()) {
    if (name.rfind("segment.", 0) == 0) segments.push_back(name);
  }
  const std::string name = segments[random_() % segments.size()];
  std::string& content = disk_.Content(name);
  const std::string good = content;
  // Mostly where something is.
  size_t at = random_() % content.size();
  for (int i = 0; i < 50 && content[at] == 0; ++i) {
    at = random_() % content.size();
  }
  content[at] = static_cast<char>(content[at] ^ (1 << random_() % 8));
  LogModel found;
  const bool opened = Open(&found);
  log_.reset();
  disk_.Content(name) = good;
  if (!opened) {
    broken_.clear();
    return true;
  }
  return found == acked_.From(found.trimmed) ||
         (name == segments.back() &&
          found == before_last_.From(found.trimmed)) ||
         Broken("damage at byte " + std::to_string(at) + " of " + name +
                " passed: found " + Show(found) + "\nthere was " +
                Show(acked_));
}

bool LogLives::Go(int lives) {
  for (int life = 0; life < lives; ++life) {
    Live();
    log_.reset();
    const bool killed_first = random_() % 3 == 0;
    if (killed_first) {
      disk_.Kill();
      if (!Recover()) return false;
      log_.reset();
    }
    disk_.CutPower();
    if (!Recover()) return false;
    for (int i = 0; i < 5; ++i) {
      if (!TryDamage()) return false;
    }
    LogModel again;
    if (!Open(&again)) return false;
    if (again != acked_.From(again.trimmed)) return Broken("not the same");
  }
  return true;
}

}  // namespace sillok
