// What kafkajs can do, done against a cluster (see ../README.md).
//
// usage: client.js checks BOOTSTRAP
//        client.js produce BOOTSTRAP TOPIC STOP-FILE
//        client.js follow BOOTSTRAP TOPIC GROUP STOP-FILE
'use strict'

const assert = require('assert')
const fs = require('fs')
const {
  AssignerProtocol,
  CompressionTypes,
  ConfigResourceTypes,
  Kafka,
  logLevel,
} = require('kafkajs')

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

const newKafka = bootstrap =>
  new Kafka({
    clientId: 'sillok-compat',
    brokers: bootstrap.split(','),
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 60, maxRetryTime: 1000 },
  })

async function eventually(seconds, what, done) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const result = await done()
    if (result) return result
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
    await sleep(100)
  }
}

// Runs `work` with a connected admin, producer or consumer.
async function connected(client, work) {
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.disconnect()
  }
}

async function create(kafka, topic, numPartitions = 1, configEntries = []) {
  await connected(kafka.admin(), async admin => {
    const made = await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, numPartitions, replicationFactor: 3, configEntries }],
    })
    assert.strictEqual(made, true)
    // One broker hears of it before another, and each answer is from any.
    let known = 0
    await eventually(20, `${topic} is known`, async () => {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
        known = topics[0].partitions.every(p => p.leader >= 0) ? known + 1 : 0
      } catch (error) {
        assert.strictEqual(error.type, 'UNKNOWN_TOPIC_OR_PARTITION')
        known = 0
      }
      return known === 6
    })
  })
}

const send = (kafka, topic, messages, more = {}) =>
  connected(kafka.producer(more.producer), producer =>
    producer.send({ topic, messages, acks: -1, ...more.send })
  )

// The first `count` records of the topic, read by a group of its own.
async function read(kafka, topic, count) {
  const records = []
  const consumer = kafka.consumer({ groupId: `${topic}-reads`, maxWaitTimeInMs: 100 })
  await connected(consumer, async () => {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        records.push({ partition, ...message })
      },
    })
    await eventually(30, `${count} records`, () => records.length >= count)
  })
  return records
}

