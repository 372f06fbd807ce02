// A disk that forgets what was not synced.
#ifndef SILLOK_TEST_SIM_DISK_H_
#define SILLOK_TEST_SIM_DISK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "test/sim/keyed_random.h"

namespace sillok::sim {

// Writes of one node in order: queued, then written and synced in groups, as one
// committer thread does it. `Image` is what is on stable storage and has
//   void Apply(const Write&);
//   void ApplyPartly(const Write&, uint64_t random);  // torn: some of it
// The owner says when a sync ends; the disk says what is then durable.
template <typename Write, typename Image>
class Disk {
 public:
  const Image& image() const { return image_; }
  Image& image() { return image_; }

  void Queue(Write write) { queue_.push_back(std::move(write)); }
  // Not yet on stable storage.
  size_t queued() const { return queue_.size(); }

  // Begins to sync all that is queued. False if a sync is under way or there is
  // nothing to do.
  bool BeginSync() {
    if (syncing_ > 0 || queue_.empty()) return false;
    syncing_ = queue_.size();
    return true;
  }

  // The sync under way is done; `done` sees each write it covered.
  template <typename Done>
  void EndSync(Done done) {
    for (; syncing_ > 0; --syncing_) {
      image_.Apply(queue_.front());
      done(queue_.front());
      queue_.pop_front();
    }
  }

  // Power loss: of what is not synced a prefix survives that the random number
  // picks (often none or all of it), and of the write behind it a part.
  void Crash(uint64_t random) {
    size_t kept = 0;
    bool torn = false;
    switch (random % 4) {
      case 0: break;
      case 1: kept = queue_.size(); break;
      default:
        kept = (random >> 8) % (queue_.size() + 1);
        torn = true;
    }
    for (size_t i = 0; i < kept; ++i) image_.Apply(queue_[i]);
    if (torn && kept < queue_.size()) {
      image_.ApplyPartly(queue_[kept], Mix(random));
    }
    queue_.clear();
    syncing_ = 0;
  }

 private:
  Image image_;
  std::deque<Write> queue_;
  // How many from the front the sync under way covers.
  size_t syncing_ = 0;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_DISK_H_
