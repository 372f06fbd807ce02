#include "test/sim/small_scope.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "coordinator/zab/zab.h"
#include "test/sim/flat_set.h"
#include "test/sim/keyed_random.h"
#include "test/sim/zab_checkers.h"
#include "test/sim/zab_image.h"

namespace sillok::sim {
namespace {

using zab::Entry;
using zab::Message;
using zab::MessageKind;
using zab::Role;

uint64_t Fold(uint64_t hash, uint64_t value) { return Mix(hash ^ value); }

uint64_t HashOf(const Entry& entry) {
  uint64_t hash = Mix(entry.zxid.value());
  for (char c : *entry.txn) hash = Fold(hash, static_cast<uint64_t>(c));
  return hash;
}

uint64_t HashOf(const Message& m) {
  uint64_t hash = Mix(static_cast<uint64_t>(m.kind));
  for (uint64_t field :
       {uint64_t{m.epoch}, static_cast<uint64_t>(m.role), m.round,
        uint64_t{m.vote.epoch}, m.vote.last.value(),
        static_cast<uint64_t>(m.vote.leader.value()),
        uint64_t{m.accepted_epoch}, uint64_t{m.current_epoch},
        m.zxid.value(), m.commit.value(), m.sequence, m.hint.value(),
        uint64_t{m.promised} | uint64_t{m.established} << 1 |
            uint64_t{m.joined} << 2 | uint64_t{m.rejected} << 3}) {
    hash = Fold(hash, field);
  }
  for (const Entry& entry : m.entries) hash = Fold(hash, HashOf(entry));
  return hash;
}

uint64_t HashOf(const ZabImage& image) {
  uint64_t hash = Fold(image.hard_state().accepted_epoch,
                       image.hard_state().current_epoch);
  for (const Entry& entry : image.log()) hash = Fold(hash, HashOf(entry));
  return hash;
}

uint64_t HashOf(const zab::Persist& persist) {
  uint64_t hash = Fold(persist.entries.size(),
                       persist.truncate_after.value_or(Zxid()).value());
  for (const Entry& entry : persist.entries) hash = Fold(hash, HashOf(entry));
  if (!persist.hard_state) return hash;
  return Fold(Fold(hash, persist.hard_state->accepted_epoch),
              persist.hard_state->current_epoch);
}

// One thing that can happen.
struct Choice {
  enum class Kind { kDeliver, kWrite, kCrash, kStart, kPropose, kTick };
  Kind kind = Kind::kTick;
  size_t a = 0;  // the member
  size_t b = 0;  // kDeliver: the receiver. kCrash: writes that survive.
};

class World {
 public:
  World(const SmallScopeOptions& options, Violation* violation,
        SmallScopeResult* result)
      : options_(&options),
        violation_(violation),
        result_(result),
        n_(static_cast<size_t>(options.members)),
        links_(n_ * n_),
        transactions_(options.transactions),
        crashes_(options.crashes),
        ticks_(options.ticks) {
    for (size_t i = 0; i < n_; ++i) nodes_.push_back(std::make_unique<Node>());
    for (size_t i = 0; i < n_; ++i) Start(i);
    Settle();
  }
  std::unique_ptr<World> Clone() const {
    auto copy = std::unique_ptr<World>(new World(*this));
    return copy;
  }

  // Runs in one order until nothing moves.
  void Calm() {
    for (std::vector<Choice> all = Moves(); !all.empty(); all = Moves()) {
      Do(all.front());
    }
  }

  std::vector<Choice> Choices() const {
    if (options_->prompt_disks) {
      for (size_t i = 0; i < n_; ++i) {
        if (!nodes_[i]->writes.empty()) return WhileWriting(i);
      }
    }
    std::vector<Choice> all = Moves();
    const bool quiet = all.empty();
    for (size_t i = 0; i < n_; ++i) {
      if (nodes_[i]->core == nullptr) {
        all.push_back({Choice::Kind::kStart, i});
        continue;
      }
      if (transactions_ > 0 && Serves(i)) {
        all.push_back({Choice::Kind::kPropose, i});
      }
      if (crashes_ == 0) continue;
      for (size_t kept = 0; kept <= nodes_[i]->writes.size(); ++kept) {
        all.push_back({Choice::Kind::kCrash, i, kept});
      }
    }
    if (quiet && ticks_ > 0 && !Done()) all.push_back({Choice::Kind::kTick});
    return all;
  }

