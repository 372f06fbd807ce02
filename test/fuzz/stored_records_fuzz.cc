// The entry libFuzzer looks for (BUILD.bazel says how to run it).
#include "test/fuzz/coordinator_inputs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sillok::coord::FuzzStoredRecord(data, size);
  return 0;
}
