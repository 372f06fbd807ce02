// glog, set up so that an operator can read it.
//
// INFO is what an operator would tell a colleague, WARNING when we cope, ERROR
// when someone must act. Lines go to stderr (a service manager or `sillok dev`
// keeps them); key=value, with partition and epoch or session and zxid.
#ifndef SILLOK_BASE_LOGGING_H_
#define SILLOK_BASE_LOGGING_H_

#include "glog/logging.h"

namespace sillok {

// Call once in main. `verbosity` is glog's -v. Crashes print a stack trace.
void InitLogging(const char* program, int verbosity);

// For command line tools: only what is worth interrupting for (ERROR), so that
// libraries do not talk between a tool's own lines. `verbosity` >= 0 shows all.
void InitToolLogging(const char* program, int verbosity = -1);

}  // namespace sillok

#endif  // SILLOK_BASE_LOGGING_H_