const checks = {
  async keys_values_headers_and_timestamps_come_back(kafka) {
    await create(kafka, 'kj-records')
    await send(kafka, 'kj-records', [
      {
        key: 'k',
        value: 'v',
        timestamp: '1700000000123',
        headers: { a: ['1', '2'], empty: '' },
      },
      { value: 'no key' },
      { key: 'tombstone', value: null },
    ])
    const records = await read(kafka, 'kj-records', 3)
    assert.deepStrictEqual(records.map(r => [String(r.key), String(r.value)]), [
      ['k', 'v'],
      ['null', 'no key'],
      ['tombstone', 'null'],
    ])
    assert.deepStrictEqual(records.map(r => r.offset), ['0', '1', '2'])
    assert.deepStrictEqual(records[0].headers.a.map(String), ['1', '2'])
    assert.strictEqual(String(records[0].headers.empty), '')
    assert.strictEqual(records[0].timestamp, '1700000000123')
  },

  async gzip_is_kept_and_read(kafka) {
    // A record above the limit of a batch passes only if it was compressed.
    const value = 'sillok '.repeat(300000)
    await create(kafka, 'kj-codecs')
    await send(kafka, 'kj-codecs', [{ value }], {
      send: { compression: CompressionTypes.GZIP },
    })
    await assert.rejects(send(kafka, 'kj-codecs', [{ value }]), error => {
      assert.strictEqual(error.type, 'MESSAGE_TOO_LARGE')
      return true
    })
    const [record] = await read(kafka, 'kj-codecs', 1)
    assert.strictEqual(String(record.value), value)
  },

  async every_kind_of_acks_is_answered(kafka) {
    await create(kafka, 'kj-acks')
    await connected(kafka.producer(), async producer => {
      for (const acks of [0, 1, -1]) {
        await producer.send({ topic: 'kj-acks', acks, messages: [{ value: `${acks}` }] })
      }
    })
    const records = await read(kafka, 'kj-acks', 3)
    assert.deepStrictEqual(records.map(r => String(r.value)), ['0', '1', '-1'])
  },

  async an_idempotent_producer_writes_once_and_in_order(kafka) {
    await create(kafka, 'kj-idempotent', 2)
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await connected(producer, async () => {
      for (let i = 0; i < 100; ++i) {
        await producer.send({
          topic: 'kj-idempotent',
          messages: [{ value: `${i}`, partition: i % 2 }],
        })
      }
    })
    const records = await read(kafka, 'kj-idempotent', 100)
    for (const partition of [0, 1]) {
      assert.deepStrictEqual(
        records.filter(r => r.partition === partition).map(r => Number(r.value)),
        Array.from({ length: 50 }, (_, i) => 2 * i + partition)
      )
    }
  },

  async a_group_shares_commits_and_goes_on(kafka) {
    await create(kafka, 'kj-group', 4)
    const sent = Array.from({ length: 40 }, (_, i) => ({ value: `${i}`, partition: i % 4 }))
    await send(kafka, 'kj-group', sent)
    const seen = new Set()
    const newMember = async name => {
      const consumer = kafka.consumer({
        groupId: 'kj-members',
        sessionTimeout: 6000,
        heartbeatInterval: 500,
        maxWaitTimeInMs: 100,
      })
      const member = { consumer, partitions: 0, records: 0 }
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
        member.partitions = (payload.memberAssignment['kj-group'] || []).length
      })
      await consumer.connect()
      await consumer.subscribe({ topic: 'kj-group', fromBeginning: true })
      await consumer.run({
        eachMessage: async ({ message }) => {
          seen.add(String(message.value))
          ++member.records
        },
      })
      return member
    }
    const one = await newMember()
    await eventually(30, 'one member has all', () => one.partitions === 4)
    const two = await newMember()
    await eventually(30, 'two each', () => one.partitions === 2 && two.partitions === 2)
    await eventually(30, 'all 40 records', () => seen.size === 40)
    await two.consumer.disconnect()
    await eventually(30, 'one has all again', () => one.partitions === 4)
    await one.consumer.disconnect()

    await send(kafka, 'kj-group', [{ value: 'after', partition: 0 }])
    const three = await newMember()
    await eventually(30, 'the new record', () => seen.has('after'))
    assert.strictEqual(three.records, 1)
    await three.consumer.disconnect()
  },

  async offsets_are_found_by_time_and_by_end(kafka) {
    await create(kafka, 'kj-times')
    await send(
      kafka,
      'kj-times',
      [1000, 1100, 1200, 1300].map(t => ({ value: 'x', timestamp: `${t}` }))
    )
    await connected(kafka.admin(), async admin => {
      assert.deepStrictEqual(await admin.fetchTopicOffsets('kj-times'), [
        { partition: 0, offset: '4', high: '4', low: '0' },
      ])
      assert.deepStrictEqual(await admin.fetchTopicOffsetsByTimestamp('kj-times', 1150), [
        { partition: 0, offset: '2' },
      ])
    })
  },

  async the_cluster_is_described(kafka) {
    await connected(kafka.admin(), async admin => {
      const cluster = await admin.describeCluster()
      assert.strictEqual(cluster.brokers.length, 3)
      assert.ok(cluster.clusterId)
      assert.ok(cluster.brokers.some(b => b.nodeId === cluster.controller))
    })
  },

  async topics_are_created_grown_and_deleted(kafka) {
    await create(kafka, 'kj-admin')
    await connected(kafka.admin(), async admin => {
      const again = { topics: [{ topic: 'kj-admin', numPartitions: 1 }] }
      assert.strictEqual(await admin.createTopics(again), false)
      await admin.createPartitions({ topicPartitions: [{ topic: 'kj-admin', count: 3 }] })
      await eventually(20, 'three partitions', async () => {
        const { topics } = await admin.fetchTopicMetadata({ topics: ['kj-admin'] })
        return topics[0].partitions.length === 3
      })
      await admin.deleteTopics({ topics: ['kj-admin'] })
      await eventually(
        20,
        'deletion',
        async () => !(await admin.listTopics()).includes('kj-admin')
      )
    })
  },

  async records_are_deleted(kafka) {
    await create(kafka, 'kj-delete-records')
    await send(kafka, 'kj-delete-records', Array(10).fill({ value: 'x' }))
    await connected(kafka.admin(), async admin => {
      // kafkajs deletes only from a topic that it has looked at.
      await admin.fetchTopicOffsets('kj-delete-records')
      await admin.deleteTopicRecords({
        topic: 'kj-delete-records',
        partitions: [{ partition: 0, offset: '7' }],
      })
      const [{ low, high }] = await admin.fetchTopicOffsets('kj-delete-records')
      assert.deepStrictEqual([low, high], ['7', '10'])
    })
    const records = await read(kafka, 'kj-delete-records', 3)
    assert.deepStrictEqual(records.map(r => r.offset), ['7', '8', '9'])
  },

  async configs_are_described_and_altered(kafka) {
    await create(kafka, 'kj-configs', 1, [{ name: 'retention.ms', value: '3600000' }])
    await connected(kafka.admin(), async admin => {
      const resource = { type: ConfigResourceTypes.TOPIC, name: 'kj-configs' }
      const value = async name => {
        const { resources } = await admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ ...resource, configNames: [name] }],
        })
        return resources[0].configEntries[0].configValue
      }
      assert.strictEqual(await value('retention.ms'), '3600000')
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ ...resource, configEntries: [{ name: 'max.message.bytes', value: '2000000' }] }],
      })
      await eventually(
        20,
        'the change',
        async () => (await value('max.message.bytes')) === '2000000'
      )
    })
  },

  async groups_are_listed_described_reset_and_deleted(kafka) {
    await create(kafka, 'kj-groups', 2)
    await send(kafka, 'kj-groups', Array(6).fill({ value: 'x', partition: 1 }))
    const groupId = 'kj-admin-group'
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
    let joined = false
    consumer.on(consumer.events.GROUP_JOIN, () => (joined = true))
    await consumer.connect()
    await consumer.subscribe({ topic: 'kj-groups', fromBeginning: true })
    await consumer.run({ eachMessage: async () => {} })
    await eventually(30, 'the member joins', () => joined)
    await connected(kafka.admin(), async admin => {
      const { groups } = await admin.listGroups()
      assert.ok(groups.some(g => g.groupId === groupId && g.protocolType === 'consumer'))
      const described = (await admin.describeGroups([groupId])).groups[0]
      assert.strictEqual(described.state, 'Stable')
      assert.strictEqual(described.members.length, 1)
      const { assignment } = AssignerProtocol.MemberAssignment.decode(
        described.members[0].memberAssignment
      )
      assert.deepStrictEqual(assignment['kj-groups'].sort(), [0, 1])
      await assert.rejects(admin.deleteGroups([groupId]), error => {
        assert.strictEqual(error.groups[0].error.type, 'NON_EMPTY_GROUP')
        return true
      })
      await consumer.disconnect()

      const committed = async () => {
        const [topic] = await admin.fetchOffsets({ groupId, topics: ['kj-groups'] })
        return topic.partitions.find(p => p.partition === 1).offset
      }
      await admin.setOffsets({
        groupId,
        topic: 'kj-groups',
        partitions: [{ partition: 1, offset: '4' }],
      })
      assert.strictEqual(await committed(), '4')
      await admin.resetOffsets({ groupId, topic: 'kj-groups', earliest: true })
      assert.strictEqual(await committed(), '-2') // kafkajs's word for it
      await admin.deleteGroups([groupId])
      assert.ok(!(await admin.listGroups()).groups.some(g => g.groupId === groupId))
    })
  },
}

