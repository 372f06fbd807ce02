#include "test/sim/ensemble_faults.h"

#include <algorithm>

namespace sillok::sim {

void Troubles::BeMerciful(const Mercy& mercy) {
  if (mercy.Spares("loss")) network.loss = 0;
  if (mercy.Spares("duplication")) network.duplication = 0;
  if (mercy.Spares("slow messages")) network.slow = 0;
  if (mercy.Spares("reordering")) network.in_order = true;
  if (mercy.Spares("crashes")) crash_mean_us = 0;
  if (mercy.Spares("pauses")) pause_mean_us = 0;
  if (mercy.Spares("cuts")) cut_mean_us = 0;
  if (mercy.Spares("trims")) trim_mean_us = 0;
  if (mercy.Spares("resignations")) resign_mean_us = 0;
  if (mercy.Spares("transfers")) transfer_mean_us = 0;
  if (mercy.Spares("reconfigurations")) reconfigure_mean_us = 0;
  if (mercy.Spares("crashes on persist")) crash_on_persist = 0;
  if (mercy.Spares("slow syncs")) slow_sync = 0;
  if (mercy.Spares("batching")) lazy = 0;
  if (mercy.Spares("hints")) peer_lost_hints = false;
  if (mercy.Spares("small windows")) small_windows = false;
  if (mercy.Spares("observers")) observers = 0;
}

int64_t SyncTime(const KeyedRandom& random, double slow_sync, size_t node,
                 uint64_t ordinal) {
  if (random.Chance(slow_sync, kSyncTime, 100 + node, ordinal)) {
    return random.Range(20000, 1500000, kSyncTime, 200 + node, ordinal);
  }
  return 100 + random.Exponential(1000, kSyncTime, node, ordinal);
}

int64_t DownTime(const KeyedRandom& random, size_t node, uint64_t ordinal) {
  if (random.Chance(0.3, kDownTime, 100 + node, ordinal)) {
    return random.Range(1000, 50000, kDownTime, 200 + node, ordinal);
  }
  const int64_t down = random.Exponential(kSecond, kDownTime, node, ordinal);
  return random.Chance(0.1, kDownTime, 300 + node, ordinal) ? 5 * down : down;
}

int64_t PauseTime(const KeyedRandom& random, size_t node, uint64_t ordinal) {
  return random.Exponential(kSecond, kPauseTime, node, ordinal % 65536);
}

SnapshotFate DrawSnapshotFate(const KeyedRandom& random, bool faults_over,
                              size_t node, uint64_t ordinal) {
  SnapshotFate fate;
  fate.took_us = random.Exponential(300000, kSnapshotTime, node, ordinal);
  fate.lost =
      !faults_over && random.Chance(0.1, kSnapshotTime, 100 + node, ordinal);
  fate.noticed =
      fate.lost && random.Chance(0.5, kSnapshotTime, 200 + node, ordinal);
  return fate;
}

std::string CutSome(Network* network, size_t nodes,
                    std::optional<size_t> leader, uint64_t random) {
  const uint64_t how = (random >> 20) % 4;
  if (how == 0) {
    const size_t from = random % nodes;
    const size_t to = (from + 1 + (random >> 30) % (nodes - 1)) % nodes;
    network->Cut(from, to);
    return "cuts " + std::to_string(from) + "->" + std::to_string(to);
  }
  uint64_t side = how == 1 ? random >> 40 : uint64_t{1} << (random % nodes);
  if (how == 2 && leader) side = uint64_t{1} << *leader;
  for (size_t from = 0; from < nodes; ++from) {
    for (size_t to = 0; to < nodes; ++to) {
      if (((side >> from) & 1) != ((side >> to) & 1)) network->Cut(from, to);
    }
  }
  return "splits, one side " +
         std::to_string(side & ((uint64_t{1} << nodes) - 1));
}

zab::Membership NextMembership(const zab::Membership& now, int32_t first_id,
                               size_t machines, uint64_t random) {
  zab::Membership next = now;
  std::vector<zab::EnsembleMember>& members = next.members;
  auto id_of = [&](size_t i) {
    return MemberId(first_id + static_cast<int32_t>(i));
  };
  const MemberId one = id_of((random >> 8) % machines);
  auto known =
      std::find_if(members.begin(), members.end(),
                   [&](const zab::EnsembleMember& m) { return m.id == one; });
  switch ((random >> 20) % 6) {
    case 0:  // One comes or goes.
    case 1:
      if (known == members.end()) {
        members.push_back({one, (random >> 30) % 2 == 0, ""});
      } else {
        members.erase(known);
      }
      break;
    case 2:  // One changes what it is.
      if (known != members.end()) known->votes = !known->votes;
      break;
    case 3:  // Voters and observers change places.
      for (zab::EnsembleMember& member : members) member.votes = !member.votes;
      break;
    case 4:  // Everybody comes.
      for (size_t i = 0; i < machines; ++i) {
        if (!now.Find(id_of(i))) members.push_back({id_of(i), false, ""});
      }
      break;
    default:  // Anything.
      members.clear();
      for (size_t i = 0; i < machines; ++i) {
        const uint64_t draw = (random >> (30 + 3 * i)) % 8;
        if (draw < 5) members.push_back({id_of(i), draw != 0, ""});
      }
  }
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return next;
}

bool Contacts::IsStranded(size_t node, size_t leader,
                          const zab::Membership& members) const {
  uint64_t found = uint64_t{1} << leader;
  for (size_t round = 0; round < members.members.size(); ++round) {
    for (const zab::EnsembleMember& member : members.members) {
      const auto i = static_cast<size_t>(member.id.value() - first_id_);
      if (known_[i] & found) found |= uint64_t{1} << i;
    }
  }
  return ((found >> node) & 1) == 0;
}

}  // namespace sillok::sim
