// The fuzzed entry: what the broker does with bytes from an unknown client.
#ifndef SILLOK_TEST_FUZZ_KAFKA_REQUESTS_H_
#define SILLOK_TEST_FUZZ_KAFKA_REQUESTS_H_

#include <cstddef>
#include <cstdint>

namespace sillok::kafka {

enum class FuzzResult { kNoHeader, kNotOurs, kRefused, kRead };

// `data` is a request as it follows its size: header, then body. Dies (CHECK)
// if a request that was read cannot be written, or does not come back the same.
FuzzResult FuzzRequest(const uint8_t* data, size_t size);

}  // namespace sillok::kafka

#endif  // SILLOK_TEST_FUZZ_KAFKA_REQUESTS_H_
