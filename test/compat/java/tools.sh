#!/usr/bin/env bash
# Apache Kafka's own command line tools.
#
# usage: tools.sh fetch VERSION LIBS            copies the jars from Maven Central
#        tools.sh run LIBS TOOL ARGUMENTS...    a tool, named as its script is:
#                                               kafka-topics, kafka-configs, ...
#        tools.sh checks LIBS BOOTSTRAP         what the tools can do, done
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fetch() {
  # Maven keeps what it downloads in the user's home, which a test may not know.
  HOME=$(getent passwd "$(id -u)" | cut -d: -f6) mvn -q -B -f "$here/pom.xml" \
    -Dkafka.version="$1" dependency:copy-dependencies -DoutputDirectory="$2"
}

# Some tools have moved from Scala to Java over the versions.
class_of() {
  local classes
  case $1 in
    kafka-topics) classes=org.apache.kafka.tools.TopicCommand ;;
    kafka-configs)
      classes='org.apache.kafka.tools.ConfigCommand kafka.admin.ConfigCommand'
      ;;
    kafka-console-producer)
      classes='org.apache.kafka.tools.ConsoleProducer kafka.tools.ConsoleProducer'
      ;;
    kafka-console-consumer)
      classes=org.apache.kafka.tools.consumer.ConsoleConsumer
      ;;
    kafka-consumer-groups)
      classes=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
      ;;
    kafka-broker-api-versions)
      classes='org.apache.kafka.tools.BrokerApiVersionsCommand
        kafka.admin.BrokerApiVersionsCommand'
      ;;
    kafka-get-offsets) classes=org.apache.kafka.tools.GetOffsetShell ;;
    kafka-delete-records) classes=org.apache.kafka.tools.DeleteRecordsCommand ;;
    kafka-leader-election)
      classes=org.apache.kafka.tools.LeaderElectionCommand
      ;;
    kafka-producer-perf-test)
      classes=org.apache.kafka.tools.ProducerPerformance
      ;;
    kafka-consumer-perf-test)
      classes=org.apache.kafka.tools.ConsumerPerformance
      ;;
    kafka-verifiable-producer)
      classes=org.apache.kafka.tools.VerifiableProducer
      ;;
    *)
      echo "no such tool: $1" >&2
      return 1
      ;;
  esac
  local class jar
  for class in $classes; do
    for jar in "$libs"/kafka-tools-*.jar "$libs"/kafka_2.13-*.jar; do
      # A jar's table of contents stands in it as plain text.
      if grep -Fqa "${class//.//}.class" "$jar"; then
        echo "$class"
        return 0
      fi
    done
  done
  echo "$1 is in none of the jars" >&2
  return 1
}