async function runChecks(bootstrap) {
  const names = Object.keys(checks).filter(n => (process.env.only || n) === n)
  const failed = []
  for (const name of names) {
    const start = Date.now()
    try {
      await checks[name](newKafka(bootstrap))
      console.log(`ok ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`)
    } catch (error) {
      console.error(error)
      console.log(`FAILED ${name}`)
      failed.push(name)
    }
  }
  console.log(`${names.length} checks, ${failed.length} failed ${failed.join(' ')}`)
  return failed.length ? 1 : 0
}

const say = (topic, partition, offset, value) =>
  fs.writeSync(1, `${topic}\t${partition}\t${offset}\t${value}\n`)

async function produce(bootstrap, topic, stop) {
  const producer = newKafka(bootstrap).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  let number = 0
  // A record for every partition in each request; the answers give the offset
  // of the first record of a partition.
  while (!fs.existsSync(stop)) {
    const messages = [0, 1, 2].map(partition => ({
      partition,
      value: `kj-${String(number++).padStart(6, '0')}`,
    }))
    for (const { partition, baseOffset } of await producer.send({ topic, messages })) {
      say(topic, partition, baseOffset, messages[partition].value)
    }
    await sleep(20)
  }
  await producer.disconnect()
  return 0
}

async function follow(bootstrap, topic, groupId, stop) {
  const consumer = newKafka(bootstrap).consumer({
    groupId,
    sessionTimeout: 6000,
    heartbeatInterval: 500,
    maxWaitTimeInMs: 100,
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommitInterval: 500,
    eachMessage: async ({ partition, message }) =>
      say(topic, partition, message.offset, String(message.value)),
  })
  while (!fs.existsSync(stop)) await sleep(100)
  await consumer.disconnect()
  return 0
}

const commands = { checks: runChecks, produce, follow }
const [command, ...parameters] = process.argv.slice(2)
if (!commands[command]) {
  console.error(`commands: ${Object.keys(commands).join(', ')}`)
  process.exit(2)
}
commands[command](...parameters).then(
  code => process.exit(code),
  error => {
    console.error(error)
    process.exit(1)
  }
)
