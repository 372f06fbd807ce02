"""What confluent-kafka can do, done against a cluster (see ../README.md).

usage: confluent_python.py checks BOOTSTRAP
       confluent_python.py produce BOOTSTRAP TOPIC STOP-FILE
       confluent_python.py follow BOOTSTRAP TOPIC GROUP STOP-FILE
"""

import os

import checks
from checks import check, eventually, expect
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions
from confluent_kafka.admin import NewTopic


def admin_client(bootstrap):
  return AdminClient({'bootstrap.servers': bootstrap})


def create(bootstrap, name, partitions=1, config=None):
  admin = admin_client(bootstrap)
  topic = NewTopic(name, partitions, 3, config=config or {})
  admin.create_topics([topic])[name].result(20)
  eventually(20, lambda: led(admin, name, partitions), 'leaders of ' + name)


def led(admin, name, partitions):
  topic = admin.list_topics(name, timeout=10).topics[name]
  return (topic.error is None and len(topic.partitions) == partitions and
          all(p.leader >= 0 for p in topic.partitions.values()))


class Sender:
  """A producer that keeps what was said of each record, in order."""

  def __init__(self, bootstrap, **settings):
    self.reports = []
    config = {'bootstrap.servers': bootstrap}
    config.update((k.replace('_', '.'), v) for k, v in settings.items())
    self.producer = Producer(config)

  def send(self, topic, value, **more):
    self.producer.produce(
        topic, value, on_delivery=lambda error, message: self.reports.append(
            (error, message)), **more)

  def flush(self):
    """Waits for all; the offsets."""
    expect(self.producer.flush(30), 0, 'records without an answer')
    for error, _ in self.reports:
      if error is not None:
        raise KafkaException(error)
    return [message.offset() for _, message in self.reports]


def read(bootstrap, topic, count, **settings):
  """The first `count` records of partition 0, from the beginning."""
  config = {'bootstrap.servers': bootstrap, 'group.id': 'cp-reads',
            'enable.auto.commit': False}
  config.update((k.replace('_', '.'), v) for k, v in settings.items())
  consumer = Consumer(config)
  consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
  messages = []
  while len(messages) < count:
    message = consumer.poll(20)
    if message is None:
      raise AssertionError('%d of %d came' % (len(messages), count))
    if message.error():
      raise KafkaException(message.error())
    messages.append(message)
  consumer.close()
  return messages


@check
def keys_values_headers_and_timestamps_come_back(bootstrap):
  create(bootstrap, 'cp-records')
  headers = [('a', b'1'), ('a', b'2'), ('empty', b''), ('null', None)]
  sender = Sender(bootstrap)
  sender.send('cp-records', b'v', key=b'k', headers=headers,
              timestamp=1700000000123)
  sender.send('cp-records', b'no key')
  sender.send('cp-records', None, key=b'tombstone')
  expect(sender.flush(), [0, 1, 2], 'offsets')
  messages = read(bootstrap, 'cp-records', 3)
  expect([(m.key(), m.value()) for m in messages],
         [(b'k', b'v'), (None, b'no key'), (b'tombstone', None)], 'records')
  expect(messages[0].headers(), headers, 'headers')
  expect(messages[0].timestamp(), (TIMESTAMP_CREATE_TIME, 1700000000123),
         'timestamp')


@check
def the_log_can_give_the_timestamps(bootstrap):
  create(bootstrap, 'cp-append-time', 1,
         {'message.timestamp.type': 'LogAppendTime'})
  sender = Sender(bootstrap)
  sender.send('cp-append-time', b'v', timestamp=1)
  sender.flush()
  kind, time_ms = read(bootstrap, 'cp-append-time', 1)[0].timestamp()
  expect(kind, TIMESTAMP_LOG_APPEND_TIME, 'kind of timestamp')
  expect(time_ms > 1700000000000, True, 'a timestamp of now')


@check
def every_codec_is_kept_and_read(bootstrap):
  # A record above the limit of a batch passes only if it was compressed.
  value = b'sillok ' * 300000
  create(bootstrap, 'cp-codecs')
  codecs = ['gzip', 'snappy', 'lz4', 'zstd']
  for codec in codecs:
    sender = Sender(bootstrap, compression_type=codec,
                    message_max_bytes=4000000)
    sender.send('cp-codecs', value, key=codec)
    sender.flush()
  sender = Sender(bootstrap, message_max_bytes=4000000)
  sender.send('cp-codecs', value)
  try:
    sender.flush()
    raise AssertionError('2 MB without compression were taken')
  except KafkaException as error:
    expect(error.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE, 'error')
  messages = read(bootstrap, 'cp-codecs', 4)
  expect([m.key().decode() for m in messages], codecs, 'keys')
  for message in messages:
    expect(message.value() == value, True, 'value of %r' % message.key())


