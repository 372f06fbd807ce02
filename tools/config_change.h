// Showing and changing configurations, for `sillok config` and `sillok topic
// config`.
#ifndef SILLOK_TOOLS_CONFIG_CHANGE_H_
#define SILLOK_TOOLS_CONFIG_CHANGE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/admin.h"
#include "tools/context.h"

namespace sillok::tools {

struct ConfigEdits {
  std::vector<std::string> set;       // key=value
  std::vector<std::string> unset;     // key
  std::vector<std::string> append;    // key=item
  std::vector<std::string> subtract;  // key=item
  bool dry_run = false;

  bool empty() const {
    return set.empty() && unset.empty() && append.empty() && subtract.empty();
  }
};

// --set, --unset, --append, --subtract, --dry-run.
void AddEditOptions(CLI::App* command, ConfigEdits* edits);

absl::Status EditConfig(Context& context,
                        const client::ConfigResource& resource,
                        const ConfigEdits& edits);

struct ConfigView {
  std::vector<std::string> keys;  // empty = all
  bool changed_only = false;      // leave DEFAULT out
  bool synonyms = false;          // what each would fall back to
};
// A key that is asked for and does not exist is INVALID_CONFIG.
absl::Status ListConfig(Context& context,
                        const client::ConfigResource& resource,
                        const ConfigView& view);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_CONFIG_CHANGE_H_
