"""Sends three records to a topic and reads them back. See README.md."""
import sys
import grpc
from proto import broker_pb2 as pb, broker_pb2_grpc

broker = broker_pb2_grpc.BrokerStub(grpc.insecure_channel(sys.argv[1]))
topic = sys.argv[2] if len(sys.argv) > 2 else "python-example"
broker.CreateTopics(pb.CreateTopicsRequest(topics=[pb.NewTopic(name=topic, partitions=1)]))
addresses = {b.broker_id: f"{b.host}:{b.port}" for b in broker.Metadata(pb.MetadataRequest()).brokers}
leader_id = broker.Metadata(pb.MetadataRequest(topics=[topic])).topics[0].partitions[0].leader_id
leader = broker_pb2_grpc.BrokerStub(grpc.insecure_channel(addresses[leader_id]))
records = [pb.Record(key=b"k", value=b"hello %d" % i) for i in range(3)]
sent = leader.Produce(pb.ProduceRequest(acks=-1, partitions=[pb.PartitionProduce(topic=topic, partition=0, plain=records)])).partitions[0]
assert sent.error_code == 0, sent.error_message
answer = leader.Fetch(pb.FetchRequest(max_wait_ms=1000, min_bytes=1, plain_records=True, partitions=[pb.PartitionFetch(topic=topic, partition=0, fetch_offset=sent.base_offset)]))
for record in answer.partitions[0].plain:
    print(record.offset, record.key.decode(), record.value.decode())
