#include "coordinator/zookeeper/four_letter_words.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fmt/format.h"

namespace sillok::coord {
namespace {

constexpr const char* kWords[] = {"ruok", "srvr", "stat", "mntr", "cons",
                                  "crst", "srst", "conf", "envi", "dump",
                                  "wchs", "wchc", "wchp", "dirs", "isro",
                                  "gtmk", "stmk", "hash"};
// These are answered even while the member does not serve.
constexpr const char* kAlways[] = {"ruok", "conf", "envi", "isro",
                                   "gtmk", "stmk", "dirs"};
constexpr char kNotServing[] =
    "This ZooKeeper instance is not currently serving requests\n";

template <typename Words>
bool IsAmong(const Words& words, std::string_view word) {
  return std::any_of(std::begin(words), std::end(words),
                     [&](const char* one) { return word == one; });
}

std::string ListConnection(const ConnectionFacts& connection, bool details) {
  const StreamFacts& stream = connection.stream;
  std::string text = fmt::format(
      " /{}[{}](queued={},recved={},sent={}", connection.peer,
      stream.session.value() != 0 ? 1 : 0, stream.pending,
      stream.traffic.received, stream.traffic.sent);
  if (details && stream.session.value() != 0) {
    text += fmt::format(
        ",sid={},lop={},est={},to={},lcxid={},lzxid={},lresp={},llat={},"
        "minlat={},avglat={:.4f},maxlat={}",
        HexNumber(stream.session.value()), stream.last_operation,
        connection.since_unix_ms, stream.timeout_ms,
        HexNumber(stream.last_request_id), HexNumber(stream.last_zxid),
        stream.last_answer_ms, stream.last_latency_ms,
        stream.traffic.min_latency_ms, stream.traffic.average_latency_ms(),
        stream.traffic.max_latency_ms);
  }
  return text + ")\n";
}

std::string ServerLines(const MonitorFacts& facts) {
  std::string text = fmt::format(
      "Latency min/avg/max: {}/{:.4f}/{}\nReceived: {}\nSent: {}\n"
      "Connections: {}\nOutstanding: {}\nZxid: {}\nMode: {}\n",
      facts.traffic.min_latency_ms,
      static_cast<double>(facts.traffic.average_latency_ms()),
      facts.traffic.max_latency_ms, facts.traffic.received,
      facts.traffic.sent, facts.connections, facts.outstanding,
      HexNumber(facts.zxid), ServerState(facts));
  return text + fmt::format("Node count: {}\n", facts.znodes);
}

}  // namespace

std::string HexNumber(uint64_t value) { return fmt::format("{:#x}", value); }

std::string ServerState(const MonitorFacts& facts) {
  if (facts.read_only) return "read-only";
  if (facts.observes) return "observer";
  if (facts.members == 1) return "standalone";
  return facts.leading ? "leader" : "follower";
}

std::set<std::string> ParseWhitelist(std::string_view text) {
  std::set<std::string> words;
  while (!text.empty()) {
    size_t end = std::min(text.find_first_of(", \t"), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word == "*") words.insert(std::begin(kWords), std::end(kWords));
    if (IsAmong(kWords, word)) words.emplace(word);
  }
  return words;
}

std::optional<std::string> FourLetterWords::Answer(std::string_view word,
                                                   std::string_view argument) {
  if (!IsAmong(kWords, word)) return std::nullopt;
  if (whitelist_.count(std::string(word)) == 0) {
    return fmt::format(
        "{} is not executed because it is not in the whitelist.\n",
        std::string(word));
  }
  if (!IsAmong(kAlways, word) && !source_->Facts().serving) {
    return kNotServing;
  }
  if (word == "ruok") return "imok";
  if (word == "srvr") return Srvr();
  if (word == "stat") return Stat();
  if (word == "mntr") return Mntr();
  if (word == "cons") return Cons(true) + "\n";
  if (word == "crst") {
    source_->ResetConnectionTraffic();
    return "Connection stats reset.\n";
  }
  if (word == "srst") {
    source_->ResetTraffic();
    return "Server stats reset.\n";
  }
  if (word == "conf") return Conf();
  if (word == "envi") return Envi();
  if (word == "dump") return Dump();
  if (word == "wchs") return Wchs();
  if (word == "wchc") return Wchc();
  if (word == "wchp") return Wchp();
  if (word == "dirs") return Dirs();
  if (word == "isro") return Isro();
  if (word == "gtmk") return std::to_string(trace_mask_);
  if (word == "stmk") return Stmk(argument);
  return Hash();
}

std::string FourLetterWords::Srvr() const {
  return fmt::format("Zookeeper version: {}\n", source_->constants().version) +
         ServerLines(source_->Facts());
}

std::string FourLetterWords::Stat() const {
  return fmt::format("Zookeeper version: {}\nClients:\n{}\n",
                     source_->constants().version, Cons(false)) +
         ServerLines(source_->Facts());
}

std::string FourLetterWords::Cons(bool details) const {
  std::string text;
  for (const ConnectionFacts& connection : source_->Connections()) {
    text += ListConnection(connection, details);
  }
  return text;
}

std::string FourLetterWords::Mntr() const {
  const MonitorConstants& constants = source_->constants();
  const MonitorFacts facts = source_->Facts();
  const auto [open, allowed] = source_->Descriptors();
  std::string text;
  auto line = [&](const char* key, const auto& value) {
    text += fmt::format("zk_{}\t{}\n", key, value);
  };
  line("version", constants.version);
  line("server_state", ServerState(facts));
  if (facts.members > 1) {
    line("peer_state", facts.read_only  ? "looking"
                       : facts.observes ? "observing - broadcast"
                       : facts.leading  ? "leading - broadcast"
                                        : "following - broadcast");
  }
  line("avg_latency", fmt::format("{:.4f}", facts.traffic.average_latency_ms()));
  line("max_latency", facts.traffic.max_latency_ms);
  line("min_latency", facts.traffic.min_latency_ms);
  line("packets_received", facts.traffic.received);
  line("packets_sent", facts.traffic.sent);
  line("num_alive_connections", facts.connections);
  line("outstanding_requests", facts.outstanding);
  line("znode_count", facts.znodes);
  line("watch_count", facts.watches);
  line("ephemerals_count", facts.ephemerals);
  line("approximate_data_size", facts.data_bytes);
  line("open_file_descriptor_count", open);
  line("max_file_descriptor_count", allowed);
  line("global_sessions", facts.sessions);
  line("local_sessions", 0);  // there are none: every session is replicated
  line("uptime", facts.uptime_ms);
  line("last_zxid", facts.zxid);
  line("stale_sessions_expired", facts.expired_sessions);
  line("elections", facts.elections);
  if (!facts.leading) return text;
  // A leader that has no vote any more is about to hand over.
  const size_t own = facts.observes ? 0 : 1;
  const size_t followers = facts.voters - std::min(own, facts.voters);
  const size_t synced =
      std::min(facts.synced_voters - std::min(own, facts.synced_voters),
               followers);
  line("learners", facts.members - std::min<size_t>(1, facts.members));
  line("followers", followers);
  line("synced_followers", synced);
  line("pending_syncs", followers - synced);
  line("proposal_count", facts.proposals);
  return text;
}

std::string FourLetterWords::Conf() const {
  std::string text;
  for (const auto& [key, value] : source_->constants().config) {
    text += key + "=" + value + "\n";
  }
  const std::vector<std::string> ensemble = source_->Ensemble();
  if (ensemble.empty()) return text;
  text += fmt::format("peerType={}\nmembership: \n",
                      source_->Facts().observes ? 1 : 0);
  for (const std::string& line : ensemble) text += line + "\n";
  return text;
}

std::string FourLetterWords::Envi() const {
  std::string text = "Environment:\nzookeeper.version=" +
                     source_->constants().version + "\n";
  for (const auto& [key, value] : source_->Environment()) {
    text += key + "=" + value + "\n";
  }
  return text;
}

std::string FourLetterWords::Dump() const {
  const std::vector<SessionFacts> sessions = source_->Sessions();
  std::string text = "SessionTracker dump:\n";
  text += fmt::format("Global Sessions({}):\n", sessions.size());
  std::string ephemerals;
  size_t owners = 0;
  for (const SessionFacts& session : sessions) {
    text += fmt::format("{}\t{}ms\n", HexNumber(session.id.value()),
                        session.timeout_ms);
    if (session.ephemerals.empty()) continue;
    ++owners;
    ephemerals += HexNumber(session.id.value()) + ":\n";
    for (const std::string& path : session.ephemerals) {
      ephemerals += "\t" + path + "\n";
    }
  }
  text += fmt::format("ephemeral nodes dump:\nSessions with Ephemerals ({}):\n",
                      owners);
  text += ephemerals;
  const std::vector<ConnectionFacts> connections = source_->Connections();
  text += fmt::format("Connections dump:\nConnections ({}):\n",
                      connections.size());
  for (const ConnectionFacts& connection : connections) {
    text += fmt::format("\tip: /{} sessionId: {}\n", connection.peer,
                        HexNumber(connection.stream.session.value()));
  }
  return text;
}

std::string FourLetterWords::Wchs() const {
  const WatchCounts counts = source_->CountWatches();
  return fmt::format("{} connections watching {} paths\nTotal watches:{}\n",
                     counts.connections, counts.paths, counts.watches);
}

std::string FourLetterWords::Wchc() const {
  std::string text;
  for (const auto& [session, paths] : source_->WatchesBySession()) {
    text += HexNumber(session.value()) + "\n";
    for (const std::string& path : paths) text += "\t" + path + "\n";
  }
  return text;
}

std::string FourLetterWords::Wchp() const {
  std::string text;
  for (const auto& [path, sessions] : source_->WatchesByPath()) {
    text += path + "\n";
    for (SessionId session : sessions) {
      text += "\t" + HexNumber(session.value()) + "\n";
    }
  }
  return text;
}

std::string FourLetterWords::Dirs() const {
  // Log and tree are below one directory.
  return fmt::format("datadir_size: {}\nlogdir_size: {}\n",
                     source_->DataDirectoryBytes(), 0);
}

std::string FourLetterWords::Hash() const {
  const MonitorFacts facts = source_->Facts();
  return fmt::format("zxid: {}, digest: {}\n", HexNumber(facts.zxid),
                     HexNumber(facts.digest));
}

std::string FourLetterWords::Isro() const {
  const MonitorFacts facts = source_->Facts();
  return facts.read_only ? "ro" : facts.serving ? "rw" : "null";
}

std::string FourLetterWords::Stmk(std::string_view argument) {
  uint64_t mask = 0;
  for (char byte : argument) mask = mask << 8 | static_cast<uint8_t>(byte);
  trace_mask_ = static_cast<int64_t>(mask);
  return std::to_string(trace_mask_);
}

}  // namespace sillok::coord
