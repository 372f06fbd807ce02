#include "test/differential/shrinker.h"

#include <algorithm>

namespace sillok::differential {
namespace {

class Shrinker {
 public:
  Shrinker(Script script, const std::function<bool(const Script&)>& shows,
           int attempts)
      : script_(std::move(script)), shows_(shows), left_(attempts) {}

  Script Run() {
    for (size_t chunk = std::max<size_t>(script_.size() / 2, 1);; chunk /= 2) {
      DropSteps(chunk);
      if (chunk <= 1) break;
    }
    for (Step& step : script_) {
      DropFrom(&step.ops);
      for (zk::Op& op : step.ops) DropFrom(&op.parts);
    }
    return script_;
  }

 private:
  bool Shows(const Script& script) { return left_-- > 0 && shows_(script); }

  void DropSteps(size_t chunk) {
    for (size_t at = 0; at < script_.size() && left_ > 0;) {
      Script less = script_;
      auto first = less.begin() + static_cast<ptrdiff_t>(at);
      less.erase(first, less.end() - first > static_cast<ptrdiff_t>(chunk)
                            ? first + static_cast<ptrdiff_t>(chunk)
                            : less.end());
      if (Shows(less)) {
        script_ = std::move(less);
      } else {
        at += chunk;
      }
    }
  }

  // `ops` is somewhere in script_.
  void DropFrom(std::vector<zk::Op>* ops) {
    for (size_t i = 0; ops->size() > 1 && i < ops->size() && left_ > 0;) {
      std::vector<zk::Op> whole = *ops;
      ops->erase(ops->begin() + static_cast<ptrdiff_t>(i));
      if (!Shows(script_)) {
        *ops = std::move(whole);
        ++i;
      }
    }
  }

  Script script_;
  const std::function<bool(const Script&)>& shows_;
  int left_;
};

}  // namespace

Script Shrink(Script script, const std::function<bool(const Script&)>& shows,
              int attempts) {
  return Shrinker(std::move(script), shows, attempts).Run();
}

}  // namespace sillok::differential
