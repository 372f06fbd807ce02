#include "test/coordinator/zab/scenario.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "test/sim/zab_checkers.h"

namespace sillok::zab {
namespace {

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

Zxid ParseZxid(const std::string& text) {
  size_t dot = text.find('.');
  return Zxid(static_cast<uint32_t>(std::stoul(text.substr(0, dot))),
              std::stoull(text.substr(dot + 1)));
}

std::string ValueOf(const std::string& word) {
  return word.substr(word.find('=') + 1);
}

}  // namespace

std::string Scenario::Run(const std::string& line) {
  out_.str("");
  Words words = Split(line, ' ');
  std::string command = words.front();
  words.erase(words.begin());
  Dispatch(command, words);
  return out_.str();
}

void Scenario::Dispatch(const std::string& command, const Words& words) {
  auto id = [&](size_t i) { return std::stoi(words.at(i)); };
  if (command == "members") return Members(words);
  if (command == "disk_of") return DiskOf(words);
  if (command == "propose") return Propose(words);
  if (command == "reconfig") return Reconfig(words);
  if (command == "stream") return Stream(words);
  if (command == "transfer") return Transfer(words);
  if (command == "status") return Status();
  if (command == "deliver") return Deliver();
  if (command == "heal") return cut_.clear();
  if (command == "start") {
    for (size_t i = 0; i < words.size(); ++i) Start(id(i));
  } else if (command == "crash") {
    for (size_t i = 0; i < words.size(); ++i) Crash(id(i));
  } else if (command == "cut") {
    for (size_t i = 0; i < words.size(); ++i) cut_.insert(id(i));
  } else if (command == "tick") {
    for (int n = words.size() > 1 ? id(1) : 1; n > 0; --n) Tick(id(0));
  } else if (command == "run") {
    for (int n = id(0); n > 0; --n) {
      for (auto& [member, state] : members_) Tick(member);
      Deliver();
    }
  } else if (command == "disk") {
    members_[id(0)].disk_on = words.at(1) == "on";
  } else if (command == "barrier") {
    bool taken = members_[id(0)].core->ReadBarrier(
        static_cast<uint64_t>(id(1)));
    if (!taken) out_ << id(0) << " refuses barrier " << id(1) << "\n";
    Drive(id(0));
  } else if (command == "resign") {
    members_[id(0)].core->Resign();
    Drive(id(0));
  } else if (command == "lost") {
    members_[id(0)].core->OnPeerLost(MemberId(id(1)));
    Drive(id(0));
  } else if (command == "trim") {
    sim::ZabWrite write;
    write.kind = sim::ZabWrite::Kind::kTrim;
    write.zxid = ParseZxid(words.at(1));
    members_[id(0)].image.Apply(write);
  } else if (command == "say") {
    say_ = words.at(0) == "all"       ? Say::kAll
           : words.at(0) == "effects" ? Say::kEffects
                                      : Say::kNothing;
  } else {
    out_ << "unknown command " << command << "\n";
  }
}

void Scenario::Members(const Words& words) {
  int count = std::stoi(words.at(0));
  for (int id = 1; id <= count; ++id) {
    members_[id];
    options_.voters.push_back(MemberId(id));
  }
  int spares = count;
  // No jitter: what a file says does not hang on how a seed falls.
  options_.seed = 0;
  for (size_t i = 1; i < words.size(); ++i) {
    size_t value = std::stoul(ValueOf(words[i]));
    if (words[i].rfind("append=", 0) == 0) options_.max_append_bytes = value;
    if (words[i].rfind("window=", 0) == 0) options_.window_bytes = value;
    if (words[i].rfind("commit=", 0) == 0) options_.max_committed_bytes = value;
    if (words[i].rfind("counter=", 0) == 0) options_.counter_limit = value;
    if (words[i].rfind("observers=", 0) == 0) {
      for (size_t n = 1; n <= value; ++n) {
        options_.observers.push_back(MemberId(count + static_cast<int>(n)));
        members_[options_.observers.back().value()];
      }
      spares += static_cast<int>(value);
    }
    if (words[i].rfind("spares=", 0) == 0) {
      for (size_t n = 1; n <= value; ++n) {
        members_[spares + static_cast<int>(n)];
      }
    }
    if (words[i].rfind("changing=", 0) == 0) {
      options_.membership_of = sim::MembersOf;
    }
    if (words[i].rfind("in_flight=", 0) == 0) {
      options_.max_uncommitted_entries = value;
    }
  }
}

void Scenario::DiskOf(const Words& words) {
  sim::ZabImage& image = members_[std::stoi(words.at(0))].image;
  sim::ZabWrite write;
  sim::ZabWrite applied;
  applied.kind = sim::ZabWrite::Kind::kApplied;
  for (size_t i = 1; i < words.size(); ++i) {
    std::string value = ValueOf(words[i]);
    if (words[i].rfind("epochs=", 0) == 0) {
      size_t slash = value.find('/');
      write.persist.hard_state = HardState{
          static_cast<uint32_t>(std::stoul(value.substr(0, slash))),
          static_cast<uint32_t>(std::stoul(value.substr(slash + 1)))};
    } else if (words[i].rfind("log=", 0) == 0) {
      for (const std::string& entry : Split(value, ',')) {
        write.persist.entries.push_back(LoggedEntry(entry));
      }
    } else if (words[i].rfind("trim=", 0) == 0) {
      write.persist.install_snapshot = ParseZxid(value);
    } else if (words[i].rfind("applied=", 0) == 0) {
      applied.zxid = ParseZxid(value);
    }
  }
  image.Apply(write);
  image.Apply(applied);
}

Entry Scenario::LoggedEntry(const std::string& text) {
  const size_t colon = std::min(text.find(':'), text.size());
  const Zxid zxid = ParseZxid(text.substr(0, colon));
  if (colon == text.size()) return MakeEntry(zxid, "old" + text);
  const std::string ids = text.substr(colon + 1);
  if (ids == "seal") return MakeEntry(zxid, "");
  std::string txn = "members";
  for (const std::string& id : Split(ids, '+')) txn += " " + id;
  changes_[zxid] = {zxid, *sim::MembersOf(txn)};
  return MakeEntry(zxid, txn);
}

std::ostream& Scenario::Line(int id) {
  if (say_ == Say::kNothing) {
    silence_.str("");
    return silence_;
  }
  return out_ << "  " << id << ' ';
}

void Scenario::Start(int id) {
  Member& m = members_[id];
  options_.self = MemberId(id);
  m.delivered = m.image.applied();
  options_.membership = MembersAt(id, m.image.applied());
  m.core = std::make_unique<Zab>(options_, m.image.hard_state(),
                                 m.image.applied(), &m.image);
  Drive(id);
}

// As the state machine has it; that of the member's file before the first change.
Membership Scenario::MembersAt(int id, Zxid applied) const {
  auto behind = changes_.upper_bound(applied);
  if (behind != changes_.begin()) return std::prev(behind)->second;
  Membership file;
  for (MemberId voter : options_.voters) file.members.push_back({voter, true, ""});
  for (MemberId other : options_.observers) {
    file.members.push_back({other, false, ""});
  }
  if (!file.Find(MemberId(id))) {
    file.members.push_back({MemberId(id), false, ""});
  }
  return file;
}

void Scenario::Crash(int id) {
  members_[id].core.reset();
  members_[id].writes.clear();
}

void Scenario::Tick(int id) {
  if (members_[id].core == nullptr) return;
  members_[id].core->Tick();
  Drive(id);
}

void Scenario::Propose(const Words& words) {
  int id = std::stoi(words.at(0));
  for (size_t i = 1; i < words.size(); ++i) {
    std::optional<Zxid> zxid = members_[id].core->Propose(words[i]);
    if (zxid) {
      Line(id) << "proposes " << *zxid << ' ' << words[i] << "\n";
    } else {
      out_ << "  " << id << " refuses " << words[i] << "\n";
    }
  }
  Drive(id);
}

void Scenario::Reconfig(const Words& words) {
  int id = std::stoi(words.at(0));
  std::string txn = "members";
  for (size_t i = 1; i < words.size(); ++i) txn += ' ' + words[i];
  switch (members_[id].core->CheckReconfig(*sim::MembersOf(txn))) {
    case ReconfigCheck::kOk: break;
    case ReconfigCheck::kNotLeading: out_ << "  not leading\n"; break;
    case ReconfigCheck::kBusy: out_ << "  busy\n"; break;
    case ReconfigCheck::kNoQuorum: out_ << "  no quorum\n"; break;
    case ReconfigCheck::kNoVoters: out_ << "  no voters\n"; break;
  }
  if (auto zxid = members_[id].core->Propose(txn)) {
    Line(id) << "proposes " << *zxid << ' ' << txn << "\n";
  }
  Drive(id);
}

void Scenario::Stream(const Words& words) {
  int from = std::stoi(words.at(0)), to = std::stoi(words.at(1));
  Member& sender = members_[from];
  uint32_t epoch = sender.core->role().epoch;
  bool ok = words.size() < 3;
  sender.core->OnSnapshotSent(MemberId(to), epoch, sender.delivered, ok);
  Drive(from);
  if (!ok) return;
  members_[to].core->OnSnapshotReceived(MemberId(from), epoch,
                                        sender.delivered,
                                        MembersAt(from, sender.delivered));
  Drive(to);
}

void Scenario::Transfer(const Words& words) {
  int id = std::stoi(words.at(0));
  std::optional<MemberId> to;
  if (words.size() > 1) to = MemberId(std::stoi(words[1]));
  switch (members_[id].core->TransferTo(to)) {
    case TransferStart::kStarted: break;
    case TransferStart::kNotLeading: out_ << "  not leading\n"; break;
    case TransferStart::kUnfit: out_ << "  unfit\n"; break;
    case TransferStart::kBusy: out_ << "  busy\n"; break;
  }
  Drive(id);
}

void Scenario::Status() {
  for (const auto& [id, m] : members_) {
    if (m.core == nullptr) {
      out_ << "  " << id << " down, log to " << m.image.LastZxid() << "\n";
      continue;
    }
    RoleState role = m.core->role();
    HardState hard = m.core->hard_state();
    out_ << "  " << id << ' ' << ToString(role.role);
    if (role.role != Role::kLooking) {
      out_ << ' ' << role.leader << " e" << role.epoch;
    }
    out_ << (role.serving ? " serving" : "") << ", epochs "
         << hard.accepted_epoch << '/' << hard.current_epoch << ", logged "
         << m.core->last_logged() << ", durable " << m.core->durable()
         << ", committed " << m.core->committed() << ", delivered "
         << m.delivered;
    if (auto pending = m.core->pending_membership()) {
      out_ << ", pending " << sim::MembersTxn(pending->members);
    }
    out_ << "\n";
  }
}

void Scenario::Deliver() {
  while (DeliverOne() || WriteOne()) {
  }
}

bool Scenario::DeliverOne() {
  if (network_.empty()) return false;
  Message m = std::move(network_.front());
  network_.pop_front();
  int to = m.to.value();
  if (cut_.count(to) || cut_.count(m.from.value()) ||
      members_[to].core == nullptr) {
    return true;
  }
  if (say_ == Say::kAll && m.kind != MessageKind::kPing &&
      m.kind != MessageKind::kPong) {
    out_ << "  " << DebugString(m) << "\n";
  }
  members_[to].core->Step(std::move(m));
  Drive(to);
  return true;
}

bool Scenario::WriteOne() {
  for (auto& [id, m] : members_) {
    if (!m.disk_on || m.writes.empty() || m.core == nullptr) continue;
    sim::ZabWrite write;
    write.persist = std::move(m.writes.front());
    m.writes.pop_front();
    m.image.Apply(write);
    PrintWrite(id, write.persist);
    m.core->OnPersisted(write.persist.token);
    Drive(id);
    return true;
  }
  return false;
}

void Scenario::PrintWrite(int id, const Persist& persist) {
  std::ostream& out = Line(id);
  out << "wrote";
  if (persist.install_snapshot) out << " snapshot " << *persist.install_snapshot;
  if (persist.truncate_after) out << " truncate after "
                                  << *persist.truncate_after;
  for (const Entry& entry : persist.entries) out << ' ' << entry.zxid;
  if (persist.hard_state) {
    out << " epochs " << persist.hard_state->accepted_epoch << '/'
        << persist.hard_state->current_epoch;
  }
  out << "\n";
}

void Scenario::Drive(int id) {
  Member& m = members_[id];
  while (m.core->HasOutput()) CarryOut(id, m.core->TakeOutput());
}

void Scenario::CarryOut(int id, Output output) {
  Member& m = members_[id];
  if (!output.fatal.empty()) {
    out_ << "  " << id << " FATAL: " << output.fatal << "\n";
  }
  for (Persist& persist : output.persist) {
    if (persist.install_snapshot) m.delivered = *persist.install_snapshot;
    m.writes.push_back(std::move(persist));
  }
  for (Message& message : output.send) network_.push_back(std::move(message));
  for (const Entry& entry : output.committed) {
    Line(id) << "delivers " << entry.zxid << ' '
             << (entry.txn->empty() ? "seal" : *entry.txn) << "\n";
    if (auto members = sim::MembersOf(*entry.txn)) {
      changes_[entry.zxid] = {entry.zxid, *members};
    }
    m.delivered = entry.zxid;
    sim::ZabWrite applied;
    applied.kind = sim::ZabWrite::Kind::kApplied;
    applied.zxid = std::min(entry.zxid, m.image.LastZxid());
    m.image.Apply(applied);
  }
  for (const BarrierResult& barrier : output.barriers) {
    std::ostream& out = Line(id);
    out << "barrier " << barrier.id;
    if (barrier.ok) {
      out << " done at " << barrier.zxid << "\n";
    } else {
      out << " failed\n";
    }
  }
  for (const SnapshotSend& send : output.snapshots) {
    Line(id) << "is to stream a snapshot to " << send.to << "\n";
  }
  if (output.discard_snapshot) Line(id) << "has no use for the snapshot\n";
  if (output.role) {
    std::ostream& out = Line(id);
    out << "is " << ToString(output.role->role);
    if (output.role->role != Role::kLooking) {
      out << ' ' << output.role->leader << " e" << output.role->epoch;
    }
    out << (output.role->serving ? " serving" : "") << "\n";
  }
  if (output.membership) {
    Line(id) << "goes by " << sim::MembersTxn(output.membership->members)
             << " as of " << output.membership->version << "\n";
  }
  if (output.removed) Line(id) << "has been removed\n";
}

}  // namespace sillok::zab