# A small heap and the quick compiler: most of a tool's time is its start.
tool() {
  local class
  class=$(class_of "$1") || return 1
  shift
  java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$libs/*" \
    "$class" "$@"
}

failures=0
# check NAME WANTED TOOL...: the output (both streams) matches the pattern.
check() {
  local name=$1 wanted=$2 started=$SECONDS said
  shift 2
  said=$(tool "$@" --bootstrap-server "$bootstrap" 2>&1 </dev/null |
    grep -Ev '^(log4j|SLF4J):')
  judge "$name" "$wanted" "$said" "$started"
}
judge() {
  if grep -Eqz "$2" <<<"$3"; then
    echo "ok $1 ($((SECONDS - $4)) s)"
    return
  fi
  failures=$((failures + 1))
  printf 'FAILED %s\n--- wanted: %s\n--- said:\n%s\n---\n' "$1" "$2" \
    "$(tail -c 3000 <<<"$3")"
}

checks() {
  bootstrap=$1
  local t=java-$(basename "$libs" | tr -c 'a-z0-9\n' -) s said
  check 'every broker tells its APIs' \
    'Produce\(0\): .*Produce\(0\): .*Produce\(0\): ' kafka-broker-api-versions
  check 'a topic is created' "Created topic $t" kafka-topics --create \
    --topic "$t" --partitions 2 --replication-factor 3 \
    --config retention.ms=3600000
  check 'a topic is not created twice' 'already exists' kafka-topics --create \
    --topic "$t" --partitions 2
  check 'a topic is described' \
    'PartitionCount: 2.ReplicationFactor: 3.*retention.ms=3600000.*Isr: [123],[123],[123]' \
    kafka-topics --describe --topic "$t"
  check 'topics are listed' "$t" kafka-topics --list
  check 'partitions are added' '^[[:space:]]*$' kafka-topics --alter \
    --topic "$t" --partitions 3
  check 'a config is altered' 'Completed updating config' kafka-configs \
    --alter --entity-type topics --entity-name "$t" \
    --add-config max.message.bytes=2000000
  check 'configs are described' 'max.message.bytes=2000000' kafka-configs \
    --describe --entity-type topics --entity-name "$t"
  check 'a config is taken back' 'Completed updating config' kafka-configs \
    --alter --entity-type topics --entity-name "$t" \
    --delete-config max.message.bytes
  check 'all configs of a broker are described' 'log.segment.bytes=' \
    kafka-configs --describe --entity-type brokers --entity-name 1 --all

  s=$SECONDS
  said=$(printf 'k1:v1\nk2:v2\nk3:v3\n' | tool kafka-console-producer \
    --bootstrap-server "$bootstrap" --topic "$t" --property parse.key=true \
    --property key.separator=: >&2 && echo written)
  judge 'the console producer writes' written "$said" "$s"
  check 'the console consumer reads as a group' 'k1	v1' \
    kafka-console-consumer --topic "$t" --from-beginning --max-messages 3 \
    --timeout-ms 20000 --property print.key=true --group "$t-group"
  check 'the group is listed' "$t-group" kafka-consumer-groups --list
  check 'the group has read all' "$t-group +$t +[012] +[0-9]+ +[0-9]+ +0 " \
    kafka-consumer-groups --describe --group "$t-group"
  check 'offsets are reset' "$t-group +$t +0 +0" kafka-consumer-groups \
    --reset-offsets --to-earliest --group "$t-group" --topic "$t" --execute
  check 'the group is deleted' 'was successful' kafka-consumer-groups \
    --delete --group "$t-group"

  s=$SECONDS
  said=$(tool kafka-producer-perf-test --topic "$t" --num-records 20000 \
    --record-size 100 --throughput -1 --producer-props \
    "bootstrap.servers=$bootstrap" compression.type=lz4 2>&1)
  judge 'the producer performance test ends' '20000 records sent' "$said" "$s"
  check 'the consumer performance test ends' '[0-9], 20[0-9]{3}, ' \
    kafka-consumer-perf-test --topic "$t" --messages 20000 --timeout 20000
  check 'the verifiable producer is told of each record' \
    '"sent":500.*"acked":500|"acked":500.*"sent":500' \
    kafka-verifiable-producer --topic "$t" --max-messages 500 --acks -1
  # 3 + 20000 + 500 records in three partitions.
  s=$SECONDS
  said=$(tool kafka-get-offsets --bootstrap-server "$bootstrap" --topic "$t" |
    awk -F: '{ sum += $3 } END { print "records: " sum }')
  judge 'the offsets add up' 'records: 20503' "$said" "$s"
  s=$SECONDS
  printf '{"partitions":[{"topic":"%s","partition":0,"offset":1}],"version":1}' \
    "$t" >"$libs/delete.json"
  check 'records are deleted' 'low_watermark: 1' kafka-delete-records \
    --offset-json-file "$libs/delete.json"
  check 'preferred leaders are elected' \
    'Valid replica already elected|Successfully completed' \
    kafka-leader-election --election-type preferred --topic "$t" --partition 0
  check 'a topic is deleted' '^[[:space:]]*$' kafka-topics --delete --topic "$t"
  echo "$failures failed"
  [ "$failures" = 0 ]
}

case ${1:-} in
  fetch) fetch "$2" "$3" ;;
  run)
    libs=$2
    shift 2
    tool "$@"
    ;;
  checks)
    libs=$2
    checks "$3"
    ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
