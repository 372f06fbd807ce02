#!/usr/bin/env python3
"""Runs every load against every cluster in turn and prints the comparison.

Started by test/bench/kafka.sh, which builds, fetches and sets up the network;
its --help says what the options mean.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from cases import (CPU_GB, CPU_RECORD, RESIDENT_AFTER_LOAD_MIB,
                   RESIDENT_AFTER_START_MIB, Picture, all_cases, find_target)
from peers import Kafka, Sillok, resident_mib

# What is told of each kind of load: member, heading, digits.
METRICS = {
    "produce": [("records_per_second", "records/s", 0),
                ("mb_per_second", "MB/s", 0),
                (CPU_GB, "broker cpu-s/GB", 3),
                (CPU_RECORD, "broker us/record", 3)],
    "paced": [("ack_p50_ms", "ack p50 ms", 3),
              ("ack_p99_ms", "ack p99 ms", 3),
              ("ack_p999_ms", "ack p99.9 ms", 3),
              ("received_p50_ms", "received p50 ms", 3),
              ("received_p99_ms", "received p99 ms", 3),
              ("received_p999_ms", "received p99.9 ms", 3),
              (CPU_RECORD, "broker us/record", 1)],
}
METRICS["consume"] = METRICS["produce"]
FLOOR_MEGABYTES = 600


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_json(command):
    done = subprocess.run([str(word) for word in command],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def fill_page_cache(folder):
    """Reads a sparse file as large as what memory is free.

    Memory that a virtual machine's guest has not used for seconds may be back
    with its host, and the next write into it costs several times more: then
    the hypervisor would be measured.
    """
    with open("/proc/meminfo") as meminfo:
        free_kib = next(int(line.split()[1]) for line in meminfo
                        if line.startswith("MemFree"))
    size = (free_kib << 10) - (400 << 20)
    path = os.path.join(folder, "ballast")
    if size <= 0:
        return
    with open(path, "wb") as file:
        file.truncate(size)
    with open(path, "rb", buffering=0) as file:
        while file.read(8 << 20):
            pass


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.load = os.path.join(arguments.bin, "test/bench/kafka/kafka_load")
        self.floor = os.path.join(arguments.bin,
                                  "test/bench/kafka/machine_floor")
        self.rows = []
        self.memory = {}

    def run(self):
        for replicas in self.arguments.rf:
            self.run_cluster(replicas)
        return {"rows": self.rows, "resident_mib": self.memory,
                "congestion_control": congestion_control(),
                "repetitions": self.arguments.reps}

    def run_cluster(self, brokers):
        arguments = self.arguments
        peers = []
        try:
            if arguments.only != "kafka":
                peers.append(Sillok(arguments.work, brokers, arguments.bin,
                                    arguments.broker_set))
            if arguments.only != "sillok":
                peers.append(Kafka(arguments.work, brokers, arguments.jars))
            time.sleep(2)
            for peer in peers:
                self.note_memory(peer, brokers, "start")
            cases = all_cases(brokers, arguments.scale)
            if arguments.cases:
                cases = [c for c in cases if c.key in arguments.cases]
            if not arguments.cold:
                self.run_round(peers, cases, brokers, None)
            for repetition in range(arguments.reps):
                self.run_round(peers, cases, brokers, repetition)
            for peer in peers:
                self.note_memory(peer, brokers, "load")
        finally:
            for peer in peers:
                peer.stop()

    def run_round(self, peers, cases, brokers, repetition):
        # One after the other in turn, so that both see the same minutes.
        for case in cases:
            for peer in peers:
                self.run_case(peer, case, brokers, repetition)

    def run_case(self, peer, case, brokers, repetition):
        topic = f"{case.topic}-{'warm' if repetition is None else repetition}"
        where = ["--brokers", peer.bootstrap, "--topic", topic]
        if case.fills:
            run_json([self.load, "create", *where, "--partitions",
                      case.partitions, "--replicas", brokers])
            os.sync()  # what earlier loads left must not be written in this one
            time.sleep(0.5)
        floor = None
        if case.floor and repetition is not None:
            floor = run_json([self.floor, case.floor, self.arguments.work,
                              FLOOR_MEGABYTES])["cpu_seconds_per_gb"]
        command = [self.load, case.command, *where, "--records", case.records,
                   "--size", case.size, "--server-pids",
                   ",".join(map(str, peer.pids))]
        if case.rate:
            command += ["--rate", case.rate]
        for setting in case.producer:
            command += ["-P", setting]
        for setting in case.consumer:
            command += ["-C", setting]
        row = run_json(command)
        row.update(case=case.key, peer=peer.name, replicas=brokers,
                   floor=floor, resident_mib=resident_mib(peer.pids))
        say(summary(row, case, "warm" if repetition is None else "    "))
        if repetition is not None:
            self.rows.append(row)

    def note_memory(self, peer, brokers, when):
        self.memory[f"{peer.name} {brokers} {when}"] = {
            "per_broker": resident_mib(peer.pids) / len(peer.pids),
            "others": resident_mib(peer.other_pids)}


def summary(row, case, mark):
    text = f"{mark} rf{row['replicas']} {row['peer']:7} {case.title:20}"
    for member, heading, digits in METRICS[case.command]:
        text += f"  {row[member]:,.{digits}f} {heading}"
    return text + (f"  floor {row['floor']:.3f}" if row["floor"] else "")


def congestion_control():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as file:
        return file.read().strip()


def medians(rows, peer, key, replicas):
    chosen = [r for r in rows if (r["peer"], r["case"], r["replicas"]) ==
              (peer, key, replicas)]
    if not chosen:
        return None
    return {member: statistics.median(r[member] for r in chosen)
            for member, value in chosen[0].items()
            if isinstance(value, (int, float))}


def print_report(result, arguments):
    print(f"Congestion control {result['congestion_control']}; medians of "
          f"{result['repetitions']}; {'cold' if arguments.cold else 'warm'}. "
          "GB is 10^9 bytes of record values. Floor: in the same minute, the "
          "CPU of a bare append, or of a bare sendfile to a loopback "
          "socket.\n")
    print("| load | figure | Sillok | Kafka | Sillok / Kafka | target | met |")
    print("|---|---|---|---|---|---|---|")
    for replicas in arguments.rf:
        for case in all_cases(replicas, arguments.scale):
            ours = medians(result["rows"], "sillok", case.key, replicas)
            kafka = medians(result["rows"], "kafka", case.key, replicas)
            if ours is None and kafka is None:
                continue
            floor = (ours or kafka).get("floor")
            print_case(case, replicas, Picture(ours, kafka, floor))
    print_memory(result["resident_mib"], arguments.rf)


def print_case(case, replicas, picture):
    title = f"RF {replicas}, {case.title}"
    for member, heading, digits in METRICS[case.command]:
        ours = picture.ours[member] if picture.ours else None
        kafka = picture.kafka[member] if picture.kafka else None
        target = find_target(case.key, replicas, member)
        line(title, heading, ours, kafka, digits, target.text if target else "",
             target.met(picture) if target and picture.ours else None)
        title = ""
    if picture.floor is not None:
        mine = picture.ours["floor"] if picture.ours else None
        theirs = picture.kafka["floor"] if picture.kafka else None
        line("", "floor cpu-s/GB", mine, theirs, 3, "", None)


def print_memory(memory, rf):
    for replicas in rf:
        for when, bound in (("start", RESIDENT_AFTER_START_MIB),
                            ("load", RESIDENT_AFTER_LOAD_MIB)):
            sides = [memory.get(f"{peer} {replicas} {when}", {})
                     .get("per_broker") for peer in ("sillok", "kafka")]
            met = None if sides[0] is None else sides[0] <= bound
            line(f"RF {replicas}, after {when}", "resident MiB a broker",
                 *sides, 0, f"<= {bound}", met)


def line(title, heading, ours, kafka, digits, target, met):
    def number(value):
        return "-" if value is None else f"{value:,.{digits}f}"
    ratio = f"{ours / kafka:.2f}" if ours is not None and kafka else "-"
    verdict = {None: "", True: "yes", False: "no"}[met]
    print(f"| {title} | {heading} | {number(ours)} | {number(kafka)} | "
          f"{ratio} | {target} | {verdict} |")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--jars", default="")
    parser.add_argument("--work", required=True)
    parser.add_argument("--only", choices=["sillok", "kafka"])
    parser.add_argument("--rf", default="1,3",
                        type=lambda t: [int(n) for n in t.split(",")])
    parser.add_argument("--cases", type=lambda t: t.split(","))
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--no-ballast", action="store_true")
    parser.add_argument("--broker-set", action="append", default=[])
    parser.add_argument("--json", default="")
    return parser.parse_args()


def main():
    arguments = parse()
    if not arguments.no_ballast:
        say("filling the page cache")
        fill_page_cache(arguments.work)
    try:
        result = Bench(arguments).run()
    finally:
        ballast = os.path.join(arguments.work, "ballast")
        if os.path.exists(ballast):
            os.unlink(ballast)
    print_report(result, arguments)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
