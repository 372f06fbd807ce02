"""What kafka-python can do, done against a cluster (see ../README.md).

usage: kafka_python.py checks BOOTSTRAP
       kafka_python.py produce BOOTSTRAP TOPIC STOP-FILE
       kafka_python.py follow BOOTSTRAP TOPIC GROUP STOP-FILE
"""

import os
import threading
import time

import checks
from checks import check, eventually, expect
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.admin import NewPartitions, NewTopic
from kafka.errors import CommitFailedError, MessageSizeTooLargeError
from kafka.errors import TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata


def servers(bootstrap):
  return bootstrap.split(',')


def admin_client(bootstrap):
  return KafkaAdminClient(bootstrap_servers=servers(bootstrap))


def create(bootstrap, name, partitions=1, configs=None):
  admin = admin_client(bootstrap)
  admin.create_topics([NewTopic(name, partitions, 3, topic_configs=configs)])
  eventually(20, lambda: partitions == sum(
      p['leader'] >= 0
      for t in admin.describe_topics([name]) for p in t['partitions']),
             'leaders of ' + name)
  admin.close()


def read(bootstrap, topic, count, **settings):
  """The first `count` records of the topic, from the beginning."""
  consumer = KafkaConsumer(topic, bootstrap_servers=servers(bootstrap),
                           auto_offset_reset='earliest',
                           consumer_timeout_ms=20000, **settings)
  records = []
  for record in consumer:
    records.append(record)
    if len(records) == count:
      break
  consumer.close()
  return records


@check
def the_version_is_found(bootstrap):
  """kafka-python infers it from the API table, and picks requests by it."""
  consumer = KafkaConsumer(bootstrap_servers=servers(bootstrap))
  version = consumer.config['api_version']
  consumer.close()
  if version < (2, 0):
    raise AssertionError('taken for a broker of version %s' % (version,))


@check
def keys_values_headers_and_timestamps_come_back(bootstrap):
  create(bootstrap, 'kp-records')
  producer = KafkaProducer(bootstrap_servers=servers(bootstrap), acks='all')
  headers = [('a', b'1'), ('a', b'2'), ('empty', b'')]
  sent = [
      producer.send('kp-records', key=b'k', value=b'v', headers=headers,
                    timestamp_ms=1700000000123),
      producer.send('kp-records', key=None, value=b'no key'),
      producer.send('kp-records', key=b'tombstone', value=None),
      producer.send('kp-records', key=b'', value=b''),
  ]
  offsets = [future.get(timeout=20).offset for future in sent]
  producer.close()
  expect(offsets, [0, 1, 2, 3], 'offsets')
  records = read(bootstrap, 'kp-records', 4)
  expect([(r.key, r.value) for r in records],
         [(b'k', b'v'), (None, b'no key'), (b'tombstone', None), (b'', b'')],
         'records')
  expect(records[0].headers, headers, 'headers')
  expect(records[0].timestamp, 1700000000123, 'timestamp')


@check
def every_codec_is_kept_and_read(bootstrap):
  # A record above the limit of a batch passes only if it was compressed.
  value = b'sillok ' * 300000
  create(bootstrap, 'kp-codecs')
  codecs = ['gzip', 'snappy', 'lz4', 'zstd']
  for codec in codecs:
    producer = KafkaProducer(bootstrap_servers=servers(bootstrap),
                             compression_type=codec, acks='all',
                             max_request_size=4000000)
    producer.send('kp-codecs', value, codec.encode()).get(timeout=30)
    producer.close()
  producer = KafkaProducer(bootstrap_servers=servers(bootstrap), acks='all',
                           max_request_size=4000000)
  try:
    producer.send('kp-codecs', value).get(timeout=30)
    raise AssertionError('2 MB without compression were taken')
  except MessageSizeTooLargeError:
    pass
  producer.close()
  records = read(bootstrap, 'kp-codecs', 4)
  expect([r.key.decode() for r in records], codecs, 'keys')
  for record in records:
    expect(record.value == value, True, 'value of ' + record.key.decode())


@check
def every_kind_of_acks_is_answered(bootstrap):
  create(bootstrap, 'kp-acks')
  for acks in (0, 1, 'all'):
    producer = KafkaProducer(bootstrap_servers=servers(bootstrap), acks=acks)
    producer.send('kp-acks', str(acks).encode()).get(timeout=20)
    producer.flush()
    producer.close()
  records = read(bootstrap, 'kp-acks', 3)
  expect([r.value for r in records], [b'0', b'1', b'all'], 'records')


