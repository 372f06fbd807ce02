#include "tools/coord_members.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/error.h"
#include "base/rpc/channel.h"
#include "base/status_macros.h"
#include "grpcpp/client_context.h"
#include "proto/coordinator.grpc.pb.h"

namespace sillok::tools {

void SetDeadline(const Context& context, int64_t most_ms,
                 grpc::ClientContext* call) {
  call->set_deadline(std::chrono::system_clock::now() +
                     std::chrono::milliseconds(
                         std::min<int64_t>(context.timeout_ms(), most_ms)));
}

bool AskStatus(const Context& context, const std::string& server,
               v1::MemberStatusResponse* status) {
  auto stub = v1::Coordinator::NewStub(rpc::NewChannel(server));
  grpc::ClientContext call;
  SetDeadline(context, 3000, &call);
  return stub->MemberStatus(&call, {}, status).ok();
}

absl::Status Unreachable(const std::vector<std::string>& servers) {
  std::string all;
  for (const std::string& server : servers) {
    all += (all.empty() ? "" : ",") + server;
  }
  return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                     "cannot reach the coordinators at " + all);
}

absl::StatusOr<std::map<int, SeenMember>> FindMembers(CoordSession& session) {
  ASSIGN_OR_RETURN(coord::SessionOptions options, session.Options());
  std::map<int, SeenMember> members;
  std::set<std::string> asked;
  v1::MemberStatusResponse newest;
  auto ask = [&](const std::string& server) {
    v1::MemberStatusResponse status;
    if (server.empty() || !asked.insert(server).second) return;
    if (!AskStatus(session.context(), server, &status)) return;
    SeenMember& seen = members[status.member_id()];
    if (seen.reached_at.empty()) seen.reached_at = server;
    seen.status = status;
    if (newest.members().empty() ||
        status.last_applied_zxid() > newest.last_applied_zxid()) {
      newest = status;
    }
  };
  for (const std::string& server : options.servers) ask(server);
  if (members.empty()) return Unreachable(options.servers);
  // Those that the command line does not name. They may know of more.
  for (size_t before = 0; before != asked.size();) {
    before = asked.size();
    const v1::MemberStatusResponse says = newest;
    for (const v1::MemberAddress& address : says.members()) {
      ask(address.client_address());
    }
  }
  for (const v1::MemberAddress& address : newest.members()) {
    members[address.member_id()].address = address;
  }
  return members;
}

std::string ListIds(const std::map<int, SeenMember>& members) {
  std::string all;
  for (const auto& [id, seen] : members) {
    all += (all.empty() ? "" : ", ") + std::to_string(id);
  }
  return all;
}

}  // namespace sillok::tools
