#include "coordinator/zookeeper/monitor.h"

#include <pwd.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <system_error>

#include "base/clock.h"
#include "coordinator/tree/ensemble_text.h"

namespace sillok::coord {
namespace {

namespace fs = std::filesystem;

Now CurrentTime() {
  return {Clock::Real().MonotonicMs(), Clock::Real().WallMs()};
}

}  // namespace

Monitor::Monitor(MonitorConstants constants, Member* member,
                 std::function<NodeFacts()> facts,
                 std::function<std::string(ConnectionId)> peer_of)
    : constants_(std::move(constants)),
      member_(member),
      facts_(std::move(facts)),
      peer_of_(std::move(peer_of)),
      began_ms_(Clock::Real().MonotonicMs()) {}

MonitorFacts Monitor::Facts() const {
  const NodeFacts node = facts_();
  MonitorFacts facts;
  facts.read_only = member_->read_only();
  facts.serving = node.serving || facts.read_only;
  facts.leading = node.status.role() == "leading";
  facts.traffic = member_->traffic();
  facts.zxid = node.status.last_applied_zxid();
  facts.outstanding = node.outstanding_requests;
  facts.connections = static_cast<size_t>(node.status.connections());
  facts.znodes = node.status.znodes();
  facts.watches = node.status.watches();
  facts.ephemerals = node.status.ephemerals();
  facts.data_bytes = node.status.approximate_data_bytes();
  facts.sessions = node.status.sessions();
  facts.digest = member_->tree().digest();
  facts.members = static_cast<size_t>(node.status.members_size());
  facts.voters = 0;
  for (const v1::MemberAddress& member : node.status.members()) {
    facts.voters += !member.observer();
  }
  facts.observes = !member_->zab().membership().Votes(
      MemberId(node.status.member_id()));
  facts.uptime_ms = Clock::Real().MonotonicMs() - began_ms_;
  facts.synced_voters = node.synced_voters;
  facts.proposals = node.proposed;
  facts.expired_sessions = node.expired_sessions;
  facts.leader_id = node.status.leader_id();
  facts.epoch = node.status.epoch();
  facts.elections = node.elections;
  return facts;
}

std::vector<std::string> Monitor::Ensemble() const {
  std::vector<std::string> lines;
  const sillok::Ensemble& ensemble = member_->tree().ensemble();
  if (ensemble.members.empty()) return lines;
  std::istringstream text(FormatEnsemble(ensemble));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::vector<ConnectionFacts> Monitor::Connections() const {
  const Now now = CurrentTime();
  std::vector<ConnectionFacts> list;
  for (StreamFacts& stream : member_->DescribeStreams(now)) {
    ConnectionFacts connection;
    connection.peer = peer_of_(stream.id);
    if (connection.peer.empty()) connection.peer = stream.client_ip;
    connection.since_unix_ms = now.wall_ms - stream.age_ms;
    connection.stream = std::move(stream);
    list.push_back(std::move(connection));
  }
  return list;
}

std::vector<SessionFacts> Monitor::Sessions() const {
  v1::ListSessionsResponse response;
  member_->FillSessions(&response);
  std::map<SessionId, std::set<std::string>> ephemerals =
      member_->EphemeralsBySession();
  std::vector<SessionFacts> list;
  for (const v1::SessionDescription& session : response.sessions()) {
    const SessionId id(session.session_id());
    list.push_back({id, session.timeout_ms(), std::move(ephemerals[id])});
  }
  return list;
}

int64_t Monitor::DataDirectoryBytes() const {
  std::error_code error;
  int64_t bytes = 0;
  // Files come and go meanwhile; what cannot be asked counts nothing.
  for (fs::recursive_directory_iterator at(constants_.data_dir, error), end;
       !error && at != end; at.increment(error)) {
    std::error_code own;
    if (!at->is_regular_file(own)) continue;
    const auto size = static_cast<int64_t>(at->file_size(own));
    if (!own) bytes += size;
  }
  return bytes;
}

std::pair<int64_t, int64_t> Monitor::Descriptors() const {
  std::error_code error;
  int64_t open = 0;
  for (fs::directory_iterator at("/proc/self/fd", error), end;
       !error && at != end; at.increment(error)) {
    ++open;
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return {open, static_cast<int64_t>(limit.rlim_cur)};
}

std::vector<std::pair<std::string, std::string>> Monitor::Environment() const {
  utsname system{};
  uname(&system);
  std::error_code error;
  const passwd* user = getpwuid(getuid());
  return {{"host.name", system.nodename},
          {"os.name", system.sysname},
          {"os.arch", system.machine},
          {"os.version", system.release},
          {"user.name", user == nullptr ? "" : user->pw_name},
          {"user.dir", fs::current_path(error).string()}};
}

}  // namespace sillok::coord
