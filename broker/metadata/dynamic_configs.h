// What was set for brokers while they run: /config/brokers/<id> and
// /config/brokers/<default>, as of now.
#ifndef SILLOK_BROKER_METADATA_DYNAMIC_CONFIGS_H_
#define SILLOK_BROKER_METADATA_DYNAMIC_CONFIGS_H_

#include <functional>
#include <memory>

#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/metadata/metadata_store.h"
#include "broker/metadata/topic_config.h"

namespace sillok {

struct DynamicConfigs {
  ConfigMap broker;  // for this broker
  ConfigMap all;     // for all brokers
  friend bool operator==(const DynamicConfigs&,
                         const DynamicConfigs&) = default;
};
// What topics fall back to: `file` (the broker's own configuration) with what
// was set while it runs over it.
ConfigMap TopicDefaults(const ConfigMap& file, const DynamicConfigs& dynamic);

// Reads the two znodes whenever a session begins, and again when they change.
// Thread-safe. `store`, `executor` and `timer` must outlive it.
class DynamicConfigWatch {
 public:
  DynamicConfigWatch(BrokerId broker_id, MetadataStore* store,
                     Executor* executor, Timer* timer);
  // As Stop.
  ~DynamicConfigWatch();
  DynamicConfigWatch(const DynamicConfigWatch&) = delete;
  DynamicConfigWatch& operator=(const DynamicConfigWatch&) = delete;

  // Once. `changed` runs on a strand of its own, after Get gives the new values.
  void Start(std::function<void()> changed);
  // `changed` does not run any more once this has returned. Not from `changed`.
  void Stop();

  // Never null. Empty before the first answer; what does not parse is left out.
  std::shared_ptr<const DynamicConfigs> Get() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_DYNAMIC_CONFIGS_H_
