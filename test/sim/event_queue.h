// Virtual time: the events of a simulation in the order they happen.
#ifndef SILLOK_TEST_SIM_EVENT_QUEUE_H_
#define SILLOK_TEST_SIM_EVENT_QUEUE_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace sillok::sim {

// Events of one instant happen in the order they were planned, so a run depends
// on nothing but its inputs. Times in microseconds. `Event` is best a small
// trivially copyable record.
template <typename Event>
class EventQueue {
 public:
  int64_t now() const { return now_; }
  bool empty() const { return heap_.empty(); }
  // When the next event is due; not if empty().
  int64_t next_time() const { return heap_.front().time; }

  void At(int64_t time, Event event) {
    heap_.push_back({std::max(time, now_), ++planned_, std::move(event)});
    std::push_heap(heap_.begin(), heap_.end(), Later());
  }
  void After(int64_t delay, Event event) { At(now_ + delay, std::move(event)); }

  // Moves time on to the next event. Not if empty().
  Event Pop() {
    std::pop_heap(heap_.begin(), heap_.end(), Later());
    Item item = std::move(heap_.back());
    heap_.pop_back();
    now_ = item.time;
    return std::move(item.event);
  }

 private:
  struct Item {
    int64_t time;
    uint64_t order;
    Event event;
  };
  struct Later {
    bool operator()(const Item& a, const Item& b) const {
      return a.time != b.time ? a.time > b.time : a.order > b.order;
    }
  };

  int64_t now_ = 0;
  uint64_t planned_ = 0;
  std::vector<Item> heap_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_EVENT_QUEUE_H_