  void Do(const Choice& choice) {
    switch (choice.kind) {
      case Choice::Kind::kDeliver: {
        auto& link = links_[choice.a * n_ + choice.b];
        Item item = std::move(link.front());
        link.pop_front();
        Give(choice.a, choice.b, std::move(item));
        break;
      }
      case Choice::Kind::kWrite: Write(choice.a); break;
      case Choice::Kind::kCrash: Crash(choice.a, choice.b); break;
      case Choice::Kind::kStart:
        ++result_->restarts;
        Start(choice.a);
        break;
      case Choice::Kind::kPropose: Propose(choice.a); break;
      case Choice::Kind::kTick:
        --ticks_;
        for (size_t i = 0; i < n_; ++i) {
          if (nodes_[i]->core == nullptr) continue;
          nodes_[i]->core->Tick();
          Drive(i);
        }
        break;
    }
    Settle();
  }

  std::string Describe(const Choice& choice) const {
    std::ostringstream out;
    switch (choice.kind) {
      case Choice::Kind::kDeliver: {
        const Item& item = links_[choice.a * n_ + choice.b].front();
        if (item.message) {
          out << zab::DebugString(*item.message);
        } else {
          out << choice.b << " hears that " << choice.a << " is gone";
        }
        break;
      }
      case Choice::Kind::kWrite:
        out << choice.a << " has written";
        for (const Entry& entry : nodes_[choice.a]->writes.front().entries) {
          out << ' ' << entry.zxid;
        }
        break;
      case Choice::Kind::kCrash:
        out << choice.a << " crashes; " << choice.b << " of "
            << nodes_[choice.a]->writes.size() << " writes are left";
        break;
      case Choice::Kind::kStart: out << choice.a << " starts"; break;
      case Choice::Kind::kPropose: out << choice.a << " proposes"; break;
      case Choice::Kind::kTick: out << "time passes"; break;
    }
    return out.str();
  }

  // Of all that decides what can follow.
  uint64_t Hash() const {
    uint64_t hash = static_cast<uint64_t>(transactions_ * 1000000 +
                                          crashes_ * 1000 + ticks_);
    for (const auto& node : nodes_) {
      hash = Fold(hash, node->core == nullptr ? 0 : node->core->Fingerprint());
      hash = Fold(hash, node->delivered);
      for (const zab::Persist& write : node->writes) {
        hash = Fold(hash, HashOf(write));
      }
      hash = Fold(hash, HashOf(node->image));
    }
    for (const auto& link : links_) {
      hash = Fold(hash, link.size());
      for (const Item& item : link) hash = Fold(hash, item.hash);
    }
    for (const Entry& entry : committed_) hash = Fold(hash, HashOf(entry));
    for (const auto& [epoch, leader] : leaders_) {
      hash = Fold(hash, epoch * 16 + leader);
    }
    return hash;
  }

  // All are up, nothing is under way and they agree.
  bool Done() const {
    bool led = false;
    for (size_t i = 0; i < n_; ++i) {
      const Node& node = *nodes_[i];
      if (node.core == nullptr || !node.core->role().serving ||
          node.delivered != committed_.size()) {
        return false;
      }
      led = led || Serves(i);
    }
    return led;
  }
  bool OutOfTicks() const { return ticks_ == 0; }

 private:
  // A message, or the end of a link.
  struct Item {
    std::optional<Message> message;
    uint64_t hash = 0;
  };
  struct Node {
    ZabImage image;
    std::unique_ptr<zab::Zab> core;  // null while down
    std::deque<zab::Persist> writes;
    size_t delivered = 0;
  };

  World(const World& o)
      : options_(o.options_),
        violation_(o.violation_),
        result_(o.result_),
        n_(o.n_),
        links_(o.links_),
        committed_(o.committed_),
        leaders_(o.leaders_),
        transactions_(o.transactions_),
        crashes_(o.crashes_),
        ticks_(o.ticks_) {
    for (const auto& node : o.nodes_) {
      auto copy = std::make_unique<Node>();
      copy->image = node->image;
      copy->writes = node->writes;
      copy->delivered = node->delivered;
      if (node->core) copy->core = node->core->Clone(&copy->image);
      nodes_.push_back(std::move(copy));
    }
  }

