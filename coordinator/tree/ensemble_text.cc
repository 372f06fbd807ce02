#include "coordinator/tree/ensemble_text.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace sillok {
namespace {

constexpr int kMaxPort = 65535;
constexpr std::string_view kObserver = "observer";
constexpr std::string_view kParticipant = "participant";

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// A number without sign or blanks, from 0 to `most`; -1: it is none.
int ParseNumber(std::string_view text, int most) {
  int number = -1;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && text[0] != '-' && number <= most ? number : -1;
}
bool IsPort(std::string_view text) { return ParseNumber(text, kMaxPort) >= 0; }

// Cut at `separator`; what is in brackets stays whole.
std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') ++depth;
    if (text[i] == ']') --depth;
    if (text[i] != separator || depth != 0) continue;
    parts.push_back(Trim(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  parts.push_back(Trim(text.substr(begin)));
  return parts;
}

bool IsRole(std::string_view text) {
  return text == kObserver || text == kParticipant;
}

// It goes into lines that others take apart.
bool IsHost(std::string_view text) {
  const bool bracketed = !text.empty() && text.front() == '[';
  if (bracketed != (!text.empty() && text.back() == ']')) return false;
  return text.size() > (bracketed ? 2 : 0) &&
         text.find_first_of(" \t\r\n,;=|#") == text.npos;
}

// "[address:]port" -> "address:port"; "" when it is neither.
std::string ClientAddress(std::string_view text, std::string_view host) {
  const std::vector<std::string_view> parts = Split(text, ':');
  if (parts.size() > 2 || !IsPort(parts.back())) return "";
  if (parts.size() == 2) {
    if (!IsHost(parts[0])) return "";
    host = parts[0];
  }
  return fmt::format("{}:{}", host, parts.back());
}

// What is before the first semicolon.
bool ParsePeer(std::string_view text, v1::EnsembleMember* member) {
  std::vector<std::string_view> parts = Split(text, ':');
  if (parts.size() > 2 && IsRole(parts.back())) {
    member->set_observer(parts.back() == kObserver);
    parts.pop_back();
  }
  if (parts.size() < 2 || parts.size() > 3 || !IsHost(parts[0]) ||
      !IsPort(parts[1]) || !IsPort(parts.back())) {
    return false;
  }
  member->set_peer_address(fmt::format("{}:{}", parts[0], parts[1]));
  if (parts.size() == 3) {
    member->set_election_port(ParseNumber(parts[2], kMaxPort));
    return member->election_port() > 0;
  }
  return true;
}

bool ParseClients(const std::vector<std::string_view>& parts,
                  v1::EnsembleMember* member) {
  const std::string host = HostOf(member->peer_address());
  const bool zookeepers = member->election_port() != 0;
  if (parts.size() > (zookeepers ? 2 : 3)) return false;
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string address =
        ClientAddress(parts[i], zookeepers ? "0.0.0.0" : host);
    if (address.empty()) return false;
    if (zookeepers || i == 2) {
      member->set_zookeeper_address(address);
    } else {
      member->set_client_address(
          ReachableAddress(address, member->peer_address()));
    }
  }
  return true;
}

int ElectionPort(const v1::EnsembleMember& member) {
  if (member.election_port() != 0) return member.election_port();
  const int port = PortOf(member.peer_address());
  return port + 1000 <= kMaxPort ? port + 1000 : port - 1000;
}

}  // namespace

std::string HostOf(std::string_view address) {
  return std::string(address.substr(0, address.rfind(':')));
}

int PortOf(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == address.npos) return -1;
  return ParseNumber(address.substr(colon + 1), kMaxPort);
}

bool IsAnyAddress(std::string_view address) {
  const std::string host = HostOf(address);
  return host == "0.0.0.0" || host == "[::]" || host == "*";
}

std::string ReachableAddress(const std::string& address,
                             const std::string& peer_address) {
  if (address.empty() || !IsAnyAddress(address)) return address;
  return fmt::format("{}:{}", HostOf(peer_address), PortOf(address));
}

absl::StatusOr<v1::EnsembleMember> ParseServer(std::string_view text) {
  v1::EnsembleMember member;
  const std::vector<std::string_view> parts = Split(Trim(text), ';');
  if (ParsePeer(parts[0], &member) && ParseClients(parts, &member)) {
    return member;
  }
  return absl::InvalidArgumentError(fmt::format(
      "'{}' is not host:peerport[:role][;grpcport[;zookeeperport]], nor "
      "ZooKeeper's host:port:electionport[:role][;zookeeperport]",
      text));
}

absl::StatusOr<v1::EnsembleMember> ParseServerLine(std::string_view text) {
  const std::string_view line = Trim(text);
  const size_t equals = line.find('=');
  std::string_view number = Trim(line.substr(0, equals));
  if (number.substr(0, 7) == "server.") number.remove_prefix(7);
  const int id = ParseNumber(number, std::numeric_limits<int>::max());
  if (equals == line.npos || id < 1) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not N=host:peerport..., where N is a number from 1", text));
  }
  ASSIGN_OR_RETURN(v1::EnsembleMember member,
                   ParseServer(line.substr(equals + 1)));
  member.set_id(id);
  return member;
}

std::string FormatServer(const v1::EnsembleMember& member) {
  const std::string& zookeeper = member.zookeeper_address();
  return fmt::format("server.{}={}:{}:{}{}{}", member.id(),
                     member.peer_address(), ElectionPort(member),
                     member.observer() ? kObserver : kParticipant,
                     zookeeper.empty() ? "" : ";", zookeeper);
}

std::string FormatEnsemble(const Ensemble& ensemble) {
  std::string text;
  for (const v1::EnsembleMember& member : ensemble.members) {
    text += FormatServer(member) + "\n";
  }
  return text + fmt::format("version={:x}", ensemble.version.value());
}

std::string WithRole(std::string_view server, bool observer) {
  const size_t semicolon = std::min(server.find(';'), server.size());
  std::string peer(Trim(server.substr(0, semicolon)));
  const size_t colon = peer.rfind(':');
  if (IsRole(Trim(std::string_view(peer).substr(colon + 1)))) {
    peer.resize(colon);
  }
  return fmt::format("{}:{}{}", peer, observer ? kObserver : kParticipant,
                     server.substr(semicolon));
}

}  // namespace sillok
