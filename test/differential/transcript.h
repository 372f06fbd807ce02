// What a script brought to light on one server, in a form that can be compared
// with another server's.
#ifndef SILLOK_TEST_DIFFERENTIAL_TRANSCRIPT_H_
#define SILLOK_TEST_DIFFERENTIAL_TRANSCRIPT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "test/support/zookeeper/wire.h"

namespace sillok::differential {

// A piece of a line. Zxids and session ids differ between servers, but which of
// them are the same, and how zxids follow one another, must not.
struct Token {
  enum class Kind { kText, kZxid, kSession };
  Kind kind = Kind::kText;
  std::string text;
  int64_t number = 0;
};

// One frame, or one thing that happened to a connection.
class Line {
 public:
  Line& Text(const std::string& text);
  Line& Zxid(const std::string& name, int64_t zxid);
  Line& Session(const std::string& name, int64_t id);
  Line& StatOf(const zk::Stat& stat);
  // A rule that this server broke by itself; shows up as a difference.
  Line& Broken(const std::string& rule);
  // What this is the answer to; not compared.
  Line& About(const zk::Op& op);
  const std::optional<zk::Op>& about() const { return about_; }

  const std::vector<Token>& tokens() const { return tokens_; }
  std::string ToString() const;
  // Without numbers that differ between servers: to sort by.
  std::string SortKey() const;

 private:
  std::vector<Token> tokens_;
  std::optional<zk::Op> about_;
};

// The lines of a step: those of its session, then those of the others.
using StepLines = std::vector<Line>;
using Transcript = std::vector<StepLines>;

// Pairs up the numbers of two servers as it goes.
class Comparison {
 public:
  // Why the lines say different things; nullopt = they do not.
  std::optional<std::string> Compare(const Line& theirs, const Line& ours);
  // The first line that differs and that `explained` does not take for a
  // choice, with both texts.
  using Explained = std::function<bool(const Line& theirs, const Line& ours)>;
  std::optional<std::string> Compare(
      const StepLines& theirs, const StepLines& ours,
      const Explained& explained = [](const Line&, const Line&) {
        return false;
      });

 private:
  std::optional<std::string> PairZxids(int64_t theirs, int64_t ours);

  std::map<int64_t, int64_t> zxids_{{0, 0}};
  std::map<int64_t, int64_t> sessions_{{0, 0}};
  std::map<int64_t, int64_t> sessions_back_{{0, 0}};
};

}  // namespace sillok::differential

#endif  // SILLOK_TEST_DIFFERENTIAL_TRANSCRIPT_H_
