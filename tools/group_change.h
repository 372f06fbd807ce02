// sillok group reset | delete | offset-delete, beside what group.cc has.
#ifndef SILLOK_TOOLS_GROUP_CHANGE_H_
#define SILLOK_TOOLS_GROUP_CHANGE_H_

#include "tools/context.h"

namespace sillok::tools {

void RegisterGroupReset(CLI::App& group, Context& context);
void RegisterGroupDelete(CLI::App& group, Context& context);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_GROUP_CHANGE_H_
