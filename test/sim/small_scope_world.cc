#include "test/sim/small_scope_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "coordinator/zab/fingerprint.h"

namespace sillok::sim {
namespace {

using zab::Entry;
using zab::Message;
using zab::MessageKind;
using zab::Role;

void Add(const Entry& entry, zab::Fingerprint* print) {
  print->Add(entry.zxid, entry.txn->size());
  for (char c : *entry.txn) print->Add(c);
}

// But for the numbers of heartbeats: only barriers read them, and nobody asks
// for one here.
void Add(const Message& m, zab::Fingerprint* print) {
  print->Add(m.kind, zab::Fingerprint::Epoch{m.epoch},
             zab::HardState{m.accepted_epoch, m.current_epoch}, m.zxid,
             m.commit, m.hint,
             m.promised | m.established << 1 | m.rejected << 2,
             m.entries.size());
  for (const Entry& entry : m.entries) Add(entry, print);
}

void Add(const zab::Persist& persist, zab::Fingerprint* print) {
  print->Add(persist.truncate_after.has_value(),
             persist.truncate_after.value_or(Zxid()),
             persist.hard_state.has_value(),
             persist.hard_state.value_or(zab::HardState()),
             persist.entries.size());
  for (const Entry& entry : persist.entries) Add(entry, print);
}

constexpr uint64_t kGone = 77;

MemberId IdOf(size_t i) { return MemberId(static_cast<int32_t>(i)); }

SmallStep StepOf(SmallStep::Kind kind, size_t a = 0, size_t b = 0) {
  return {kind, static_cast<uint8_t>(a), static_cast<uint8_t>(b)};
}

// In order, each once, 0 left out.
void MakeSet(std::vector<uint32_t>* epochs) {
  epochs->push_back(0);
  std::sort(epochs->begin(), epochs->end());
  epochs->erase(std::unique(epochs->begin(), epochs->end()), epochs->end());
  epochs->erase(epochs->begin());
}

bool IsHint(const Message& message) {
  return message.kind == MessageKind::kNotification ||
         message.kind == MessageKind::kPong;
}

}  // namespace

SmallWorld::Member::Member(const Member& other)
    : image(other.image),
      writes(other.writes),
      delivered(other.delivered),
      promised_before(other.promised_before) {
  if (other.core != nullptr) core = other.core->Clone(&image);
}

SmallWorld::SmallWorld(const SmallScopeOptions* options, Violation* violation,
                       SmallScopeResult* result)
    : options_(options),
      violation_(violation),
      result_(result),
      n_(static_cast<size_t>(options->members)),
      links_(n_ * n_),
      transactions_(options->transactions),
      crashes_(options->crashes),
      leader_(n_) {
  for (size_t i = 0; i < n_; ++i) {
    members_.push_back(std::make_shared<Member>());
  }
  for (size_t i = 0; i < n_; ++i) Start(i);
  Settle();
  leader_ = FindLeader();
}

SmallWorld::Member& SmallWorld::Own(size_t i) {
  std::shared_ptr<Member>& member = members_[i];
  if (member.use_count() > 1) member = std::make_shared<Member>(*member);
  member->hash = 0;
  return *member;
}

// ---- What can happen

std::vector<SmallStep> SmallWorld::Steps() const {
  std::vector<SmallStep> steps;
  if (!options_->all_orders && AddUndisturbed(&steps)) return steps;
  return AllSteps();
}

std::vector<SmallStep> SmallWorld::AllSteps() const {
  std::vector<SmallStep> steps;
  AddMoves(&steps);
  const bool quiet = steps.empty();
  for (size_t i = 0; i < n_; ++i) {
    if (members_[i]->core == nullptr) {
      steps.push_back(StepOf(SmallStep::Kind::kStart, i));
      continue;
    }
    if (transactions_ > 0 && Serves(i)) {
      steps.push_back(StepOf(SmallStep::Kind::kPropose, i));
    }
    if (crashes_ == 0) continue;
    for (size_t kept = 0; kept <= members_[i]->writes.size(); ++kept) {
      steps.push_back(StepOf(SmallStep::Kind::kCrash, i, kept));
    }
  }
  if (quiet && !(AllUp() && Agrees())) {
    steps.push_back(StepOf(SmallStep::Kind::kTick));
  }
  return steps;
}

// In a settled ensemble a follower hears from its leader alone, in order. While
// something of the leader is on its way to it nobody else can disturb or enable
// what it does next, nor does that touch anybody but the end of its link to the
// leader; so everything else may as well come later. (Not if it is a heartbeat,
// whose answer arrives at once.)
bool SmallWorld::AddUndisturbed(std::vector<SmallStep>* steps) const {
  if (!Settled()) return false;
  for (size_t i = 0; i < n_; ++i) {
    if (i == leader_ || LinkOf(leader_, i).empty() ||
        LinkOf(leader_, i).front().message->kind == MessageKind::kPing) {
      continue;
    }
    for (size_t from = 0; from < n_; ++from) {
      if (LinkOf(from, i).empty()) continue;
      steps->push_back(StepOf(SmallStep::Kind::kDeliver, from, i));
    }
    if (!members_[i]->writes.empty()) {
      steps->push_back(StepOf(SmallStep::Kind::kWrite, i));
    }
    return true;
  }
  return false;
}

void SmallWorld::AddMoves(std::vector<SmallStep>* steps) const {
  for (size_t from = 0; from < n_; ++from) {
    for (size_t to = 0; to < n_; ++to) {
      if (LinkOf(from, to).empty()) continue;
      steps->push_back(StepOf(SmallStep::Kind::kDeliver, from, to));
    }
  }
  for (size_t i = 0; i < n_; ++i) {
    if (members_[i]->writes.empty()) continue;
    steps->push_back(StepOf(SmallStep::Kind::kWrite, i));
  }
}

void SmallWorld::Calm() {
  for (;;) {
    std::vector<SmallStep> steps;
    AddMoves(&steps);
    if (steps.empty() || violation_->found()) return;
    Take(steps.front());
  }
}

void SmallWorld::Take(const SmallStep& step) {
  switch (step.kind) {
    case SmallStep::Kind::kDeliver: {
      Link& link = LinkOf(step.a, step.b);
      Item item = std::move(link.front());
      link.erase(link.begin());
      Give(step.a, step.b, item);
      break;
    }
    case SmallStep::Kind::kWrite: Write(step.a); break;
    case SmallStep::Kind::kCrash: Crash(step.a, step.b); break;
    case SmallStep::Kind::kStart:
      ++result_->restarts;
      Start(step.a);
      break;
    case SmallStep::Kind::kPropose: Propose(step.a); break;
    case SmallStep::Kind::kTick:
      for (size_t i = 0; i < n_; ++i) {
        if (members_[i]->core == nullptr) continue;
        Own(i).core->Tick();
        Drive(i);
      }
      break;
  }
  Settle();
  ForgetLeaders();
  leader_ = FindLeader();
}

std::string SmallWorld::Describe(const SmallStep& step) const {
  const size_t a = step.a, b = step.b;
  std::ostringstream out;
  switch (step.kind) {
    case SmallStep::Kind::kDeliver: {
      const Item& item = LinkOf(a, b).front();
      if (item.message != nullptr) {
        out << zab::DebugString(*item.message);
      } else {
        out << b << " hears that " << a << " is gone";
      }
      break;
    }
    case SmallStep::Kind::kWrite:
      out << a << " has written";
      for (const Entry& entry : members_[a]->writes.front().entries) {
        out << ' ' << entry.zxid;
      }
      break;
    case SmallStep::Kind::kCrash:
      out << a << " crashes; " << b << " of " << members_[a]->writes.size()
          << " writes are left";
      break;
    case SmallStep::Kind::kStart: out << a << " starts"; break;
    case SmallStep::Kind::kPropose: out << a << " proposes"; break;
    case SmallStep::Kind::kTick: out << "time passes"; break;
  }
  return out.str();
}

bool SmallWorld::AllUp() const {
  return std::all_of(members_.begin(), members_.end(),
                     [](const auto& m) { return m->core != nullptr; });
}

bool SmallWorld::CanServe() const {
  size_t up = 0;
  for (const auto& member : members_) up += member->core != nullptr;
  return up > n_ / 2;
}

bool SmallWorld::Agrees() const {
  bool led = false;
  for (size_t i = 0; i < n_; ++i) {
    const Member& member = *members_[i];
    if (member.core == nullptr) continue;
    if (!member.core->role().serving ||
        member.delivered != committed_.size()) {
      return false;
    }
    led = led || Serves(i);
  }
  return led;
}

bool SmallWorld::Serves(size_t i) const {
  zab::RoleState role = members_[i]->core->role();
  return role.role == Role::kLeading && role.serving;
}

// ---- What happens

void SmallWorld::Start(size_t i) {
  Member& member = Own(i);
  zab::Options options;
  options.self = IdOf(i);
  for (size_t m = 0; m < n_; ++m) options.voters.push_back(IdOf(m));
  options.faults = options_->faults;
  // Few ticks, so that each says much.
  options.heartbeat_ticks = 1;
  options.silence_ticks = 3;
  options.notify_ticks = 1;
  options.resend_ticks = 1;
  options.settle_ticks = 1;
  options.discovery_ticks = 4;
  options.sync_ticks = 6;
  member.delivered = 0;
  member.promised_before = member.image.hard_state().accepted_epoch;
  member.core = std::make_unique<zab::Zab>(
      options, member.image.hard_state(), member.image.applied(),
      &member.image);
  Drive(i);
}

void SmallWorld::Crash(size_t i, size_t kept) {
  Member& member = Own(i);
  --crashes_;
  member.core.reset();
  for (size_t w = 0; w < kept; ++w) {
    member.image.Apply({ZabWrite::Kind::kPersist, member.writes[w], Zxid()});
  }
  member.writes.clear();
  member.delivered = 0;
  for (size_t other = 0; other < n_; ++other) {
    if (other == i) continue;
    LinkOf(other, i).clear();
    if (members_[other]->core != nullptr) {
      LinkOf(i, other).push_back({});
    }
  }
  CheckKept();
}

void SmallWorld::Write(size_t i) {
  Member& member = Own(i);
  ZabWrite write{ZabWrite::Kind::kPersist, std::move(member.writes.front()),
                 Zxid()};
  member.writes.erase(member.writes.begin());
  member.image.Apply(write);
  if (write.persist.truncate_after) {
    ++result_->truncations;
    CheckKept();
  }
  member.core->OnPersisted(write.persist.token);
  Drive(i);
}

void SmallWorld::Propose(size_t i) {
  --transactions_;
  Own(i).core->Propose(
      "t" + std::to_string(options_->transactions - transactions_));
  Drive(i);
}

void SmallWorld::Give(size_t from, size_t to, const Item& item) {
  if (members_[to]->core == nullptr) return;
  Member& member = Own(to);
  if (item.message != nullptr) {
    member.core->Step(*item.message);
  } else {
    member.core->OnPeerLost(IdOf(from));
  }
  Drive(to);
}

void SmallWorld::Settle() {
  // There may be more of them while they are given.
  for (size_t next = 0; next < hints_.size(); ++next) {
    if (violation_->found()) break;
    const Hint hint = hints_[next];
    Give(hint.from, hint.to, hint.item);
  }
  hints_.clear();
}

void SmallWorld::Drive(size_t i) {
  Member& member = *members_[i];
  while (member.core->HasOutput() && !violation_->found()) {
    zab::Output out = member.core->TakeOutput();
    if (!out.fatal.empty()) {
      violation_->Report("core stops", "member ", i, ": ", out.fatal);
      return;
    }
    for (zab::Persist& persist : out.persist) {
      member.writes.push_back(std::move(persist));
    }
    for (Message& message : out.send) {
      const size_t to = static_cast<size_t>(message.to.value());
      if (members_[to]->core == nullptr) continue;
      auto shared = std::make_shared<const Message>(std::move(message));
      if (IsHint(*shared)) {
        hints_.push_back({i, to, {std::move(shared)}});
      } else {
        LinkOf(i, to).push_back({std::move(shared)});
      }
    }
    for (const Entry& entry : out.committed) Deliver(i, entry);
    if (out.role && Serves(i)) OnLeads(i, out.role->epoch);
  }
}

// ---- What must hold

void SmallWorld::OnLeads(size_t i, uint32_t epoch) {
  result_->epochs = std::max<uint64_t>(result_->epochs, epoch);
  for (const Led& led : leaders_) {
    if (led.epoch != epoch) continue;
    if (led.leader == i) return;
    violation_->Report("one leader per epoch", "epoch ", epoch,
                       " is led by ", led.leader, " and by ", i);
    return;
  }
  leaders_.push_back({epoch, i});
  std::sort(leaders_.begin(), leaders_.end(),
            [](Led a, Led b) { return a.epoch < b.epoch; });
}

// Who led an epoch that nobody can lead any more says nothing about what can
// follow: all have promised it on disk, so that a new epoch lies above it, and
// nobody leads it now.
void SmallWorld::ForgetLeaders() {
  std::erase_if(leaders_, [&](const Led& led) {
    return std::all_of(members_.begin(), members_.end(), [&](const auto& m) {
      if (m->image.hard_state().accepted_epoch < led.epoch) return false;
      if (m->core == nullptr) return true;
      zab::RoleState role = m->core->role();
      return role.role != Role::kLeading || role.epoch != led.epoch;
    });
  });
}

void SmallWorld::Deliver(size_t i, const Entry& entry) {
  Member& member = *members_[i];
  if (member.delivered < committed_.size()) {
    const Entry& known = committed_[member.delivered];
    if (known.zxid != entry.zxid || *known.txn != *entry.txn) {
      violation_->Report("prefix agreement", "member ", i, " delivers ",
                         entry.zxid, " where ", known.zxid, " was");
    }
  } else {
    committed_.push_back(entry);
    CheckKept();
  }
  ++member.delivered;
}

void SmallWorld::CheckKept() {
  if (committed_.empty()) return;
  size_t holders = 0;
  for (const auto& member : members_) {
    holders += member->image.Holds(committed_.back().zxid);
  }
  if (holders < n_ / 2 + 1) {
    violation_->Report("committed is kept", "only ", holders, " of ", n_,
                       " members have ", committed_.back().zxid);
  }
}

// ---- What it is

size_t SmallWorld::FindLeader() const {
  if (crashes_ > 0 || !CanServe()) return n_;
  size_t leader = n_;
  for (size_t i = 0; i < n_; ++i) {
    if (members_[i]->core == nullptr ||
        members_[i]->core->role().role != Role::kLeading) {
      continue;
    }
    if (leader != n_) return n_;
    leader = i;
  }
  if (leader == n_) return n_;
  const zab::Zab& lead = *members_[leader]->core;
  const uint32_t epoch = lead.role().epoch;
  if (epoch == 0) return n_;
  auto recency = [](const zab::HardState& hard, Zxid last) {
    return std::pair(std::max(hard.current_epoch, last.epoch()), last);
  };
  const auto most = recency(lead.hard_state(), lead.last_logged());
  size_t promises = 1;
  for (const auto& member : members_) {
    const zab::Zab* core = member->core.get();
    const zab::HardState hard =
        core == nullptr ? member->image.hard_state() : core->hard_state();
    const Zxid last =
        core == nullptr ? member->image.LastZxid() : core->last_logged();
    if (hard.accepted_epoch > epoch || recency(hard, last) > most) return n_;
    if (core == nullptr || core == &lead) continue;
    zab::RoleState role = core->role();
    if (role.role != Role::kFollowing || role.leader != IdOf(leader)) {
      return n_;
    }
    promises += member->promised_before < epoch;
  }
  // A promise of an earlier life does not count; without enough of others the
  // leader gives up. Once it synchronises it has them.
  if (lead.hard_state().current_epoch != epoch && promises <= n_ / 2) {
    return n_;
  }
  // That anybody else is gone changes nobody's mind.
  for (size_t to = 0; to < n_; ++to) {
    for (const Item& item : LinkOf(leader, to)) {
      if (item.message == nullptr) return n_;
    }
  }
  return leader;
}

// Those on the disks and in force, with which members are hashed once for many
// states. One that is but in a message, or in what a core remembers, is put in
// its place among them and keeps its number (see Fingerprint): that may tell
// apart what is the same, never the other way round.
std::vector<uint32_t> SmallWorld::Epochs() const {
  std::vector<uint32_t> epochs;
  auto add = [&](const zab::HardState& hard) {
    epochs.push_back(hard.accepted_epoch);
    epochs.push_back(hard.current_epoch);
  };
  for (const auto& member : members_) {
    add(member->image.hard_state());
    if (member->core != nullptr) add(member->core->hard_state());
    for (const Entry& entry : member->image.log()) {
      epochs.push_back(entry.zxid.epoch());
    }
  }
  MakeSet(&epochs);
  return epochs;
}

uint64_t SmallWorld::CompleteHash() {
  if (!Settled()) return ExactHash();
  std::vector<uint32_t> epochs = Epochs();
  for (const Link& link : links_) {
    for (const Item& item : link) {
      if (item.message == nullptr) continue;
      const Message& m = *item.message;
      for (uint32_t epoch : {m.epoch, m.accepted_epoch, m.current_epoch,
                             m.zxid.epoch(), m.hint.epoch(),
                             m.commit.epoch()}) {
        epochs.push_back(epoch);
      }
    }
  }
  MakeSet(&epochs);
  return HashWith(epochs);
}

uint64_t SmallWorld::HashOf(Member* member,
                            const std::vector<uint32_t>& epochs) {
  if (member->hash != 0 && member->epochs == epochs) return member->hash;
  const auto* settled = epochs.empty() ? nullptr : &epochs;
  zab::Fingerprint print(settled);
  print.Add(member->core == nullptr ? 0 : member->core->Fingerprint(settled),
            member->delivered, member->writes.size(),
            member->image.hard_state());
  for (const zab::Persist& write : member->writes) Add(write, &print);
  for (const Entry& entry : member->image.log()) Add(entry, &print);
  member->hash = print.value();
  member->epochs = epochs;
  return member->hash;
}

uint64_t SmallWorld::Hash() {
  return HashWith(Settled() ? Epochs() : std::vector<uint32_t>());
}

uint64_t SmallWorld::ExactHash() { return HashWith({}); }

uint64_t SmallWorld::HashWith(const std::vector<uint32_t>& epochs) {
  zab::Fingerprint print(epochs.empty() ? nullptr : &epochs);
  print.Add(transactions_, crashes_, print.settled());
  for (const auto& member : members_) {
    print.Add(HashOf(member.get(), epochs));
  }
  for (const Link& link : links_) {
    print.Add(link.size());
    for (const Item& item : link) {
      if (item.message == nullptr) {
        print.Add(kGone);
      } else {
        Add(*item.message, &print);
      }
    }
  }
  print.Add(committed_.size());
  for (const Entry& entry : committed_) Add(entry, &print);
  for (const Led& led : leaders_) {
    // In a settled ensemble there is but one who may yet lead, in this epoch.
    if (print.settled() && led.epoch != epochs.back()) continue;
    print.Add(zab::Fingerprint::Epoch{led.epoch}, led.leader);
  }
  return print.value();
}

}  // namespace sillok::sim