  std::vector<Choice> Moves() const {
    std::vector<Choice> all;
    for (size_t from = 0; from < n_; ++from) {
      for (size_t to = 0; to < n_; ++to) {
        if (!links_[from * n_ + to].empty()) {
          all.push_back({Choice::Kind::kDeliver, from, to});
        }
      }
    }
    for (size_t i = 0; i < n_; ++i) {
      if (!nodes_[i]->writes.empty()) {
        all.push_back({Choice::Kind::kWrite, i});
      }
    }
    return all;
  }

  // What `i` can do itself while its disk is busy. That the write gets durable
  // and then `i` crashes comes later.
  std::vector<Choice> WhileWriting(size_t i) const {
    std::vector<Choice> all = {{Choice::Kind::kWrite, i}};
    for (size_t from = 0; from < n_; ++from) {
      if (!links_[from * n_ + i].empty()) {
        all.push_back({Choice::Kind::kDeliver, from, i});
      }
    }
    if (transactions_ > 0 && Serves(i)) {
      all.push_back({Choice::Kind::kPropose, i});
    }
    if (crashes_ == 0) return all;
    for (size_t kept = 0; kept < nodes_[i]->writes.size(); ++kept) {
      all.push_back({Choice::Kind::kCrash, i, kept});
    }
    return all;
  }

  bool Serves(size_t i) const {
    zab::RoleState role = nodes_[i]->core->role();
    return role.role == Role::kLeading && role.serving;
  }

  void Start(size_t i) {
    Node& node = *nodes_[i];
    zab::Options options;
    options.self = MemberId(static_cast<int32_t>(i));
    for (size_t m = 0; m < n_; ++m) {
      options.voters.push_back(MemberId(static_cast<int32_t>(m)));
    }
    options.faults = options_->faults;
    // Few ticks, so that each says much.
    options.heartbeat_ticks = 2;
    options.silence_ticks = 4;
    options.notify_ticks = 1;
    options.resend_ticks = 2;
    options.settle_ticks = 1;
    node.delivered = 0;
    node.core = std::make_unique<zab::Zab>(
        options, node.image.hard_state(), node.image.applied(), &node.image);
    Drive(i);
  }

  void Crash(size_t i, size_t kept) {
    Node& node = *nodes_[i];
    --crashes_;
    node.core.reset();
    for (size_t w = 0; w < kept; ++w) {
      node.image.Apply({ZabWrite::Kind::kPersist, node.writes[w], Zxid()});
    }
    node.writes.clear();
    for (size_t other = 0; other < n_; ++other) {
      if (other == i) continue;
      links_[other * n_ + i].clear();
      if (nodes_[other]->core) links_[i * n_ + other].push_back({{}, 77});
    }
    CheckKept();
  }

  void Write(size_t i) {
    Node& node = *nodes_[i];
    ZabWrite write{ZabWrite::Kind::kPersist, std::move(node.writes.front()),
                   Zxid()};
    node.writes.pop_front();
    node.image.Apply(write);
    if (write.persist.truncate_after) {
      ++result_->truncations;
      CheckKept();
    }
    node.core->OnPersisted(write.persist.token);
    Drive(i);
  }

  void Propose(size_t i) {
    --transactions_;
    nodes_[i]->core->Propose(
        "t" + std::to_string(options_->transactions - transactions_));
    Drive(i);
  }

  void Give(size_t from, size_t to, Item item) {
    if (nodes_[to]->core == nullptr) return;
    if (item.message) {
      nodes_[to]->core->Step(std::move(*item.message));
    } else {
      nodes_[to]->core->OnPeerLost(MemberId(static_cast<int32_t>(from)));
    }
    Drive(to);
  }

  // Votes and answers to heartbeats.
  void Settle() {
    for (bool moved = true; moved && !violation_->found();) {
      moved = false;
      for (size_t link = 0; link < links_.size() && !moved; ++link) {
        auto& items = links_[link];
        auto eager = std::find_if(items.begin(), items.end(), IsEager);
        if (eager == items.end()) continue;
        Item item = std::move(*eager);
        items.erase(eager);
        Give(link / n_, link % n_, std::move(item));
        moved = true;
      }
    }
  }
  static bool IsEager(const Item& item) {
    return item.message &&
           (item.message->kind == MessageKind::kNotification ||
            item.message->kind == MessageKind::kPong);
  }

