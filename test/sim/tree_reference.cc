#include "test/sim/tree_reference.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace sillok::sim {
namespace {

const TreeReference::Version kNever;

bool IsRootChild(const std::string& path) {
  return path.size() > 1 && path.rfind('/') == 0;
}

int PortOf(const v1::EnsembleMember& member) {
  const std::string& address = member.peer_address();
  return std::atoi(address.c_str() + address.find(':') + 1);
}

// As ZooKeeper writes it.
std::string ConfigText(const v1::ReconfigTxn& members, Zxid version) {
  std::ostringstream out;
  for (const v1::EnsembleMember& member : members.members()) {
    out << "server." << member.id() << '=' << member.peer_address() << ':'
        << PortOf(member) + 1000 << ':'
        << (member.observer() ? "observer" : "participant") << '\n';
  }
  out << "version=" << std::hex << version.value();
  return out.str();
}

}  // namespace

std::string ReconfigMark(int port) { return "port " + std::to_string(port); }

void TreeReference::AddFile(const v1::ReconfigTxn& members) {
  file_texts_.insert(ConfigText(members, Zxid()));
}

void TreeReference::Apply(Zxid zxid, const v1::Txn& txn) {
  if (txn.has_reconfig()) {
    ApplyReconfig(zxid, txn);
  } else if (txn.has_create_session()) {
    closed_[txn.create_session().session_id()] = Zxid();
  } else if (txn.has_write()) {
    for (const v1::TxnOp& op : txn.write().ops()) ApplyOp(zxid, op);
  } else if (txn.has_close_session()) {
    const uint64_t session = txn.close_session().session_id();
    closed_[session] = zxid;
    for (const std::string& path : txn.close_session().ephemerals()) {
      if (At(path, zxid).owner != session) {
        violation_->Report("sessions", "the close of session ", session,
                           " at ", zxid, " removes ", path,
                           ", which is not its own");
      }
      Put(path, Version{.zxid = zxid, .data = {}});
    }
    for (const auto& [path, versions] : versions_) {
      if (versions.back().exists && versions.back().owner == session) {
        violation_->Report("ephemerals", path, " outlives its session ",
                           session, ", closed at ", zxid);
      }
    }
  }
}

void TreeReference::ApplyReconfig(Zxid zxid, const v1::Txn& txn) {
  changed_by_[zxid] = txn.origin().session_id();
  Put(kConfigPath,
      {zxid, true, ConfigText(txn.reconfig(), zxid), -1, 0});
  for (const v1::EnsembleMember& member : txn.reconfig().members()) {
    marks_.emplace(ReconfigMark(PortOf(member)), zxid);
  }
}

void TreeReference::ApplyOp(Zxid zxid, const v1::TxnOp& op) {
  if (op.has_create()) {
    const v1::CreateTxnOp& create = op.create();
    if (At(create.path(), zxid).exists) {
      violation_->Report("replay", "create of ", create.path(), " at ", zxid,
                         ", which exists");
    }
    if (create.ephemeral_owner() != 0) {
      auto session = closed_.find(create.ephemeral_owner());
      if (session == closed_.end() || session->second != Zxid()) {
        violation_->Report("ephemerals", create.path(), " is created at ",
                           zxid, " for session ", create.ephemeral_owner(),
                           ", which is not open");
      }
    }
    Put(create.path(),
        {zxid, true, create.data(), 0, create.ephemeral_owner()});
    Mark(zxid, create.data());
  } else if (op.has_set_data()) {
    Version next = At(op.set_data().path(), zxid);
    if (!next.exists || op.set_data().version() != next.version + 1) {
      violation_->Report("replay", "set of ", op.set_data().path(), " at ",
                         zxid, " to version ", op.set_data().version(),
                         " after ", next.version);
    }
    next.zxid = zxid;
    next.data = op.set_data().data();
    ++next.version;
    Put(op.set_data().path(), next);
    Mark(zxid, op.set_data().data());
  } else if (op.has_delete_()) {
    if (!At(op.delete_().path(), zxid).exists) {
      violation_->Report("replay", "delete of ", op.delete_().path(), " at ",
                         zxid, ", which is missing");
    }
    Put(op.delete_().path(), Version{.zxid = zxid, .data = {}});
  }
}

void TreeReference::Put(const std::string& path, Version version) {
  std::vector<Version>& past = versions_[path];
  const bool existed = !past.empty() && past.back().exists;
  if (IsRootChild(path) && existed != version.exists) {
    root_changes_.push_back(version.zxid);
  }
  past.push_back(std::move(version));
}

// Marks are `client.number`; the numbers of a client rise.
void TreeReference::Mark(Zxid zxid, const std::string& data) {
  size_t dot = data.find('.');
  if (dot == std::string::npos) return;
  auto [known, is_new] = marks_.emplace(data, zxid);
  if (!is_new && known->second != zxid) {
    violation_->Report("exactly once", "operation ", data, " is committed at ",
                       known->second, " and at ", zxid);
  }
  uint64_t& last = last_of_client_[data.substr(0, dot)];
  uint64_t number = std::strtoull(data.c_str() + dot + 1, nullptr, 10);
  if (number < last) {
    violation_->Report("order of a session", "operation ", data,
                       " is committed at ", zxid, ", after number ", last);
  }
  last = std::max(last, number);
}

const TreeReference::Version& TreeReference::At(const std::string& path,
                                                Zxid zxid) const {
  auto found = versions_.find(path);
  if (found == versions_.end()) return kNever;
  for (auto v = found->second.rbegin(); v != found->second.rend(); ++v) {
    if (v->zxid <= zxid) return *v;
  }
  return kNever;
}

std::vector<std::string> TreeReference::ChildrenOfRoot(Zxid zxid) const {
  std::vector<std::string> names{"zookeeper"};
  for (const auto& [path, versions] : versions_) {
    if (IsRootChild(path) && At(path, zxid).exists) {
      names.push_back(path.substr(1));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<Zxid> TreeReference::DataChange(const std::string& path,
                                              Zxid from, Zxid to) const {
  std::optional<Zxid> first;
  auto found = versions_.find(path);
  if (found == versions_.end()) return first;
  for (auto v = found->second.rbegin(); v != found->second.rend(); ++v) {
    if (v->zxid <= from) break;
    if (v->zxid <= to) first = v->zxid;
  }
  return first;
}

std::optional<Zxid> TreeReference::RootChange(Zxid from, Zxid to) const {
  auto above =
      std::upper_bound(root_changes_.begin(), root_changes_.end(), from);
  if (above == root_changes_.end() || *above > to) return std::nullopt;
  return *above;
}

Zxid TreeReference::CommittedAt(const std::string& mark) const {
  auto found = marks_.find(mark);
  return found == marks_.end() ? Zxid() : found->second;
}

uint64_t TreeReference::ChangedBy(Zxid zxid) const {
  auto found = changed_by_.find(zxid);
  return found == changed_by_.end() ? 0 : found->second;
}

Zxid TreeReference::ClosedAt(uint64_t session) const {
  auto found = closed_.find(session);
  return found == closed_.end() ? Zxid() : found->second;
}

}  // namespace sillok::sim
