// The entry libFuzzer looks for (BUILD.bazel says how to run it).
#include "test/fuzz/kafka_requests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sillok::kafka::FuzzRequest(data, size);
  return 0;
}
