// ProducerInterceptor: sees every record on its way in and every answer on its
// way out (ProducerConfig::interceptors), as tracing and auditing want it.
#ifndef SILLOK_CLIENT_INTERCEPTOR_H_
#define SILLOK_CLIENT_INTERCEPTOR_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/producer.h"

namespace sillok::client {

// Thread-safe: OnSend runs on the threads that send, OnAnswer on the producer's
// own. Several are called in the order of the configuration.
class ProducerInterceptor {
 public:
  virtual ~ProducerInterceptor() = default;

  // May change the record. Bytes that it brings of its own are returned, to be
  // kept until they are copied; null when there are none.
  virtual std::shared_ptr<const void> OnSend(ProducerRecord* record) {
    return nullptr;
  }
  // Before the record's own callback, with the same arguments.
  virtual void OnAnswer(const std::string& topic, const absl::Status& status,
                        const RecordMetadata& metadata) {}
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERCEPTOR_H_
