// Replies that are answered in any order and go out in the order of requests.
#ifndef SILLOK_BASE_NET_REPLY_ORDER_H_
#define SILLOK_BASE_NET_REPLY_ORDER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "base/net/out_frame.h"

namespace sillok::net {

// What came of a request.
struct Answer {
  std::optional<OutFrame> frame;  // empty: nothing is sent
  bool close = false;             // the connection ends after it
  std::string why;                // for the log, when it closes
};

// Pure. Open slots are numbered from 0, never again.
class ReplyOrder {
 public:
  uint64_t Open() {
    slots_.emplace_back();
    return first_ + slots_.size() - 1;
  }

  // Each slot once.
  void Put(uint64_t slot, Answer answer) {
    slots_[slot - first_] = std::move(answer);
  }

  // The next answer in turn, when it is there.
  std::optional<Answer> Take() {
    if (slots_.empty() || !slots_.front().has_value()) return std::nullopt;
    std::optional<Answer> answer = std::move(slots_.front());
    slots_.pop_front();
    ++first_;
    return answer;
  }

  // Slots not taken yet, answered or not.
  size_t size() const { return slots_.size(); }
  bool empty() const { return slots_.empty(); }
  void Clear() {
    first_ += slots_.size();
    slots_.clear();
  }

 private:
  std::deque<std::optional<Answer>> slots_;
  uint64_t first_ = 0;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_REPLY_ORDER_H_
