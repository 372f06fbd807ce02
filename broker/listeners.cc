#include "broker/listeners.h"

#include <charconv>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace sillok {
namespace {

absl::Status Wrong(const std::string& text) {
  return absl::InvalidArgumentError(text);
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    size_t comma = text.find(',');
    parts.emplace_back(Trim(text.substr(0, comma)));
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
  }
  return parts;
}

bool IsWildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

using ProtocolMap = std::map<std::string, std::string>;

absl::StatusOr<ProtocolMap> ParseProtocolMap(const std::string& text) {
  ProtocolMap protocols;
  for (const std::string& part : SplitList(text)) {
    size_t colon = part.find(':');
    if (colon == std::string::npos || colon == 0) {
      return Wrong(fmt::format("'{}' is not NAME:PROTOCOL", part));
    }
    std::string name = part.substr(0, colon);
    std::string protocol = part.substr(colon + 1);
    if (protocol != kGrpcProtocol && protocol != kPlaintextProtocol &&
        protocol != kReplicationProtocol) {
      return Wrong(fmt::format(
          "'{}': protocol '{}' does not work in this version; allowed: {}, {}, "
          "{}",
          part, protocol, kGrpcProtocol, kPlaintextProtocol,
          kReplicationProtocol));
    }
    if (!protocols.emplace(name, protocol).second) {
      return Wrong(fmt::format("'{}' stands twice", name));
    }
  }
  // The usual names keep their meaning when only others are mapped.
  protocols.emplace("GRPC", kGrpcProtocol);
  protocols.emplace("PLAINTEXT", kPlaintextProtocol);
  protocols.emplace("REPLICATION", kReplicationProtocol);
  return protocols;
}

absl::StatusOr<std::vector<BrokerEndpoint>> ParseEndpoints(
    const std::string& text, const ProtocolMap& protocols) {
  std::vector<BrokerEndpoint> endpoints;
  std::set<std::string> names;
  for (const std::string& part : SplitList(text)) {
    ASSIGN_OR_RETURN(BrokerEndpoint endpoint, ParseListener(part));
    auto protocol = protocols.find(endpoint.listener);
    if (protocol == protocols.end()) {
      return Wrong(fmt::format(
          "'{}': '{}' is not in listener.security.protocol.map", part,
          endpoint.listener));
    }
    endpoint.security_protocol = protocol->second;
    if (!names.insert(endpoint.listener).second) {
      return Wrong(fmt::format("listener '{}' stands twice",
                               endpoint.listener));
    }
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

absl::Status CheckListen(const std::vector<BrokerEndpoint>& endpoints) {
  if (endpoints.empty()) return Wrong("there is no listener");
  bool grpc = false;
  std::set<std::string> addresses;
  for (const BrokerEndpoint& endpoint : endpoints) {
    grpc |= endpoint.security_protocol == kGrpcProtocol;
    if (endpoint.port != 0 && !addresses.insert(HostPort(endpoint)).second) {
      return Wrong(fmt::format("two listeners at {}", HostPort(endpoint)));
    }
  }
  if (!grpc) {
    return Wrong(
        "there is no GRPC listener, by which brokers reach each other; add "
        "GRPC://host:port");
  }
  return absl::OkStatus();
}

absl::Status CheckAdvertised(const std::vector<BrokerEndpoint>& listen,
                             const std::vector<BrokerEndpoint>& advertise) {
  bool grpc = false;
  for (const BrokerEndpoint& endpoint : advertise) {
    bool known = false;
    for (const BrokerEndpoint& other : listen) {
      known |= other.listener == endpoint.listener;
    }
    if (!known) {
      return Wrong(fmt::format("'{}' is not among the listeners",
                               endpoint.listener));
    }
    if (IsWildcard(endpoint.host)) {
      return Wrong(fmt::format(
          "{}://{}: nobody can connect to this address; name a host",
          endpoint.listener, HostPort(endpoint)));
    }
    grpc |= endpoint.security_protocol == kGrpcProtocol;
  }
  return grpc ? absl::OkStatus()
              : Wrong("no GRPC listener is advertised: brokers could not reach "
                      "this one");
}

absl::Status Prefixed(const char* key, const absl::Status& status) {
  return absl::InvalidArgumentError(
      fmt::format("{}: {}", key, std::string(status.message())));
}

}  // namespace

absl::StatusOr<BrokerEndpoint> ParseListener(const std::string& text) {
  auto wrong = [&](const char* what) {
    return Wrong(fmt::format("'{}' {}", text, what));
  };
  size_t scheme = text.find("://");
  size_t colon = text.rfind(':');
  if (scheme == std::string::npos || scheme == 0) {
    return wrong("has no NAME://");
  }
  if (colon <= scheme + 2) return wrong("has no port");
  BrokerEndpoint endpoint;
  endpoint.listener = text.substr(0, scheme);
  endpoint.host = text.substr(scheme + 3, colon - scheme - 3);
  if (endpoint.host.size() > 1 && endpoint.host.front() == '[' &&
      endpoint.host.back() == ']') {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  } else if (endpoint.host.find(':') != std::string::npos) {
    return wrong("has an IPv6 address without brackets");
  }
  if (endpoint.host.empty()) endpoint.host = "0.0.0.0";
  std::string_view port = std::string_view(text).substr(colon + 1);
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(),
                                      endpoint.port);
  if (error != std::errc() || end != port.data() + port.size() ||
      endpoint.port < 0 || endpoint.port > 65'535) {
    return wrong("has no port from 0 to 65535");
  }
  return endpoint;
}

std::string HostPort(const BrokerEndpoint& endpoint) {
  const bool ipv6 = endpoint.host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
              : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

absl::StatusOr<ListenerPlan> PlanListeners(const ListenerConfig& config) {
  auto protocols = ParseProtocolMap(config.protocol_map);
  if (!protocols.ok()) {
    return Prefixed("listener.security.protocol.map", protocols.status());
  }
  ListenerPlan plan;
  auto listen = ParseEndpoints(config.listeners, *protocols);
  if (!listen.ok()) return Prefixed("listeners", listen.status());
  plan.listen = *std::move(listen);
  if (absl::Status status = CheckListen(plan.listen); !status.ok()) {
    return Prefixed("listeners", status);
  }
  if (config.advertised.empty()) {
    plan.advertise = plan.listen;
    return plan;
  }
  auto advertise = ParseEndpoints(config.advertised, *protocols);
  if (!advertise.ok()) {
    return Prefixed("advertised.listeners", advertise.status());
  }
  plan.advertise = *std::move(advertise);
  absl::Status status = CheckAdvertised(plan.listen, plan.advertise);
  if (!status.ok()) return Prefixed("advertised.listeners", status);
  return plan;
}

}  // namespace sillok
