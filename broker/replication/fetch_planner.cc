#include "broker/replication/fetch_planner.h"

#include <algorithm>
#include <utility>

namespace sillok {

FetchPlanner::FetchPlanner(Options options)
    : options_(options), lanes_(1 + options.narrow_lanes) {}

void FetchPlanner::Set(Slot slot, const FetchPosition& position, bool fresh,
                       int64_t now_ms) {
  const auto [found, added] = entries_.try_emplace(slot);
  Entry& entry = found->second;
  if (added || fresh) {
    if (!added) Remove(slot);
    Entry& started = entries_[slot];
    started.position = position;
    started.tenure = next_tenure_++;
    started.last_data_ms = now_ms;
    narrow_.insert(slot);
    if (position.delayed) Delay(slot, &started, now_ms + options_.backoff_ms);
    return;
  }
  if (entry.due_ms > 0 && !position.delayed) {
    delayed_.erase({entry.due_ms, slot});
    entry.due_ms = 0;
  }
  entry.position = position;
  if (position.delayed) Delay(slot, &entry, now_ms + options_.backoff_ms);
}

void FetchPlanner::Remove(Slot slot) {
  const auto found = entries_.find(slot);
  if (found == entries_.end()) return;
  delayed_.erase({found->second.due_ms, slot});
  narrow_.erase(slot);
  wide_.erase(slot);
  entries_.erase(found);
}

const FetchPosition* FetchPlanner::Find(Slot slot) const {
  const auto found = entries_.find(slot);
  return found == entries_.end() ? nullptr : &found->second.position;
}

std::vector<FetchPlanner::Item> FetchPlanner::Take(int lane, int64_t now_ms) {
  ReleaseDue(now_ms);
  std::vector<Item> items;
  const auto add = [&](Slot slot) {
    Entry& entry = entries_.at(slot);
    if (entry.due_ms > 0) return;
    if (lane == 0) {
      entry.in_wide = true;
    } else {
      entry.in_narrow = lane;
    }
    lanes_[lane].sent.emplace_back(slot, entry.tenure);
    items.push_back({slot, entry.position});
  };
  if (lane == 0) {
    for (Slot slot : wide_) add(slot);
    // No narrow lane can take them: better with the crowd than not at all.
    if (!AnyNarrowIdle()) {
      for (Slot slot : narrow_) {
        const Entry& entry = entries_.at(slot);
        if (entry.in_narrow == 0 && !entry.cooling) add(slot);
      }
    }
  } else {
    for (Slot slot : narrow_) {
      const Entry& entry = entries_.at(slot);
      if (entry.in_narrow == 0 && (!entry.in_wide || entry.cooling)) add(slot);
    }
  }
  lanes_[lane].busy = !items.empty();
  Rotate(&items);
  return items;
}

void FetchPlanner::OnData(Slot slot, int64_t now_ms) {
  const auto found = entries_.find(slot);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.last_data_ms = now_ms;
  entry.cooling = false;
  entry.narrow = true;
  wide_.erase(slot);
  narrow_.insert(slot);
}

void FetchPlanner::Done(int lane, bool failed, int64_t now_ms) {
  Lane& done = lanes_[lane];
  done.busy = false;
  for (const auto& [slot, tenure] : std::exchange(done.sent, {})) {
    const auto found = entries_.find(slot);
    if (found == entries_.end() || found->second.tenure != tenure) continue;
    Entry& entry = found->second;
    if (lane == 0) {
      entry.in_wide = false;
    } else {
      entry.in_narrow = 0;
    }
    if (failed) Delay(slot, &entry, now_ms + options_.backoff_ms);
    if (lane == 0 || !entry.narrow ||
        now_ms - entry.last_data_ms <= options_.quiet_after_ms) {
      continue;
    }
    if (entry.in_wide) {
      entry.narrow = false;
      narrow_.erase(slot);
    } else {
      wide_.insert(slot);
    }
    entry.cooling = entry.narrow;
  }
}

std::optional<int64_t> FetchPlanner::NextDue() const {
  if (delayed_.empty()) return std::nullopt;
  return delayed_.begin()->first;
}

bool FetchPlanner::AnyNarrowIdle() const {
  return std::any_of(lanes_.begin() + 1, lanes_.end(),
                     [](const Lane& lane) { return !lane.busy; });
}

void FetchPlanner::Delay(Slot slot, Entry* entry, int64_t due_ms) {
  if (entry->due_ms > 0) delayed_.erase({entry->due_ms, slot});
  entry->due_ms = due_ms;
  delayed_.emplace(due_ms, slot);
}

void FetchPlanner::ReleaseDue(int64_t now_ms) {
  while (!delayed_.empty() && delayed_.begin()->first <= now_ms) {
    entries_.at(delayed_.begin()->second).due_ms = 0;
    delayed_.erase(delayed_.begin());
  }
}

void FetchPlanner::Rotate(std::vector<Item>* items) {
  // The leader fills its answer from the front: let each be in front in turn.
  if (items->size() < 2) return;
  std::rotate(items->begin(), items->begin() + rotation_++ % items->size(),
              items->end());
}

}  // namespace sillok