@check
def offsets_are_found_by_time_and_by_end(bootstrap):
  create(bootstrap, 'kp-times')
  producer = KafkaProducer(bootstrap_servers=servers(bootstrap), acks='all')
  for i in range(5):
    producer.send('kp-times', b'x', timestamp_ms=1000 + 100 * i).get(20)
  producer.close()
  consumer = KafkaConsumer(bootstrap_servers=servers(bootstrap))
  at = TopicPartition('kp-times', 0)
  found = consumer.offsets_for_times({at: 1150})[at]
  expect((found.offset, found.timestamp), (2, 1200), 'offset for a time')
  expect(consumer.offsets_for_times({at: 99999})[at], None, 'after the end')
  expect(consumer.beginning_offsets([at]), {at: 0}, 'beginning')
  expect(consumer.end_offsets([at]), {at: 5}, 'end')
  consumer.close()


@check
def a_seek_and_a_reset_go_where_they_should(bootstrap):
  create(bootstrap, 'kp-seek')
  producer = KafkaProducer(bootstrap_servers=servers(bootstrap), acks='all')
  for i in range(10):
    producer.send('kp-seek', b'%d' % i)
  producer.flush()
  producer.close()
  at = TopicPartition('kp-seek', 0)
  consumer = KafkaConsumer(bootstrap_servers=servers(bootstrap),
                           auto_offset_reset='earliest',
                           consumer_timeout_ms=20000)
  consumer.assign([at])
  consumer.seek(at, 7)
  expect(next(consumer).value, b'7', 'after seek 7')
  consumer.seek(at, 4000)  # out of range: auto.offset.reset decides
  expect(next(consumer).value, b'0', 'after seek 4000')
  consumer.seek_to_end(at)
  expect(consumer.position(at), 10, 'position at the end')
  consumer.close()


class Member:
  """A member of a group with a thread of its own; commits what it read."""

  def __init__(self, new_consumer):
    self.seen = set()
    self.partitions = 0
    self._leaving = False
    self._new_consumer = new_consumer
    self._thread = threading.Thread(target=self._run)
    self._thread.start()

  def _run(self):
    consumer = self._new_consumer()
    while not self._leaving:
      for records in consumer.poll(timeout_ms=100).values():
        self.seen.update((r.partition, r.offset) for r in records)
      self.partitions = len(consumer.assignment())
      try:
        consumer.commit()
      except CommitFailedError:
        pass  # the group was just divided anew
    consumer.close()

  def leave(self):
    self._leaving = True
    self._thread.join(20)


@check
def a_group_shares_commits_and_goes_on(bootstrap):
  create(bootstrap, 'kp-group', 4)
  producer = KafkaProducer(bootstrap_servers=servers(bootstrap), acks='all')
  for i in range(40):
    producer.send('kp-group', b'%d' % i, partition=i % 4)
  producer.flush()

  def new_member():
    return KafkaConsumer('kp-group', group_id='kp-members',
                         bootstrap_servers=servers(bootstrap),
                         auto_offset_reset='earliest',
                         enable_auto_commit=False, session_timeout_ms=6000,
                         heartbeat_interval_ms=500)

  one, two = Member(new_member), Member(new_member)
  eventually(40, lambda: (one.partitions, two.partitions) == (2, 2),
             'two members with two partitions each')
  eventually(20, lambda: one.seen | two.seen == {
      (p, o) for p in range(4) for o in range(10)}, 'all 40 records')
  two.leave()
  eventually(40, lambda: one.partitions == 4, 'one member with all partitions')
  one.leave()

  three = new_member()
  producer.send('kp-group', b'after', partition=0).get(20)
  producer.close()
  fresh = []
  eventually(40, lambda: fresh.extend(
      r for rs in three.poll(timeout_ms=200).values() for r in rs) or fresh,
             'the record after the commits')
  expect([r.value for r in fresh], [b'after'], 'read after the commits')
  at = TopicPartition('kp-group', 0)
  expect(three.committed(at), 10, 'committed')
  three.commit({at: OffsetAndMetadata(3, 'why')})
  expect(three.committed(at, metadata=True), OffsetAndMetadata(3, 'why'),
         'committed with metadata')
  three.close()


@check
def metadata_tells_topics_partitions_and_brokers(bootstrap):
  create(bootstrap, 'kp-metadata', 3)
  consumer = KafkaConsumer(bootstrap_servers=servers(bootstrap))
  expect('kp-metadata' in consumer.topics(), True, 'the topic is listed')
  expect(consumer.partitions_for_topic('kp-metadata'), {0, 1, 2}, 'partitions')
  consumer.close()
  admin = admin_client(bootstrap)
  cluster = admin.describe_cluster()
  expect(len(cluster['brokers']), 3, 'brokers')
  expect(bool(cluster['cluster_id']), True, 'a cluster id')
  expect(cluster['controller_id'] in [b['node_id'] for b in cluster['brokers']],
         True, 'a live controller')
  topic, = admin.describe_topics(['kp-metadata'])
  for partition in topic['partitions']:
    expect(sorted(partition['replicas']), sorted(partition['isr']), 'isr')
  admin.close()


