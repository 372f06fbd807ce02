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

}  // namespace sillok

#endif  // SILLOK_BASE_LOGGING_H_
