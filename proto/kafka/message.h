// How a Kafka wire message is described here.
//
// A message is a plain struct with a `kInfo` and one function template:
//
//   template <typename M, typename V>
//   static void Describe(M& m, V& v) {
//     v.Field("topic", m.topic, {.until = 12});
//     v.Field("records", m.records, {.nullable_since = 0});
//     v.Tagged(1, "replica_state", m.replica_state, {.since = 15});
//   }
//
// The lines stand in wire order, tagged fields last and ascending. Reader,
// Writer, MinSize and the tests' visitors all walk this one description; `M` is
// const for those that only look. A field outside its versions is not written,
// and keeps its default when read.
//
// C++ type -> Kafka type: bool, int8/16/32/64; std::string = string, Bytes =
// bytes or records, Uuid, std::vector = array, a struct = a struct, and
// std::optional around string, Bytes or vector where null is allowed in some
// version. Defaults are Kafka's.
#ifndef SILLOK_PROTO_KAFKA_MESSAGE_H_
#define SILLOK_PROTO_KAFKA_MESSAGE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/bytes.h"

namespace sillok::kafka {

using Uuid = std::array<uint8_t, 16>;

// A version no message has: "from never on".
inline constexpr int16_t kNever = INT16_MAX;

// The versions in which a field is there, and in which it may be null; both
// ends included.
struct FieldSpec {
  int16_t since = 0;
  int16_t until = kNever;
  int16_t nullable_since = kNever;
  int16_t nullable_until = kNever;
  // Keeps its old encoding in flexible versions: the client id of the request
  // header alone, which a broker reads before it knows what the client speaks.
  bool classic = false;

  constexpr bool Has(int16_t version) const {
    return since <= version && version <= until;
  }
  constexpr bool Nullable(int16_t version) const {
    return nullable_since <= version && version <= nullable_until;
  }
};

struct MessageInfo {
  const char* name;
  int16_t api_key;
  // Versions the description covers. What a broker advertises (api_table.h)
  // lies inside, and may be less.
  int16_t min;
  int16_t max;
  int16_t flexible;  // first flexible version; kNever = none

  constexpr bool Has(int16_t version) const {
    return min <= version && version <= max;
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_MESSAGE_H_