@check
def idempotence_writes_many_records_once_and_in_order(bootstrap):
  create(bootstrap, 'cp-idempotent')
  sender = Sender(bootstrap, enable_idempotence=True, linger_ms=1,
                  batch_num_messages=20)
  for i in range(2000):
    sender.send('cp-idempotent', b'%d' % i)
    sender.producer.poll(0)
  expect(sorted(sender.flush()), list(range(2000)), 'offsets')
  expect([int(m.value()) for m in read(bootstrap, 'cp-idempotent', 2000)],
         list(range(2000)), 'order')


@check
def offsets_are_found_by_time_and_by_end(bootstrap):
  create(bootstrap, 'cp-times')
  sender = Sender(bootstrap)
  for i in range(5):
    sender.send('cp-times', b'x', timestamp=1000 + 100 * i)
  sender.flush()
  consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': 'cp-times'})

  def offset_at(time_ms):
    found, = consumer.offsets_for_times([TopicPartition('cp-times', 0,
                                                        time_ms)], timeout=20)
    if found.error is not None:
      raise KafkaException(found.error)
    return found.offset

  expect([offset_at(t) for t in (0, 1150, 1400)], [0, 2, 4], 'by time')
  expect(offset_at(99999), -1, 'after the last')
  expect(consumer.get_watermark_offsets(TopicPartition('cp-times', 0), 20),
         (0, 5), 'watermarks')
  consumer.close()


def group_member(bootstrap, group, strategy):
  return Consumer({'bootstrap.servers': bootstrap, 'group.id': group,
                   'auto.offset.reset': 'earliest',
                   'enable.auto.commit': False, 'session.timeout.ms': 6000,
                   'heartbeat.interval.ms': 500,
                   # A broker may hear of a new topic after another one.
                   'topic.metadata.refresh.interval.ms': 1000,
                   'partition.assignment.strategy': strategy})


def polled(consumer, partitions):
  consumer.poll(0.1)
  return len(consumer.assignment()) == partitions


def share_and_go_on(bootstrap, topic, strategy):
  create(bootstrap, topic, 4)
  sender = Sender(bootstrap)
  for i in range(40):
    sender.send(topic, b'%d' % i, partition=i % 4)
  sender.flush()
  group = topic + '-members'
  one, two = (group_member(bootstrap, group, strategy) for _ in range(2))
  seen = {}

  def drain(consumer):
    message = consumer.poll(0.05)
    if message is not None and not message.error():
      seen[(message.partition(), message.offset())] = message.value()
    return len(consumer.assignment())

  one.subscribe([topic])
  eventually(40, lambda: drain(one) == 4, 'one member has all')
  two.subscribe([topic])
  eventually(40, lambda: (drain(one), drain(two)) == (2, 2), 'two each')
  eventually(40, lambda: (drain(one), drain(two)) and len(seen) == 40,
             'all 40 records')
  one.commit(offsets=[TopicPartition(topic, p, 10) for p in range(4)],
             asynchronous=False)
  two.close()
  eventually(40, lambda: drain(one) == 4, 'one member has all again')
  one.close()
  sender.send(topic, b'after', partition=0)
  sender.flush()
  three = group_member(bootstrap, group, strategy)
  three.subscribe([topic])
  message = eventually(40, lambda: three.poll(0.5), 'the new record')
  expect(message.value(), b'after', 'read after the commits')
  expect([p.offset for p in three.committed(
      [TopicPartition(topic, p) for p in range(4)], timeout=20)],
         [10, 10, 10, 10], 'committed')
  three.close()


@check
def a_group_shares_by_range(bootstrap):
  share_and_go_on(bootstrap, 'cp-range', 'range')


@check
def a_group_shares_cooperatively(bootstrap):
  share_and_go_on(bootstrap, 'cp-cooperative', 'cooperative-sticky')


@check
def a_pattern_finds_topics(bootstrap):
  create(bootstrap, 'cp-pattern-one')
  create(bootstrap, 'cp-pattern-two')
  consumer = group_member(bootstrap, 'cp-patterns', 'range')
  consumer.subscribe(['^cp-pattern-.*'])
  eventually(40, lambda: polled(consumer, 2), 'both topics')
  expect({p.topic for p in consumer.assignment()},
         {'cp-pattern-one', 'cp-pattern-two'}, 'topics')
  consumer.close()


@check
def metadata_tells_topics_partitions_and_brokers(bootstrap):
  create(bootstrap, 'cp-metadata', 3)
  metadata = admin_client(bootstrap).list_topics(timeout=20)
  expect(len(metadata.brokers), 3, 'brokers')
  expect(metadata.controller_id in metadata.brokers, True, 'the controller')
  expect(bool(metadata.cluster_id), True, 'a cluster id')
  partitions = metadata.topics['cp-metadata'].partitions
  expect(sorted(partitions), [0, 1, 2], 'partitions')
  for partition in partitions.values():
    expect(sorted(partition.replicas), [1, 2, 3], 'replicas')
  missing = admin_client(bootstrap).list_topics('cp-no-such!', timeout=20)
  expect(missing.topics['cp-no-such!'].error.code(),
         KafkaError.TOPIC_EXCEPTION, 'error of a bad name')


