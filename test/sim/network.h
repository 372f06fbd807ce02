// What a network does to messages.
#ifndef SILLOK_TEST_SIM_NETWORK_H_
#define SILLOK_TEST_SIM_NETWORK_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "test/sim/keyed_random.h"

namespace sillok::sim {

struct NetworkOptions {
  double loss = 0;
  double duplication = 0;
  int64_t delay_mean_us = 500;
  // This part of the messages takes `slow_factor` times as long.
  double slow = 0;
  int64_t slow_factor = 50;
  // Messages of a link keep their order (a stream); else they may overtake.
  bool in_order = false;
};

// Decides the fate of messages between `nodes` nodes; carries nothing itself.
// Links have a direction and can be cut and healed one by one.
class Network {
 public:
  // When the copies of one message arrive: none, one or two.
  struct Fate {
    int copies = 0;
    std::array<int64_t, 2> arrival{};
  };

  // Draws with kinds `kind_base` to `kind_base + 9`.
  Network(NetworkOptions options, size_t nodes, const KeyedRandom* random,
          uint64_t kind_base)
      : options_(options),
        nodes_(nodes),
        random_(random),
        kind_(kind_base),
        links_(nodes * nodes) {}

  void set_options(NetworkOptions options) { options_ = options; }

  Fate Send(size_t from, size_t to, int64_t now) {
    uint64_t link = from * nodes_ + to;
    Link& state = links_[link];
    uint64_t ordinal = ++state.messages;
    Fate fate;
    if (state.cut || random_->Chance(options_.loss, kind_, link, ordinal)) {
      return fate;
    }
    fate.copies =
        random_->Chance(options_.duplication, kind_ + 1, link, ordinal) ? 2 : 1;
    for (int copy = 0; copy < fate.copies; ++copy) {
      fate.arrival[copy] = Arrival(link, ordinal, copy, now);
    }
    return fate;
  }

  // Asked again on arrival: what was on its way when a link was cut is lost.
  bool IsCut(size_t from, size_t to) const {
    return links_[from * nodes_ + to].cut;
  }
  void Cut(size_t from, size_t to) { links_[from * nodes_ + to].cut = true; }
  void HealAll() {
    for (Link& link : links_) link.cut = false;
  }

 private:
  struct Link {
    bool cut = false;
    uint64_t messages = 0;
    int64_t last_arrival = 0;
  };

  int64_t Arrival(uint64_t link, uint64_t ordinal, int copy, int64_t now) {
    double mean = static_cast<double>(options_.delay_mean_us);
    if (random_->Chance(options_.slow, kind_ + 2 + copy, link, ordinal)) {
      mean *= static_cast<double>(options_.slow_factor);
    }
    int64_t arrival =
        now + 20 + random_->Exponential(mean, kind_ + 4 + copy, link, ordinal);
    Link& state = links_[link];
    if (options_.in_order) arrival = std::max(arrival, state.last_arrival);
    state.last_arrival = std::max(arrival, state.last_arrival);
    return arrival;
  }

  NetworkOptions options_;
  size_t nodes_;
  const KeyedRandom* random_;
  uint64_t kind_;
  std::vector<Link> links_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_NETWORK_H_
