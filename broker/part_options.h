// What the broker's configuration means for each of its parts.
#ifndef SILLOK_BROKER_PART_OPTIONS_H_
#define SILLOK_BROKER_PART_OPTIONS_H_

#include "base/config.h"
#include "broker/api/broker_context.h"
#include "broker/controller/controller.h"
#include "broker/group/group_options.h"
#include "broker/kafka/kafka_door.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/partition_table.h"

namespace sillok {

// A topic's log and replication settings: its own configuration over the
// broker's.
TopicSettings SettingsOf(const ConfigMap& topic, const ConfigMap& broker);

PartitionTableOptions TableOptionsOf(const Config& config);
GroupOptions GroupOptionsOf(const Config& config);
ControllerOptions ControllerOptionsOf(const Config& config);
api::BrokerOptions ApiOptionsOf(const Config& config);
kafka_door::KafkaDoorOptions KafkaDoorOptionsOf(const Config& config);

}  // namespace sillok

#endif  // SILLOK_BROKER_PART_OPTIONS_H_
