// Which broker is the controller now, and where: /controller through a watch.
#ifndef SILLOK_BROKER_CONTROLLER_CONTROLLER_FINDER_H_
#define SILLOK_BROKER_CONTROLLER_CONTROLLER_FINDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/metadata/metadata_store.h"

namespace sillok {

struct ControllerLocation {
  BrokerId broker_id = kNoBroker;  // kNoBroker: none known
  std::string address;             // host:port of its gRPC listener
  // Raised whenever /controller was created anew, so that the same broker
  // elected again is a new location.
  uint64_t generation = 0;
  friend bool operator==(const ControllerLocation&,
                         const ControllerLocation&) = default;
};

// Thread-safe. `store`, `executor` and `timer` must outlive it.
class ControllerFinder {
 public:
  using Listener = std::function<void(const ControllerLocation& location)>;

  ControllerFinder(MetadataStore* store, Executor* executor, Timer* timer);
  ~ControllerFinder();
  ControllerFinder(const ControllerFinder&) = delete;
  ControllerFinder& operator=(const ControllerFinder&) = delete;

  ControllerLocation Current() const;
  // Called on the finder's strand at each change and, when a controller is
  // already known, once now. Called until the finder is destroyed: let it hold
  // its owner weakly.
  void AddListener(Listener listener);
  // Asks the coordinator again: whoever we took for the controller says that it
  // is not, or does not answer.
  void Refresh();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_CONTROLLER_FINDER_H_
