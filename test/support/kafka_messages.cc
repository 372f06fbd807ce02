#include "test/support/kafka_messages.h"

#include "proto/kafka/codec.h"
#include "proto/kafka/header.h"
#include "proto/kafka/messages.h"
#include "test/support/kafka_visitors.h"

namespace sillok::kafka {
namespace {

template <typename T>
MessageType TypeOf() {
  MessageType type;
  type.info = &T::kInfo;
  type.make = []() -> std::shared_ptr<void> { return std::make_shared<T>(); };
  type.decode = [](const Bytes& bytes, int16_t version, void* message) {
    return DecodeMessage(bytes, 0, version, static_cast<T*>(message));
  };
  type.encode = [](const void* message, int16_t version) {
    return EncodeMessage(*static_cast<const T*>(message), version);
  };
  type.dump = [](const void* message, int16_t version) {
    JsonDump dump(version, version >= T::kInfo.flexible);
    dump.Add(*static_cast<const T*>(message));
    return dump.text();
  };
  type.randomize = [](void* message, int16_t version, std::mt19937_64& random) {
    RandomFill fill(version, version >= T::kInfo.flexible, random);
    fill.Fill(*static_cast<T*>(message), {});
  };
  return type;
}

}  // namespace

const std::vector<MessageType>& AllMessageTypes() {
  static const std::vector<MessageType> types = {
#define SILLOK_TYPES(Api) TypeOf<Api##Request>(), TypeOf<Api##Response>(),
      SILLOK_KAFKA_APIS(SILLOK_TYPES)
#undef SILLOK_TYPES
          TypeOf<RequestHeader>(),
      TypeOf<ResponseHeader>(),
  };
  return types;
}

}  // namespace sillok::kafka
