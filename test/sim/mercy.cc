#include "test/sim/mercy.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sillok::sim {
namespace {

class Shrinker {
 public:
  Shrinker(const std::function<Outcome(const Mercy&)>& run, int max_runs)
      : run_(run), max_runs_(max_runs) {
    best_.outcome = run_(best_.mercy);
    best_.runs = 1;
  }

  // Keeps `mercy` if the run still breaks the same promise.
  bool Try(const Mercy& mercy) {
    if (best_.runs >= max_runs_) return false;
    ++best_.runs;
    Outcome outcome = run_(mercy);
    if (outcome.invariant != best_.outcome.invariant) return false;
    best_.mercy = mercy;
    best_.outcome = std::move(outcome);
    return true;
  }

  void DropKinds(const std::vector<std::string>& kinds) {
    for (const std::string& kind : kinds) {
      Mercy mercy = best_.mercy;
      mercy.kinds.insert(kind);
      Try(mercy);
    }
  }

  // Spares runs of faults, from half of them down to single ones.
  void DropFaults() {
    size_t length = (best_.outcome.fired.size() + 1) / 2;
    while (length > 0 && best_.runs < max_runs_) {
      bool helped = false;
      for (size_t from = 0; from < best_.outcome.fired.size();) {
        const std::vector<uint64_t>& fired = best_.outcome.fired;
        Mercy mercy = best_.mercy;
        size_t end = std::min(from + length, fired.size());
        mercy.faults.insert(fired.begin() + static_cast<ptrdiff_t>(from),
                            fired.begin() + static_cast<ptrdiff_t>(end));
        if (Try(mercy)) {
          helped = true;  // What followed has moved up.
        } else {
          from += length;
        }
        if (best_.runs >= max_runs_) return;
      }
      if (length == 1 && !helped) return;
      length = std::max<size_t>(length / 2, 1);
    }
  }

  Shrunk best() && { return std::move(best_); }
  const Shrunk& best() const& { return best_; }

 private:
  const std::function<Outcome(const Mercy&)>& run_;
  const int max_runs_;
  Shrunk best_;
};

}  // namespace

Shrunk Shrink(const std::function<Outcome(const Mercy&)>& run,
              const std::vector<std::string>& kinds, int max_runs) {
  Shrinker shrinker(run, max_runs);
  if (!shrinker.best().outcome.invariant.empty()) {
    shrinker.DropKinds(kinds);
    shrinker.DropFaults();
    // With fewer faults a kind may be of no use any more.
    shrinker.DropKinds(kinds);
  }
  return std::move(shrinker).best();
}

}  // namespace sillok::sim
