// ZooKeeper's four-letter words: what an operator or a monitoring agent gets for
// the four bytes `srvr` on the client port. The texts are laid out as ZooKeeper's
// because programs read them.
#ifndef SILLOK_COORDINATOR_ZOOKEEPER_FOUR_LETTER_WORDS_H_
#define SILLOK_COORDINATOR_ZOOKEEPER_FOUR_LETTER_WORDS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "coordinator/zookeeper/monitor_facts.h"

namespace sillok::coord {

// The words of "srvr, mntr" or "*"; those that are none are left out.
std::set<std::string> ParseWhitelist(std::string_view text);

// Lives on the loop.
class FourLetterWords {
 public:
  // `source` outlives this.
  FourLetterWords(std::set<std::string> whitelist, MonitorSource* source)
      : whitelist_(std::move(whitelist)), source_(source) {}

  // Nothing when `word` is none of them. `argument` is what follows `stmk`:
  // eight bytes, big-endian.
  std::optional<std::string> Answer(std::string_view word,
                                    std::string_view argument);

  // ZooKeeper's number for what is traced. It is kept and told, and steers
  // nothing here: see log.verbosity.
  int64_t trace_mask() const { return trace_mask_; }
  void set_trace_mask(int64_t mask) { trace_mask_ = mask; }

 private:
  std::string Srvr() const;
  std::string Stat() const;
  std::string Mntr() const;
  std::string Cons(bool details) const;
  std::string Conf() const;
  std::string Envi() const;
  std::string Dump() const;
  std::string Wchs() const;
  std::string Wchc() const;
  std::string Wchp() const;
  std::string Dirs() const;
  std::string Hash() const;
  std::string Isro() const;
  std::string Stmk(std::string_view argument);

  const std::set<std::string> whitelist_;
  MonitorSource* const source_;
  int64_t trace_mask_ = 306;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_ZOOKEEPER_FOUR_LETTER_WORDS_H_
