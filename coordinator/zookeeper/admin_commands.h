// ZooKeeper's admin commands (/commands/<name> over HTTP): JSON with ZooKeeper's
// names.
#ifndef SILLOK_COORDINATOR_ZOOKEEPER_ADMIN_COMMANDS_H_
#define SILLOK_COORDINATOR_ZOOKEEPER_ADMIN_COMMANDS_H_

#include <string>
#include <utility>
#include <vector>

#include "coordinator/zookeeper/monitor_facts.h"

namespace sillok::coord {

// Each command: its name, and its short name or "".
const std::vector<std::pair<std::string, std::string>>& AdminCommandNames();

// The document for one of the names. `source` is null when there is no member to
// ask any more.
std::string RunAdminCommand(const std::string& name, MonitorSource* source);

// What /commands answers: the list of them.
std::string ListAdminCommands();

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_ZOOKEEPER_ADMIN_COMMANDS_H_