@check
def topics_are_created_grown_and_deleted(bootstrap):
  admin = admin_client(bootstrap)
  create(bootstrap, 'kp-admin', 1, {'retention.ms': '3600000'})
  try:
    admin.create_topics([NewTopic('kp-admin', 1, 3)])
    raise AssertionError('a topic was created twice')
  except TopicAlreadyExistsError:
    pass
  admin.create_partitions({'kp-admin': NewPartitions(total_count=3)})
  eventually(20, lambda: len(
      admin.describe_topics(['kp-admin'])[0]['partitions']) == 3,
             'three partitions')
  admin.delete_topics(['kp-admin'])
  eventually(20, lambda: 'kp-admin' not in admin.list_topics(), 'deletion')
  admin.close()


def configs_of(admin, kind, name):
  responses = admin.describe_configs([ConfigResource(kind, name)])
  values = {}
  for response in responses:
    for resource in response.resources:
      expect(resource[0], 0, 'error of ' + name)
      values.update((entry[0], entry[1]) for entry in resource[4])
  return values


@check
def configs_are_described_and_altered(bootstrap):
  create(bootstrap, 'kp-configs', 1, {'retention.ms': '3600000'})
  admin = admin_client(bootstrap)
  values = configs_of(admin, ConfigResourceType.TOPIC, 'kp-configs')
  expect(values['retention.ms'], '3600000', 'retention.ms')
  expect('max.message.bytes' in values, True, 'defaults are listed')
  admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, 'kp-configs',
                                      {'max.message.bytes': '2000000'})])

  def altered():
    now = configs_of(admin, ConfigResourceType.TOPIC, 'kp-configs')
    # The old call replaces all: what it does not name is a default again.
    return (now['max.message.bytes'] == '2000000' and
            now['retention.ms'] == '604800000')

  eventually(20, altered, 'the configuration is what the call says')
  broker = admin.describe_cluster()['brokers'][0]['node_id']
  values = configs_of(admin, ConfigResourceType.BROKER, str(broker))
  expect(values['broker.id'] if 'broker.id' in values else values['node.id'],
         str(broker), 'the broker id')
  admin.close()


@check
def groups_are_listed_described_and_deleted(bootstrap):
  create(bootstrap, 'kp-groups', 2)
  consumer = KafkaConsumer('kp-groups', group_id='kp-admin-group',
                           client_id='kp-client',
                           bootstrap_servers=servers(bootstrap))
  eventually(30, lambda: consumer.poll(100) or consumer.assignment(),
             'the member has partitions')
  consumer.commit({TopicPartition('kp-groups', 1): OffsetAndMetadata(0, '')})
  admin = admin_client(bootstrap)
  expect(('kp-admin-group', 'consumer') in admin.list_consumer_groups(), True,
         'the group is listed')
  group, = admin.describe_consumer_groups(['kp-admin-group'])
  expect((group.state, group.protocol_type), ('Stable', 'consumer'), 'group')
  expect([m.client_id for m in group.members], ['kp-client'], 'members')
  expect(group.members[0].member_assignment.assignment,
         [('kp-groups', [0, 1])], 'assignment')
  offsets = admin.list_consumer_group_offsets('kp-admin-group')
  expect(offsets[TopicPartition('kp-groups', 1)].offset, 0, 'offset')
  consumer.close()
  (name, error), = admin.delete_consumer_groups(['kp-admin-group'])
  expect((name, error.errno), ('kp-admin-group', 0), 'deletion')
  expect('kp-admin-group' in dict(admin.list_consumer_groups()), False, 'gone')
  admin.close()


def produce(bootstrap, topic, stop):
  producer = KafkaProducer(bootstrap_servers=servers(bootstrap), acks='all',
                           retries=1000, retry_backoff_ms=100,
                           request_timeout_ms=60000,
                           max_in_flight_requests_per_connection=1)
  failures = []

  def acked(value):
    return lambda at: checks.say(at.topic, at.partition, at.offset, value)

  number = 0
  while not os.path.exists(stop):
    value = 'kp-%06d' % number
    future = producer.send(topic, value.encode(), partition=number % 3)
    future.add_callback(acked(value))
    future.add_errback(failures.append)
    number += 1
    time.sleep(0.01)
  producer.flush(timeout=60)
  producer.close()
  for failure in failures[:5]:
    print('not acknowledged:', repr(failure))
  return 1 if failures else 0


def follow(bootstrap, topic, group, stop):
  consumer = KafkaConsumer(topic, group_id=group,
                           bootstrap_servers=servers(bootstrap),
                           auto_offset_reset='earliest',
                           auto_commit_interval_ms=500,
                           session_timeout_ms=6000, heartbeat_interval_ms=500)
  while not os.path.exists(stop):
    for records in consumer.poll(timeout_ms=200).values():
      for record in records:
        checks.say(record.topic, record.partition, record.offset,
                   record.value.decode())
  consumer.close()
  return 0


if __name__ == '__main__':
  checks.main({'checks': checks.run, 'produce': produce, 'follow': follow})
