// Members of the ensemble as text: the server.N lines of configuration files and
// of reconfigurations, and what /zookeeper/config holds. Pure functions.
//
// A line has one of two forms:
//
//   ours        host:peerport[:role][;grpcport[;zookeeperport]]
//   ZooKeeper's host:port:electionport[:role][;zookeeperport]
//
// role: participant or observer. The ports behind a semicolon may have an address
// before them. Without one ours is found at the host of the peer port, and
// ZooKeeper's listens on all addresses (0.0.0.0), as ZooKeeper has it.
#ifndef SILLOK_COORDINATOR_TREE_ENSEMBLE_TEXT_H_
#define SILLOK_COORDINATOR_TREE_ENSEMBLE_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "coordinator/tree/ensemble.h"
#include "proto/txn.pb.h"

namespace sillok {

// A member cannot have a larger id (it is the top byte of session ids), though a
// line may name one.
inline constexpr int32_t kMaxMemberId = 255;

// What is behind "server.N="; the id is not set. INVALID_ARGUMENT says what the
// forms are.
absl::StatusOr<v1::EnsembleMember> ParseServer(std::string_view text);
// "server.N=..." or "N=...". INVALID_ARGUMENT also when N is not a number from 1.
absl::StatusOr<v1::EnsembleMember> ParseServerLine(std::string_view text);

// "server.N=host:port:electionport:role[;address:port]", ZooKeeper's line. A
// member whose election port is not known gets the one that lies 1000 above the
// peer port (or below): ZooKeeper's clients want to see one, other than that.
std::string FormatServer(const v1::EnsembleMember& member);
// The data of /zookeeper/config: a line for each member, by id, and last
// "version=" with the zxid in hexadecimal. gRPC addresses are not in it.
std::string FormatEnsemble(const Ensemble& ensemble);

// The same server as an observer or a participant; `server` must parse.
std::string WithRole(std::string_view server, bool observer);

// Of "host:port" or "[::1]:port"; the brackets stay.
std::string HostOf(std::string_view address);
int PortOf(std::string_view address);
// The host stands for all addresses of the machine.
bool IsAnyAddress(std::string_view address);
// Where a member is found that listens on `address`: on the host of its peer port
// if it listens on all. "" stays "".
std::string ReachableAddress(const std::string& address,
                             const std::string& peer_address);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_ENSEMBLE_TEXT_H_
