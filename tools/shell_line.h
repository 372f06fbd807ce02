// Lines of an interactive shell: words, and how a word goes on. Pure.
#ifndef SILLOK_TOOLS_SHELL_LINE_H_
#define SILLOK_TOOLS_SHELL_LINE_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sillok::tools {

// Words between blanks. 'single quotes' keep all as it is, "double quotes" and
// what is outside of quotes know \ before the next character. A # at the start
// of a word begins a comment. InvalidArgument: a quote is not closed.
absl::StatusOr<std::vector<std::string>> SplitWords(std::string_view line);

struct CompletionSources {
  // What may stand first; "acl get" has what may stand second.
  std::vector<std::string> commands;
  // The names below a path ("/a"), or nothing.
  std::function<std::vector<std::string>(const std::string& path)> children;
};

// All that the last word of `line` (which ends at the cursor) may become: whole
// words, sorted. A path that can go on ends with a slash.
std::vector<std::string> CompleteWord(const std::string& line,
                                      const CompletionSources& sources);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_SHELL_LINE_H_