@check
def topics_are_created_grown_and_deleted(bootstrap):
  admin = admin_client(bootstrap)
  create(bootstrap, 'cp-admin')
  try:
    admin.create_topics([NewTopic('cp-admin', 1, 3)])['cp-admin'].result(20)
    raise AssertionError('a topic was created twice')
  except KafkaException as error:
    expect(error.args[0].code(), KafkaError.TOPIC_ALREADY_EXISTS, 'error')
  for name, topic, code in [
      ('replicas', NewTopic('cp-bad', 1, 7),
       KafkaError.INVALID_REPLICATION_FACTOR),
      ('config', NewTopic('cp-bad', 1, 3, config={'no.such.key': '1'}),
       KafkaError.INVALID_CONFIG),
      ('name', NewTopic('cp bad', 1, 3), KafkaError.TOPIC_EXCEPTION)]:
    try:
      admin.create_topics([topic])[topic.topic].result(20)
      raise AssertionError('a topic with a bad %s was created' % name)
    except KafkaException as error:
      expect(error.args[0].code(), code, 'error of a bad ' + name)
  admin.create_topics([NewTopic('cp-dry', 1, 3)],
                      validate_only=True)['cp-dry'].result(20)
  expect('cp-dry' in admin.list_topics(timeout=20).topics, False,
         'a topic that was only validated')
  admin.create_partitions([NewPartitions('cp-admin', 3)])['cp-admin'].result(
      20)
  eventually(20, lambda: led(admin, 'cp-admin', 3), 'three partitions')
  admin.delete_topics(['cp-admin'])['cp-admin'].result(20)
  eventually(20, lambda: 'cp-admin' not in admin.list_topics(
      timeout=10).topics, 'deletion')


@check
def configs_are_described_and_altered(bootstrap):
  create(bootstrap, 'cp-configs', 1, {'retention.ms': '3600000'})
  admin = admin_client(bootstrap)

  def described(kind, name):
    resource = ConfigResource(kind, name)
    return admin.describe_configs([resource])[resource].result(20)

  def known():
    try:
      return described(ConfigResource.Type.TOPIC, 'cp-configs')
    except KafkaException as error:
      # The broker that was asked has not heard of the topic yet.
      expect(error.args[0].code(), KafkaError.UNKNOWN_TOPIC_OR_PART, 'error')
      return None

  entries = eventually(20, known, 'every broker knows the topic')
  expect(entries['retention.ms'].value, '3600000', 'retention.ms')
  expect(entries['retention.ms'].is_default, False, 'retention.ms is set')
  expect(entries['max.message.bytes'].is_default, True, 'a default')
  change = ConfigResource(ConfigResource.Type.TOPIC, 'cp-configs',
                          set_config={'max.message.bytes': '2000000'})
  admin.alter_configs([change])[change].result(20)
  eventually(20, lambda: described(
      ConfigResource.Type.TOPIC,
      'cp-configs')['max.message.bytes'].value == '2000000', 'the change')
  broker = next(iter(admin.list_topics(timeout=20).brokers))
  expect(bool(described(ConfigResource.Type.BROKER, str(broker))), True,
         'the broker describes itself')


@check
def groups_are_listed(bootstrap):
  create(bootstrap, 'cp-groups', 2)
  consumer = group_member(bootstrap, 'cp-listed-group', 'range')
  consumer.subscribe(['cp-groups'])
  eventually(40, lambda: polled(consumer, 2), 'the member has partitions')
  group, = admin_client(bootstrap).list_groups('cp-listed-group', timeout=20)
  expect((group.state, group.protocol_type, group.protocol, len(group.members)),
         ('Stable', 'consumer', 'range', 1), 'group')
  consumer.close()


def produce(bootstrap, topic, stop):
  producer = Producer({'bootstrap.servers': bootstrap,
                       'enable.idempotence': True, 'linger.ms': 5,
                       'message.timeout.ms': 60000})
  failures = []

  def report(error, message):
    if error is not None:
      failures.append(error)
    else:
      checks.say(message.topic(), message.partition(), message.offset(),
                 message.value().decode())

  number = 0
  while not os.path.exists(stop):
    producer.produce(topic, 'cp-%06d' % number, partition=number % 3,
                     on_delivery=report)
    number += 1
    producer.poll(0.01)
  left = producer.flush(60)
  for failure in failures[:5]:
    print('not acknowledged:', failure)
  return 1 if failures or left else 0


def follow(bootstrap, topic, group, stop):
  consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': group,
                       'auto.offset.reset': 'earliest',
                       'auto.commit.interval.ms': 500,
                       'topic.metadata.refresh.interval.ms': 1000,
                       'session.timeout.ms': 6000,
                       'heartbeat.interval.ms': 500})
  consumer.subscribe([topic])
  while not os.path.exists(stop):
    message = consumer.poll(0.2)
    if message is not None and not message.error():
      checks.say(message.topic(), message.partition(), message.offset(),
                 message.value().decode())
  consumer.close()
  return 0


if __name__ == '__main__':
  checks.main({'checks': checks.run, 'produce': produce, 'follow': follow})
