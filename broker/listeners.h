// Where a broker listens and what it tells others to connect to: Kafka's
// `listeners`, `advertised.listeners` and `listener.security.protocol.map`.
// Pure.
#ifndef SILLOK_BROKER_LISTENERS_H_
#define SILLOK_BROKER_LISTENERS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/metadata/znodes.h"

namespace sillok {

// What a listener speaks (its security protocol): gRPC without TLS, Kafka's
// wire protocol without TLS, or the frames by which followers fetch (for brokers
// only; without such a listener they fetch over gRPC). No other works in this
// version.
inline constexpr char kGrpcProtocol[] = "GRPC";
inline constexpr char kPlaintextProtocol[] = "PLAINTEXT";
inline constexpr char kReplicationProtocol[] = "REPLICATION";

// The names that need no entry in the map, and what each means.
inline constexpr char kDefaultProtocolMap[] =
    "GRPC:GRPC,PLAINTEXT:PLAINTEXT,REPLICATION:REPLICATION";

struct ListenerConfig {
  std::string listeners;
  std::string advertised;    // empty = as the listeners
  std::string protocol_map;  // NAME:PROTOCOL,NAME:PROTOCOL
};

// Same order in both: the first GRPC listener is the one other brokers use.
struct ListenerPlan {
  // An empty host was written as 0.0.0.0; port 0 = any free one.
  std::vector<BrokerEndpoint> listen;
  // A host 0.0.0.0 or [::] stands for this machine's name, port 0 for the one
  // the listener of that name got.
  std::vector<BrokerEndpoint> advertise;
};

// INVALID_ARGUMENT says which key is wrong, in what part, and what is allowed:
// a name without a protocol, a protocol that does not work, a name or a fixed
// address twice, no GRPC listener, an advertised name that does not listen, an
// advertised address that nobody can connect to.
absl::StatusOr<ListenerPlan> PlanListeners(const ListenerConfig& config);

// One `NAME://host:port`; IPv6 hosts in brackets, which the endpoint has not.
absl::StatusOr<BrokerEndpoint> ParseListener(const std::string& text);

// host:port, with brackets around an IPv6 host.
std::string HostPort(const BrokerEndpoint& endpoint);

}  // namespace sillok

#endif  // SILLOK_BROKER_LISTENERS_H_
