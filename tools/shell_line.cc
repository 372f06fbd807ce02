#include "tools/shell_line.h"

#include <algorithm>

namespace sillok::tools {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::vector<std::string> CompletePath(const std::string& word,
                                      const CompletionSources& sources) {
  std::vector<std::string> found;
  size_t slash = word.rfind('/');
  std::string parent = slash == 0 ? "/" : word.substr(0, slash);
  std::string begun = word.substr(slash + 1);
  for (const std::string& name : sources.children(parent)) {
    if (name.compare(0, begun.size(), begun) == 0) {
      found.push_back(word.substr(0, slash + 1) + name);
    }
  }
  std::sort(found.begin(), found.end());
  // A sole znode that has children may go on at once.
  if (found.size() == 1 && !sources.children(found[0]).empty()) {
    found[0] += '/';
  }
  return found;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(std::string_view line) {
  std::vector<std::string> words;
  for (size_t i = 0; i < line.size();) {
    if (IsBlank(line[i])) {
      ++i;
      continue;
    }
    if (line[i] == '#') break;
    std::string word;
    for (char quote = 0; i < line.size() || quote != 0; ++i) {
      if (i == line.size()) {
        return absl::InvalidArgumentError(
            std::string("a ") + quote + " quote is not closed");
      }
      char c = line[i];
      if (quote == 0 && IsBlank(c)) break;
      if (c == quote) {
        quote = 0;
      } else if (quote == 0 && (c == '\'' || c == '"')) {
        quote = c;
      } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
        word += line[++i];
      } else {
        word += c;
      }
    }
    words.push_back(std::move(word));
  }
  return words;
}

std::vector<std::string> CompleteWord(const std::string& line,
                                      const CompletionSources& sources) {
  size_t start = line.find_last_of(" \t");
  start = start == std::string::npos ? 0 : start + 1;
  std::string word = line.substr(start);
  if (!word.empty() && word[0] == '/') return CompletePath(word, sources);
  // What stands before it, with single blanks.
  std::string before;
  auto words = SplitWords(line.substr(0, start));
  if (!words.ok()) return {};
  for (const std::string& one : *words) before += one + " ";
  std::string begun = before + word;
  std::vector<std::string> found;
  for (const std::string& command : sources.commands) {
    if (command.compare(0, begun.size(), begun) != 0) continue;
    std::string rest = command.substr(before.size());
    found.push_back(rest.substr(0, rest.find(' ')));
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  // Nothing else begins like it: the tree does.
  if (found.empty() && word.empty() && !before.empty()) return {"/"};
  return found;
}

}  // namespace sillok::tools
