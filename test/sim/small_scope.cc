#include "test/sim/small_scope.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "test/sim/flat_set.h"
#include "test/sim/small_scope_world.h"

namespace sillok::sim {
namespace {

// A state on the way, and which of its steps comes next.
struct Frame {
  SmallWorld world;
  std::vector<SmallStep> steps;
  size_t next = 0;
  uint64_t hash = 0;
  // How often time has passed on the way here.
  int ticks = 0;
  bool settled = false;
};

class Explorer {
 public:
  explicit Explorer(const SmallScopeOptions& options) : options_(options) {}

  SmallScopeResult Run();

 private:
  void Enter(SmallWorld world, uint64_t hash, int ticks);
  void Leave();
  void TakeNext();
  void OnSeen(SmallWorld* world, uint64_t hash, int ticks);
  void Compare(SmallWorld* world, uint64_t hash);
  std::vector<uint64_t> NextOf(const SmallWorld& world) const;
  void WriteSchedule();

  // So often that a schedule with more of it is endless.
  static constexpr int kManyTicks = 1000;

  const SmallScopeOptions& options_;
  SmallScopeResult result_;
  Violation violation_;
  FlatSet seen_;
  std::vector<Frame> path_;
  std::unordered_map<uint64_t, size_t> on_path_;
  // The first of those that are to be compared.
  std::unordered_map<uint64_t, SmallWorld> samples_;
};

void Explorer::Enter(SmallWorld world, uint64_t hash, int ticks) {
  ++result_.states;
  result_.settled += world.Settled();
  if (options_.compare_every > 0 && hash % options_.compare_every == 0) {
    samples_.emplace(hash, world);
  }
  std::vector<SmallStep> steps = world.Steps();
  const bool settled = world.Settled();
  if (steps.empty()) {
    ++result_.ends;
    result_.ends_digest ^= hash;
  }
  path_.push_back({std::move(world), std::move(steps), 0, hash, ticks,
                   settled});
  on_path_.emplace(hash, path_.size() - 1);
  result_.deepest = std::max(result_.deepest, path_.size() - 1);
}

void Explorer::Leave() {
  on_path_.erase(path_.back().hash);
  path_.pop_back();
}

void Explorer::TakeNext() {
  Frame& frame = path_.back();
  const bool settled = frame.settled;
  const SmallStep step = frame.steps[frame.next++];
  const int ticks = frame.ticks + (step.kind == SmallStep::Kind::kTick);
  // The last step takes the state itself.
  SmallWorld world = frame.next == frame.steps.size()
                         ? std::move(frame.world)
                         : frame.world;
  ++result_.steps;
  world.Take(step);
  if (settled && !world.Settled()) {
    violation_.Report("settled", "there is an election after all");
  }
  if (ticks > kManyTicks) violation_.Report("liveness", "it takes for ever");
  if (violation_.found()) return;
  const uint64_t hash = world.Hash();
  if (seen_.Insert(hash)) {
    Enter(std::move(world), hash, ticks);
  } else {
    OnSeen(&world, hash, ticks);
  }
}

// If it is on the way here there is an endless schedule: every such one closes
// somewhere, since there are but so many states.
void Explorer::OnSeen(SmallWorld* world, uint64_t hash, int ticks) {
  if (!samples_.empty()) Compare(world, hash);
  auto before = on_path_.find(hash);
  if (before == on_path_.end()) return;
  ++result_.waits;
  if (path_[before->second].ticks == ticks) {
    violation_.Report("liveness", "they talk for ever");
  } else if (world->CanServe() && !world->Agrees()) {
    violation_.Report("liveness", "time passes, and they never agree");
  }
}

void Explorer::Compare(SmallWorld* world, uint64_t hash) {
  auto sample = samples_.find(hash);
  if (sample == samples_.end() ||
      world->ExactHash() == sample->second.ExactHash()) {
    return;
  }
  ++result_.compared;
  if (NextOf(*world) != NextOf(sample->second)) {
    violation_.Report("comparison", "not the same can follow");
  }
}

std::vector<uint64_t> Explorer::NextOf(const SmallWorld& world) const {
  std::vector<uint64_t> hashes;
  for (const SmallStep& step : world.AllSteps()) {
    SmallWorld next = world;
    next.Take(step);
    hashes.push_back(next.CompleteHash());
  }
  return hashes;
}

// The states on the way are gone where their last step was taken.
void Explorer::WriteSchedule() {
  Violation again;
  SmallScopeResult ignored;
  SmallWorld world(&options_, &again, &ignored);
  world.Calm();
  for (const Frame& frame : path_) {
    const SmallStep& step = frame.steps[frame.next - 1];
    result_.schedule.push_back(world.Describe(step));
    world.Take(step);
  }
}

SmallScopeResult Explorer::Run() {
  SmallWorld first(&options_, &violation_, &result_);
  first.Calm();
  const uint64_t hash = first.Hash();
  seen_.Insert(hash);
  Enter(std::move(first), hash, 0);
  while (!path_.empty() && !violation_.found() &&
         result_.states < options_.max_states) {
    if (path_.back().next == path_.back().steps.size()) {
      Leave();
      continue;
    }
    TakeNext();
    if (options_.progress && result_.steps % 65536 == 0) {
      options_.progress(result_);
    }
  }
  result_.exhausted = path_.empty();
  result_.invariant = violation_.invariant();
  result_.text = violation_.text();
  if (violation_.found()) WriteSchedule();
  return std::move(result_);
}

}  // namespace

SmallScopeResult ExploreSmallScope(const SmallScopeOptions& options) {
  return Explorer(options).Run();
}

}  // namespace sillok::sim
