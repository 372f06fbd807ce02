// Several calls whose answers make one.
#ifndef SILLOK_BROKER_KAFKA_GATHER_H_
#define SILLOK_BROKER_KAFKA_GATHER_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace sillok::kafka_door {

// Calls `begin(i, done)` for i = 0 ... count - 1, each of which calls
// done(result) once, on any thread; then `finish` with the results in order, on
// the thread of the last one (at once when count is 0).
template <typename Result, typename Begin>
void Gather(size_t count, Begin begin,
            std::function<void(std::vector<Result>)> finish) {
  struct Pending {
    std::vector<Result> results;
    std::atomic<size_t> left;
    std::function<void(std::vector<Result>)> finish;
    void OneLess() {
      if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        finish(std::move(results));
      }
    }
  };
  auto pending = std::make_shared<Pending>();
  pending->results.resize(count);
  pending->left = count + 1;
  pending->finish = std::move(finish);
  for (size_t i = 0; i < count; ++i) {
    begin(i, [pending, i](Result result) {
      pending->results[i] = std::move(result);
      pending->OneLess();
    });
  }
  pending->OneLess();
}

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_GATHER_H_