  void Drive(size_t i) {
    Node& node = *nodes_[i];
    while (node.core->HasOutput() && !violation_->found()) {
      zab::Output out = node.core->TakeOutput();
      if (!out.fatal.empty()) {
        violation_->Report("core stops", "member ", i, ": ", out.fatal);
        return;
      }
      for (zab::Persist& persist : out.persist) {
        node.writes.push_back(std::move(persist));
      }
      for (Message& message : out.send) {
        const size_t to = static_cast<size_t>(message.to.value());
        if (nodes_[to]->core == nullptr) continue;
        uint64_t hash = HashOf(message);
        links_[i * n_ + to].push_back({std::move(message), hash});
      }
      for (const Entry& entry : out.committed) Deliver(i, entry);
      if (out.role && Serves(i)) {
        auto [known, is_new] = leaders_.emplace(out.role->epoch, i);
        if (known->second != i) {
          violation_->Report("one leader per epoch", "epoch ",
                             out.role->epoch, " is led by ", known->second,
                             " and by ", i);
        }
        result_->epochs = std::max<uint64_t>(result_->epochs,
                                             out.role->epoch);
      }
    }
  }

  void Deliver(size_t i, const Entry& entry) {
    Node& node = *nodes_[i];
    if (node.delivered < committed_.size()) {
      const Entry& known = committed_[node.delivered];
      if (known.zxid != entry.zxid || *known.txn != *entry.txn) {
        violation_->Report("prefix agreement", "member ", i, " delivers ",
                           entry.zxid, " where ", known.zxid, " was");
      }
    } else {
      committed_.push_back(entry);
      CheckKept();
    }
    ++node.delivered;
  }

  void CheckKept() {
    if (committed_.empty()) return;
    size_t holders = 0;
    for (const auto& node : nodes_) {
      holders += node->image.Holds(committed_.back().zxid);
    }
    if (holders < n_ / 2 + 1) {
      violation_->Report("committed is kept", "only ", holders, " of ", n_,
                         " members have ", committed_.back().zxid);
    }
  }

  const SmallScopeOptions* options_;
  Violation* violation_;
  SmallScopeResult* result_;
  size_t n_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::deque<Item>> links_;
  std::vector<Entry> committed_;
  std::map<uint32_t, size_t> leaders_;
  int transactions_;
  int crashes_;
  int ticks_;
};

// A state on the way, and which of its choices comes next.
struct Frame {
  std::unique_ptr<World> world;
  std::vector<Choice> choices;
  size_t next = 0;
  std::string step;
};

}  // namespace

SmallScopeResult ExploreSmallScope(const SmallScopeOptions& options) {
  SmallScopeResult result;
  Violation violation;
  FlatSet seen;
  std::vector<Frame> path;
  auto enter = [&](std::unique_ptr<World> world, std::string step) {
    ++result.states;
    Frame& frame = path.emplace_back();
    frame.choices = world->Choices();
    frame.world = std::move(world);
    frame.step = std::move(step);
    result.deepest = std::max(result.deepest, path.size());
    if (!frame.choices.empty()) return;
    ++result.ends;
    if (frame.world->Done()) return;
    ++result.unfinished;
    if (!frame.world->OutOfTicks()) {
      violation.Report("liveness", "nothing more can happen, and not all agree");
    }
  };
  auto first = std::make_unique<World>(options, &violation, &result);
  first->Calm();
  seen.Insert(first->Hash());
  enter(std::move(first), "an ensemble with a leader");
  while (!path.empty() && !violation.found()) {
    Frame& frame = path.back();
    if (frame.next == frame.choices.size()) {
      path.pop_back();
      continue;
    }
    if (result.states >= options.max_states) break;
    const Choice choice = frame.choices[frame.next++];
    std::string step = frame.world->Describe(choice);
    std::unique_ptr<World> world = frame.next == frame.choices.size()
                                       ? std::move(frame.world)
                                       : frame.world->Clone();
    ++result.steps;
    world->Do(choice);
    if (violation.found()) {
      path.push_back({nullptr, {}, 0, std::move(step)});
    } else if (seen.Insert(world->Hash())) {
      enter(std::move(world), std::move(step));
    }
  }
  result.exhausted = path.empty();
  result.invariant = violation.invariant();
  result.text = violation.text();
  if (violation.found()) {
    for (Frame& frame : path) result.schedule.push_back(std::move(frame.step));
  }
  return result;
}

}  // namespace sillok::sim
