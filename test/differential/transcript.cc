#include "test/differential/transcript.h"

#include <algorithm>
#include <iterator>

namespace sillok::differential {

Line& Line::Text(const std::string& text) {
  tokens_.push_back({Token::Kind::kText, text, 0});
  return *this;
}

Line& Line::Zxid(const std::string& name, int64_t zxid) {
  Text(name);
  tokens_.push_back({Token::Kind::kZxid, "", zxid});
  return *this;
}

Line& Line::Session(const std::string& name, int64_t id) {
  Text(name);
  tokens_.push_back({Token::Kind::kSession, "", id});
  return *this;
}

Line& Line::Broken(const std::string& rule) { return Text("BROKEN: " + rule); }

Line& Line::About(const zk::Op& op) {
  about_ = op;
  return *this;
}

Line& Line::StatOf(const zk::Stat& stat) {
  Zxid("czxid", stat.czxid).Zxid("mzxid", stat.mzxid);
  Zxid("pzxid", stat.pzxid);
  Text("version " + std::to_string(stat.version));
  Text("cversion " + std::to_string(stat.cversion));
  Text("aversion " + std::to_string(stat.aversion));
  Session("owner", stat.ephemeral_owner);
  Text("length " + std::to_string(stat.data_length));
  Text("children " + std::to_string(stat.num_children));
  if (stat.mzxid < stat.czxid || stat.pzxid < stat.czxid) {
    Broken("a zxid before the creation");
  }
  if (stat.mzxid == stat.czxid && stat.mtime != stat.ctime) {
    Broken("one transaction with two times");
  }
  return *this;
}

std::string Line::ToString() const {
  std::string text;
  for (const Token& token : tokens_) {
    if (!text.empty()) text += ' ';
    text += token.kind == Token::Kind::kText ? token.text
                                             : std::to_string(token.number);
  }
  return text;
}

std::string Line::SortKey() const {
  std::string text;
  for (const Token& token : tokens_) text += token.text + ' ';
  return text;
}

std::optional<std::string> Comparison::PairZxids(int64_t theirs,
                                                 int64_t ours) {
  auto [it, added] = zxids_.emplace(theirs, ours);
  if (!added) {
    if (it->second == ours) return std::nullopt;
    return "theirs is the transaction that was " + std::to_string(it->second) +
           " for us";
  }
  const bool after = std::prev(it)->second < ours;
  const bool before =
      std::next(it) == zxids_.end() || ours < std::next(it)->second;
  if (after && before) return std::nullopt;
  zxids_.erase(it);
  return "the order of transactions is another";
}

std::optional<std::string> Comparison::Compare(const Line& theirs,
                                               const Line& ours) {
  const auto& a = theirs.tokens();
  const auto& b = ours.tokens();
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i].kind != b[i].kind || a[i].text != b[i].text) return "text";
    const std::string name = i > 0 ? a[i - 1].text : "";
    if (a[i].kind == Token::Kind::kZxid) {
      if (a[i].number <= 0 || b[i].number <= 0) {
        if (a[i].number != b[i].number) return name;
      } else if (auto why = PairZxids(a[i].number, b[i].number)) {
        return name + ": " + *why;
      }
    } else if (a[i].kind == Token::Kind::kSession) {
      const int64_t mine =
          sessions_.emplace(a[i].number, b[i].number).first->second;
      const int64_t back =
          sessions_back_.emplace(b[i].number, a[i].number).first->second;
      if (mine != b[i].number || back != a[i].number) {
        return name + ": another session";
      }
    }
  }
  if (a.size() != b.size()) return "length";
  return std::nullopt;
}

std::optional<std::string> Comparison::Compare(const StepLines& theirs,
                                               const StepLines& ours,
                                               const Explained& explained) {
  static const Line kNothing = Line().Text("(nothing)");
  for (size_t i = 0; i < std::max(theirs.size(), ours.size()); ++i) {
    const Line& a = i < theirs.size() ? theirs[i] : kNothing;
    const Line& b = i < ours.size() ? ours[i] : kNothing;
    auto why = Compare(a, b);
    if (why.has_value() && !explained(a, b)) {
      return "difference (" + *why + ")\n  theirs: " + a.ToString() +
             "\n  ours:   " + b.ToString();
    }
  }
  return std::nullopt;
}

}  // namespace sillok::differential
