// What the two halves of a consumer share: the application's (client/consumer.cc)
// and the background's (ConsumerEngine).
#ifndef SILLOK_CLIENT_INTERNAL_CONSUMER_SHARED_H_
#define SILLOK_CLIENT_INTERNAL_CONSUMER_SHARED_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "client/consumer.h"
#include "client/internal/fetch_positions.h"
#include "client/internal/group_member.h"

namespace sillok::client {

// Under one mutex that is held for short steps only.
struct ConsumerShared {
  explicit ConsumerShared(const FetchPositionsOptions& options)
      : positions(options) {}

  std::mutex mutex;
  std::condition_variable changed;  // anything below
  FetchPositions positions;
  std::deque<GroupMember::Event> events;
  absl::Status error;    // for the next Poll, which takes it
  absl::Status failure;  // of the group membership; stays
  absl::Status problem;  // being retried
  std::deque<std::function<void()>> callbacks;  // to run inside Poll
  std::string member_id;
  ConsumerStats stats;
  bool wakeup = false;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_CONSUMER_SHARED_H_
