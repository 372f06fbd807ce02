// How long to wait before the next attempt. Pure.
#ifndef SILLOK_CLIENT_INTERNAL_BACKOFF_H_
#define SILLOK_CLIENT_INTERNAL_BACKOFF_H_

#include <algorithm>
#include <cstdint>

namespace sillok::client {

// `first_ms` doubled for each attempt after the first, at most `max_ms`, and
// then up to 20 % more or less, by `random` (any number: the caller's choice), so
// that clients that failed together do not come back together.
inline int64_t BackoffMs(int64_t first_ms, int64_t max_ms, int attempt,
                         uint64_t random) {
  int64_t wait_ms = std::min(first_ms, max_ms);
  for (int i = 1; i < attempt && wait_ms < max_ms; ++i) {
    wait_ms = std::min(wait_ms * 2, max_ms);
  }
  // splitmix64's last steps: neighbours come out far apart.
  random = (random ^ (random >> 30)) * 0xbf58476d1ce4e5b9ull;
  random = (random ^ (random >> 27)) * 0x94d049bb133111ebull;
  random ^= random >> 31;
  int64_t spread = wait_ms * 2 / 5;  // 40 % wide
  if (spread == 0) return wait_ms;
  return wait_ms - spread / 2 +
         static_cast<int64_t>(random % static_cast<uint64_t>(spread + 1));
}

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_BACKOFF_H_
