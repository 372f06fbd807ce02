#include "test/sim/member_client.h"

#include <algorithm>
#include <vector>

namespace sillok::sim {
namespace {

v1::WriteOp CreateOf(const std::string& path, const std::string& data,
                     v1::CreateMode mode) {
  v1::WriteOp op;
  op.mutable_create()->set_path(path);
  op.mutable_create()->set_data(data);
  op.mutable_create()->set_mode(mode);
  return op;
}
v1::WriteOp SetOf(const std::string& path, const std::string& data) {
  v1::WriteOp op;
  op.mutable_set_data()->set_path(path);
  op.mutable_set_data()->set_data(data);
  op.mutable_set_data()->set_version(-1);
  return op;
}

}  // namespace

// --- what it asks ---

v1::SessionRequest MemberClient::Connect(int64_t timeout_ms, int64_t now_ms) {
  Reset();
  state_ = State::kConnecting;
  heard_ms_ = now_ms;
  if (timeout_ms_ == 0) timeout_ms_ = timeout_ms;
  v1::SessionRequest request;
  v1::ConnectRequest* connect = request.mutable_connect();
  connect->set_session_id(session_);
  connect->set_password(password_);
  connect->set_timeout_ms(timeout_ms);
  connect->set_last_zxid_seen(seen_.value());
  return request;
}

v1::SessionRequest MemberClient::Ping() const {
  v1::SessionRequest request;
  request.mutable_ping();
  return request;
}

v1::SessionRequest MemberClient::Reconfigure(v1::ReconfigOp change,
                                             std::string mark,
                                             Zxid committed) {
  Pending asked;
  asked.request_id = next_request_++;
  asked.committed = committed;
  asked.path = kConfigPath;
  asked.mark = std::move(mark);
  *asked.request.mutable_reconfig() = std::move(change);
  last_ = asked.request.ShortDebugString();
  v1::SessionRequest message;
  message.set_request_id(asked.request_id);
  *message.mutable_request() = asked.request;
  pending_.push_back(std::move(asked));
  return message;
}

std::optional<v1::SessionRequest> MemberClient::TakeRights() {
  if (std::exchange(has_rights_, true)) return std::nullopt;
  v1::SessionRequest request;
  request.mutable_auth()->set_scheme("digest");
  request.mutable_auth()->set_credentials(kSuperUser);
  return request;
}

// Few znodes, so that clients meet: /k0 to /k2 stay, /e0 to /e2 are ephemeral,
// /s is numbered. And what the ensemble says of its members.
v1::SessionRequest MemberClient::Ask(uint64_t random, Zxid committed) {
  Pending asked;
  asked.request_id = next_request_++;
  asked.committed = committed;
  const std::string number = std::to_string((random >> 8) % 3);
  const bool ephemeral = (random >> 16) % 2 == 0;
  asked.path = (ephemeral ? "/e" : "/k") + number;
  v1::CoordRequest& request = asked.request;
  auto mark = [&] {
    return asked.mark =
               std::to_string(id_) + "." + std::to_string(++next_mark_);
  };
  switch (random % 16) {
    case 0: case 1: case 2:
      *request.mutable_write() = CreateOf(
          asked.path, mark(), ephemeral ? v1::EPHEMERAL : v1::PERSISTENT);
      break;
    case 3:
      asked.path = "/s";
      *request.mutable_write() =
          CreateOf(asked.path, mark(), v1::EPHEMERAL_SEQUENTIAL);
      break;
    case 4: case 5: case 6:
      *request.mutable_write() = SetOf(asked.path, mark());
      break;
    case 7: case 8:  // The set carries the mark of the delete.
      *request.mutable_multi()->add_ops() = SetOf(asked.path, mark());
      request.mutable_multi()->add_ops()->mutable_delete_()->set_path(
          asked.path);
      request.mutable_multi()->mutable_ops(1)->mutable_delete_()->set_version(
          -1);
      break;
    case 9:
      request.mutable_sync()->set_path("/");
      break;
    case 10: case 11: case 12:
      if ((random >> 24) % 5 == 0) asked.path = kConfigPath;
      request.mutable_get_data()->set_path(asked.path);
      request.mutable_get_data()->set_watch((random >> 20) % 2 == 0);
      break;
    case 13:
      request.mutable_exists()->set_path(asked.path);
      request.mutable_exists()->set_watch(true);
      break;
    default:
      asked.path = "/";
      request.mutable_get_children()->set_path("/");
      asked.root_watch = (random >> 20) % 2 == 0;
      request.mutable_get_children()->set_watch(asked.root_watch);
  }
  last_ = request.ShortDebugString();
  v1::SessionRequest message;
  message.set_request_id(asked.request_id);
  *message.mutable_request() = request;
  pending_.push_back(std::move(asked));
  return message;
}

// --- what it is told ---

void MemberClient::Reset() {
  for (const Pending& asked : pending_) reached_->unknown += !asked.mark.empty();
  pending_.clear();
  data_watches_.clear();
  root_watch_.reset();
  has_rights_ = false;
  answered_ = Zxid();
}

void MemberClient::Leave() {
  Reset();
  state_ = State::kAway;
}

void MemberClient::OnEnd(coord::StreamEnd end) {
  if (end == coord::StreamEnd::kTooNew) ++reached_->turned_away;
  Leave();
}

bool MemberClient::OnMessage(const v1::SessionResponse& message,
                             int64_t now_ms) {
  heard_ms_ = now_ms;
  const Zxid zxid(message.zxid());
  if (message.has_connect()) {
    if (message.connect().code() != v1::OK) {
      const Zxid closed = reference_->ClosedAt(session_);
      if (closed == Zxid() || closed > zxid) {
        Report("sessions", "is told at ", zxid, " that session ", session_,
               " has ended, but it is open");
      }
      ++reached_->expired;
      session_ = 0;
      password_.clear();
      timeout_ms_ = 0;
      return false;
    }
    session_ == 0 ? ++reached_->sessions : ++reached_->reattached;
    session_ = message.connect().session_id();
    password_ = message.connect().password();
    timeout_ms_ = message.connect().timeout_ms();
    state_ = State::kOpen;
  }
  if (message.has_event()) {
    OnEvent(message.event(), zxid);
    return true;
  }
  // These stand outside the order of answers.
  if (message.has_ping()) return true;
  if (message.has_auth()) {
    if (message.auth().code() != v1::OK) {
      Report("sessions", "the super user has no rights");
    }
    return true;
  }
  if (zxid < seen_) {
    Report("reads never go back", "is shown ", zxid, " after ", seen_);
  }
  seen_ = std::max(seen_, zxid);
  answered_ = zxid;
  CheckWatches(zxid);
  if (!message.has_response()) return true;
  if (pending_.empty() ||
      pending_.front().request_id != message.request_id()) {
    Report("order of a session", "answer ", message.request_id(),
           " is not the next one");
    return true;
  }
  Pending asked = std::move(pending_.front());
  pending_.pop_front();
  Check(asked, message.response(), zxid);
  return message.response().code() != v1::SESSION_EXPIRED &&
         message.response().code() != v1::SESSION_MOVED;
}

void MemberClient::OnEvent(const v1::WatchEvent& event, Zxid zxid) {
  ++reached_->events;
  if (zxid <= answered_) {
    Report("events before answers", "event ", event.ShortDebugString(),
           " comes after an answer that shows ", answered_);
  }
  if (event.type() == v1::NODE_CHILDREN_CHANGED) {
    if (!root_watch_ || reference_->RootChange(*root_watch_, zxid) != zxid) {
      Report("watches", "event ", event.ShortDebugString(),
             " is not the first change since it was asked for");
    }
    root_watch_.reset();
    return;
  }
  auto watch = data_watches_.find(event.path());
  if (watch == data_watches_.end() ||
      reference_->DataChange(event.path(), watch->second, zxid) != zxid) {
    Report("watches", "event ", event.ShortDebugString(),
           " is not the first change since it was asked for");
  }
  if (watch != data_watches_.end()) data_watches_.erase(watch);
}

// Whoever is shown a state has had the events of all changes up to it.
void MemberClient::CheckWatches(Zxid zxid) {
  for (const auto& [path, since] : data_watches_) {
    if (std::optional<Zxid> change =
            reference_->DataChange(path, since, zxid)) {
      Report("watches", "is shown ", zxid, " without the event for ", path,
             " at ", *change);
    }
  }
  if (!root_watch_) return;
  if (std::optional<Zxid> change =
          reference_->RootChange(*root_watch_, zxid)) {
    Report("watches", "is shown ", zxid,
           " without the event for the children of / at ", *change);
  }
}

void MemberClient::Check(const Pending& asked,
                         const v1::CoordResponse& response, Zxid zxid) {
  if (asked.request.has_sync()) {
    ++reached_->syncs;
    if (response.code() == v1::OK && zxid < asked.committed) {
      Report("sync is linearizable", "a sync asked after ", asked.committed,
             " shows ", zxid);
    }
    return;
  }
  if (asked.request.has_reconfig()) {
    return CheckReconfig(asked, response, zxid);
  }
  if (!asked.mark.empty()) return CheckWrite(asked, response, zxid);
  ++reached_->reads;
  CheckRead(asked, response, zxid);
}

void MemberClient::CheckWrite(const Pending& asked,
                              const v1::CoordResponse& response, Zxid zxid) {
  const Zxid committed = reference_->CommittedAt(asked.mark);
  if (response.code() != v1::OK) {
    ++reached_->refused;
    if (committed != Zxid()) {
      Report("acknowledged is true", "operation ", asked.mark,
             " is refused but committed at ", committed);
    }
    CheckRefusal(asked, response.code(), zxid);
    return;
  }
  ++reached_->acknowledged;
  ++acknowledged_;
  if (committed == Zxid() || committed > zxid) {
    Report("acknowledged is committed", "operation ", asked.mark,
           " is acknowledged at ", zxid, " but committed at ", committed);
  }
  if (response.has_write() &&
      Zxid(response.write().stat().mzxid()) != committed) {
    Report("acknowledged is true", "operation ", asked.mark, ", committed at ",
           committed, ", is told ", Zxid(response.write().stat().mzxid()));
  }
}

void MemberClient::CheckReconfig(const Pending& asked,
                                 const v1::CoordResponse& response,
                                 Zxid zxid) {
  const Zxid committed =
      asked.mark.empty() ? Zxid() : reference_->CommittedAt(asked.mark);
  if (response.code() != v1::OK) {
    ++reached_->reconfigs_refused;
    if (committed != Zxid()) {
      Report("acknowledged is true", "the change of members with ", asked.mark,
             " is refused but committed at ", committed);
    }
    return CheckRefusal(asked, response.code(), zxid);
  }
  ++reached_->reconfigured;
  const Zxid said(response.stat().mzxid());
  if (said > zxid || reference_->ChangedBy(said) != session_ ||
      (!asked.mark.empty() && committed != said)) {
    Report("acknowledged is committed", "the change of members with ",
           asked.mark, " is acknowledged at ", zxid, " as ", said,
           " but committed at ", committed);
  }
  if (response.data() != reference_->At(kConfigPath, said).data) {
    Report("reads are true", "the answer to the change of members at ", said,
           " is ", response.data());
  }
}

// A "no" is true of some state between the question and what the answer shows.
void MemberClient::CheckRefusal(const Pending& asked, v1::CoordCode code,
                                Zxid zxid) {
  bool right = true;
  switch (code) {
    case v1::NO_NODE:
      right = reference_->Any(asked.path, asked.committed, zxid,
                              [](const auto& v) { return !v.exists; });
      break;
    case v1::NODE_EXISTS:
      right = reference_->Any(asked.path, asked.committed, zxid,
                              [](const auto& v) { return v.exists; });
      break;
    case v1::SESSION_EXPIRED: {
      const Zxid closed = reference_->ClosedAt(session_);
      right = closed != Zxid() && closed <= zxid;
      break;
    }
    case v1::SESSION_MOVED:
      break;
    case v1::BAD_VERSION:
      right = asked.request.has_reconfig() &&
              reference_->Any(kConfigPath, asked.committed, zxid,
                              [&](const auto& v) {
                                return v.zxid.value() !=
                                       static_cast<uint64_t>(
                                           asked.request.reconfig()
                                               .from_version());
                              });
      break;
    // What the leader alone knows.
    case v1::BAD_ARGUMENTS:
    case v1::RECONFIG_IN_PROGRESS:
    case v1::NEW_CONFIG_NO_QUORUM:
      right = asked.request.has_reconfig();
      break;
    default:
      right = false;
  }
  if (!right) {
    Report("refusals are true", "operation ", asked.mark, " on ", asked.path,
           ", asked after ", asked.committed, ", is refused with ",
           v1::CoordCode_Name(code), " at ", zxid);
  }
}

void MemberClient::CheckRead(const Pending& asked,
                             const v1::CoordResponse& response, Zxid zxid) {
  if (asked.path == "/") {
    std::vector<std::string> children(response.children().begin(),
                                      response.children().end());
    std::sort(children.begin(), children.end());
    if (children != reference_->ChildrenOfRoot(zxid)) {
      Report("reads are true", "children of / at ", zxid, " are wrong: ",
             response.ShortDebugString());
    }
    if (asked.root_watch && !root_watch_) root_watch_ = zxid;
    return;
  }
  const TreeReference::Version& now = reference_->At(asked.path, zxid);
  const bool of_file = asked.path == kConfigPath && !now.exists;
  bool right = of_file ? reference_->IsOfFile(response.data())
                       : response.code() == (now.exists ? v1::OK : v1::NO_NODE);
  if (now.exists) {
    right = right && response.stat().version() == now.version &&
            response.stat().ephemeral_owner() == now.owner &&
            (!asked.request.has_get_data() || response.data() == now.data);
  }
  if (!right) {
    Report("reads are true", asked.path, " at ", zxid, " is ",
           now.exists ? now.data : std::string("missing"), ", not ",
           response.ShortDebugString());
  }
  const bool watches =
      asked.request.has_exists() ||
      (asked.request.get_data().watch() && response.code() == v1::OK);
  if (watches) data_watches_.emplace(asked.path, zxid);
}

}  // namespace sillok::sim
