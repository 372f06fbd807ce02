#include "broker/log/leader_epochs.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace sillok {

std::optional<EpochEntry> LeaderEpochs::latest() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.back();
}

bool LeaderEpochs::Assign(LeaderEpoch epoch, Offset start) {
  if (epoch < LeaderEpoch(0)) return false;
  if (!entries_.empty() && entries_.back().epoch >= epoch &&
      entries_.back().start_offset < start) {
    return false;  // known, or a batch of an older epoch after a newer one
  }
  if (!entries_.empty() && entries_.back().epoch == epoch &&
      entries_.back().start_offset == start) {
    return false;
  }
  std::erase_if(entries_, [&](const EpochEntry& entry) {
    return entry.epoch >= epoch || entry.start_offset >= start;
  });
  entries_.push_back({epoch, start});
  return true;
}

bool LeaderEpochs::TruncateFromEnd(Offset end) {
  return std::erase_if(entries_, [&](const EpochEntry& entry) {
           return entry.start_offset >= end;
         }) > 0;
}

bool LeaderEpochs::TruncateFromStart(Offset start) {
  const auto after = std::find_if(
      entries_.begin(), entries_.end(),
      [&](const EpochEntry& entry) { return entry.start_offset > start; });
  if (after == entries_.begin()) return false;
  EpochEntry holding = *(after - 1);
  if (after - 1 == entries_.begin() && holding.start_offset == start) {
    return false;
  }
  holding.start_offset = start;
  entries_.erase(entries_.begin(), after);
  entries_.insert(entries_.begin(), holding);
  return true;
}

EpochEndOffset LeaderEpochs::EndOffsetFor(LeaderEpoch epoch,
                                          Offset log_end) const {
  if (epoch < LeaderEpoch(0) || entries_.empty()) return {};
  if (epoch == entries_.back().epoch) return {epoch, log_end};
  const auto after = std::find_if(
      entries_.begin(), entries_.end(),
      [&](const EpochEntry& entry) { return entry.epoch > epoch; });
  if (after == entries_.end()) return {};
  if (after == entries_.begin()) return {epoch, after->start_offset};
  return {(after - 1)->epoch, after->start_offset};
}

std::optional<LeaderEpoch> LeaderEpochs::EpochOf(Offset offset) const {
  const auto after = std::find_if(
      entries_.begin(), entries_.end(),
      [&](const EpochEntry& entry) { return entry.start_offset > offset; });
  if (after == entries_.begin()) return std::nullopt;
  return (after - 1)->epoch;
}

std::string LeaderEpochs::Encode() const {
  std::string text = fmt::format("0\n{}\n", entries_.size());
  for (const EpochEntry& entry : entries_) {
    text += fmt::format("{} {}\n", entry.epoch.value(),
                        entry.start_offset.value());
  }
  return text;
}

absl::StatusOr<LeaderEpochs> LeaderEpochs::Decode(std::string_view text) {
  std::istringstream in{std::string(text)};
  int64_t version = -1;
  int64_t count = -1;
  if (!(in >> version >> count) || version != 0 || count < 0) {
    return absl::DataLossError("leader epochs: no version 0 and count");
  }
  LeaderEpochs epochs;
  for (int64_t i = 0; i < count; ++i) {
    int32_t epoch = 0;
    int64_t start = 0;
    if (!(in >> epoch >> start)) {
      return absl::DataLossError(
          fmt::format("leader epochs: entry {} of {} is missing", i, count));
    }
    const EpochEntry entry{LeaderEpoch(epoch), Offset(start)};
    if (!epochs.entries_.empty() &&
        (entry.epoch <= epochs.entries_.back().epoch ||
         entry.start_offset < epochs.entries_.back().start_offset)) {
      return absl::DataLossError(
          fmt::format("leader epochs: entry {} does not rise", i));
    }
    epochs.entries_.push_back(entry);
  }
  return epochs;
}

}  // namespace sillok
