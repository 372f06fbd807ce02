// Asking the members of the ensemble who they are, for the commands about them.
#ifndef SILLOK_TOOLS_COORD_MEMBERS_H_
#define SILLOK_TOOLS_COORD_MEMBERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/coordinator.pb.h"
#include "tools/coord_session.h"

namespace grpc {
class ClientContext;
}

namespace sillok::tools {

// The time the user gives, but at most `most_ms`.
void SetDeadline(const Context& context, int64_t most_ms,
                 grpc::ClientContext* call);

// False when the member at `server` does not answer within 3 s.
bool AskStatus(const Context& context, const std::string& server,
               v1::MemberStatusResponse* status);

absl::Status Unreachable(const std::vector<std::string>& servers);

struct SeenMember {
  v1::MemberAddress address;  // as the members know it; no id: they do not
  std::string reached_at;     // "" = not
  v1::MemberStatusResponse status;
};

// Each of itself, and what the most up-to-date one that answers says of all.
// Members that only the command line names are in it too. NETWORK_EXCEPTION when
// nobody answers.
absl::StatusOr<std::map<int, SeenMember>> FindMembers(CoordSession& session);

// "1, 2, 3"
std::string ListIds(const std::map<int, SeenMember>& members);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_COORD_MEMBERS_H_
