#include "broker/disk_trouble.h"

#include <algorithm>
#include <utility>

namespace sillok {

void DiskTrouble::OnWriteFailed(const TopicPartition& partition,
                                std::string why, int64_t now_ms) {
  const bool first = recovered_ || (replicas_.empty() && !out_);
  replicas_[partition] = std::move(why);
  if (!first) return;
  const bool again =
      recovered_ && now_ms - recovered_ms_ < options_.calm_ms;
  try_ms_ = again ? std::min(try_ms_ * 2, options_.try_max_ms)
                  : options_.try_ms;
  recovered_ = false;
  try_at_ms_ = now_ms + try_ms_;
}

void DiskTrouble::OnWriteWorked(const TopicPartition& partition) {
  replicas_.erase(partition);
}

void DiskTrouble::OnRegistered() {
  out_ = false;
  asking_ = false;
  all_handed_over_ = false;
  ask_at_ms_ = 0;
  register_anew_ = false;
}

void DiskTrouble::OnSteppedBack(bool taken, int32_t remaining,
                                int64_t now_ms) {
  if (!out_) return;  // of a registration before
  asking_ = false;
  all_handed_over_ = taken && remaining == 0;
  ask_at_ms_ = now_ms + options_.ask_again_ms;
}

void DiskTrouble::OnTried(bool writable, int64_t now_ms) {
  trying_ = false;
  try_at_ms_ = now_ms + try_ms_;
  if (!writable || log_lost_) return;
  for (const auto& [partition, why] : replicas_) forget_.push_back(partition);
  replicas_.clear();
  recovered_ = true;
  recovered_ms_ = now_ms;
  register_anew_ = out_;
}

DiskTrouble::Todo DiskTrouble::Next(int64_t now_ms) {
  Todo todo;
  todo.forget = std::exchange(forget_, {});
  todo.register_anew = std::exchange(register_anew_, false);
  auto wake_at = [&](int64_t at) {
    todo.wake_ms = todo.wake_ms == -1 ? at : std::min(todo.wake_ms, at);
  };
  if (InTrouble() && !asking_ && !all_handed_over_) {
    if (now_ms >= ask_at_ms_) {
      todo.step_back = true;
      asking_ = out_ = true;
    } else {
      wake_at(ask_at_ms_);
    }
  }
  // Also when every replica can be written again: out of the cluster we are
  // until we register anew.
  if (!log_lost_ && !trying_ && !recovered_ && (out_ || InTrouble())) {
    if (now_ms >= try_at_ms_) {
      todo.try_disk = trying_ = true;
    } else {
      wake_at(try_at_ms_);
    }
  }
  return todo;
}

}  // namespace sillok
