#include "base/logging.h"

namespace sillok {

void InitLogging(const char* program, int verbosity) {
  FLAGS_logtostderr = true;
  FLAGS_v = verbosity;
  FLAGS_logbufsecs = 0;
  FLAGS_log_year_in_prefix = true;
  google::InitGoogleLogging(program);
  google::InstallFailureSignalHandler();
}

void InitToolLogging(const char* program, int verbosity) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel =
      verbosity < 0 ? google::GLOG_ERROR : google::GLOG_INFO;
  FLAGS_v = verbosity;
  google::InitGoogleLogging(program);
}

}  // namespace sillok
