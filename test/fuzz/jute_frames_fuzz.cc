// The entry libFuzzer looks for (BUILD.bazel says how to run it). The first byte
// chooses: frames of a connected client, or a first frame.
#include "test/fuzz/jute_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  if (data[0] % 8 == 0) {
    sillok::coord::FuzzConnectFrame(data + 1, size - 1);
  } else {
    sillok::coord::FuzzJuteFrames(data + 1, size - 1);
  }
  return 0;
}
