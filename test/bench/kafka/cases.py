"""The loads, and what Sillok is meant to reach with each."""
from dataclasses import dataclass, field


@dataclass
class Case:
    key: str
    title: str
    command: str  # of kafka_load
    topic: str  # a load that consumes names the topic of the one that filled it
    records: int
    size: int
    partitions: int = 6
    rate: int = 0
    producer: list = field(default_factory=list)
    consumer: list = field(default_factory=list)

    @property
    def fills(self):
        return self.command != "consume"

    @property
    def floor(self):
        """What of machine_floor its price is told beside."""
        return {"produce": "append", "consume": "send"}.get(self.command)


BULK = ["linger.ms=5", "batch.num.messages=100000", "batch.size=1000000"]
SMALL_READS = ["fetch.message.max.bytes=1048576", "queued.min.messages=1000000"]
LARGE_READS = ["fetch.message.max.bytes=8388608",
               "queued.max.messages.kbytes=262144"]


def all_cases(replicas, scale):
    """`scale` shortens every load; replicas share one disk, so they get less."""
    acks = "acks=1" if replicas == 1 else "acks=all"
    share = scale if replicas == 1 else scale / 2

    def bulk(key, title, size, records, *more):
        return Case(key, title, "produce", key, int(records * share), size,
                    producer=[acks, *BULK, *more])

    def read(key, title, of, size, records, settings):
        return Case(key, title, "consume", of, int(records * share), size,
                    consumer=settings)

    def paced(key, title, rate, seconds, linger, partitions):
        return Case(key, title, "paced", key, int(rate * seconds * scale), 100,
                    partitions=partitions, rate=rate,
                    producer=[acks, f"linger.ms={linger}"],
                    consumer=["fetch.wait.max.ms=500"])

    return [
        bulk("p100", "produce 100 B", 100, 5_000_000),
        read("c100", "consume 100 B", "p100", 100, 5_000_000, SMALL_READS),
        bulk("p1k", "produce 1 KiB", 1024, 800_000),
        read("c1k", "consume 1 KiB", "p1k", 1024, 800_000, SMALL_READS),
        bulk("p64k", "produce 64 KiB", 65536, 12_000),
        read("c64k", "consume 64 KiB", "p64k", 65536, 12_000, LARGE_READS),
        bulk("plz4", "produce 100 B, lz4", 100, 5_000_000,
             "compression.codec=lz4"),
        paced("l1k", "1,000/s of 100 B", 1000, 10, 0, 1),
        paced("l20k", "20,000/s of 100 B", 20_000, 10, 1, 6),
    ]


class Picture:
    """The medians of one case for both peers; a missing peer is None."""

    def __init__(self, ours, kafka, floor):
        self.ours = ours
        self.kafka = kafka
        self.floor = floor


@dataclass
class Target:
    cases: str  # keys, separated by spaces
    replicas: int
    metric: str
    text: str
    # Picture -> bound of ours; None when it cannot be told (no peer).
    bound: object
    larger_is_better: bool = False

    def met(self, picture):
        bound = self.bound(picture)
        value = picture.ours.get(self.metric)
        if bound is None or value is None:
            return None
        return value >= bound if self.larger_is_better else value <= bound


def of_kafka(metric, factor):
    return lambda p: p.kafka[metric] * factor if p.kafka else None


def above_floor(extra):
    return lambda p: p.floor + extra if p.floor is not None else None


def fixed(bound):
    return lambda p: bound


def near_send(picture):
    """0.06 is twice a bare sendfile where that is cheap."""
    return max(0.06, 2 * picture.floor) if picture.floor else 0.06


CPU_GB = "server_cpu_seconds_per_gb"
CPU_RECORD = "server_cpu_us_per_record"
TARGETS = [
    Target("p100", 1, CPU_GB, "<= floor + 0.25", above_floor(0.25)),
    Target("p1k p64k", 1, CPU_GB, "<= floor + 0.15", above_floor(0.15)),
    Target("c100 c1k c64k", 1, CPU_GB, "<= 0.06 or 2x floor", near_send),
    Target("c100 c1k c64k", 3, CPU_GB, "<= 0.06 or 2x floor", near_send),
    Target("l1k", 1, CPU_RECORD, "<= 65 us", fixed(65)),
    Target("l1k", 3, CPU_RECORD, "<= 150 us", fixed(150)),
    Target("l1k", 1, "ack_p50_ms", "<= 0.6x", of_kafka("ack_p50_ms", 0.6)),
    Target("l1k", 1, "ack_p99_ms", "<= 0.6x", of_kafka("ack_p99_ms", 0.6)),
    Target("l1k", 1, "ack_p999_ms", "<= 0.3x", of_kafka("ack_p999_ms", 0.3)),
    Target("l20k", 1, "ack_p99_ms", "<= 1.5 ms", fixed(1.5)),
    Target("l20k", 1, "ack_p999_ms", "<= 3 ms", fixed(3)),
    Target("l1k", 3, "ack_p50_ms", "<= 0.35 ms", fixed(0.35)),
    Target("l1k", 3, "ack_p99_ms", "<= 2 ms", fixed(2)),
    Target("l1k", 3, "ack_p999_ms", "<= 6 ms", fixed(6)),
    Target("p1k p64k", 3, "mb_per_second", ">= 3x",
           of_kafka("mb_per_second", 3), larger_is_better=True),
    Target("p1k p64k", 3, CPU_GB, "<= 1/3", of_kafka(CPU_GB, 1 / 3)),
]
RESIDENT_AFTER_START_MIB = 35  # of one broker
RESIDENT_AFTER_LOAD_MIB = 110


def find_target(key, replicas, metric):
    for target in TARGETS:
        if (key in target.cases.split() and target.replicas == replicas
                and target.metric == metric):
            return target
    return None
