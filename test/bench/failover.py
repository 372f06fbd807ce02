#!/usr/bin/env python3
"""How long many partitions take: to make them, and to give them new leaders.

Three brokers and three coordinators on this machine. First a topic of N
partitions with three replicas: until the answer, and until a client sees a
leader and a full ISR for each. Then one of 3 N, and kill -9 of a broker that
leads N of them: from the controller's notice to its round's end, and until a
client sees every new leader. CPU is that of the servers meanwhile.

usage: test/bench/failover.py [--bin DIR] [--work DIR] [--partitions N]
                              [--reps N] [--broker-set K=V]

Needs the built servers: bazel build -c opt //coordinator:sillok-coordinator
//broker:sillok-broker //tools:sillok //test/bench/kafka:many_partitions
"""
import argparse
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "kafka"))
from peers import Sillok  # noqa: E402

ROUND = re.compile(r"^I(\d{8} [\d:.]+) .*brokers changed .*"
                   r"partition_writes=(\d+) ms=(\d+)")
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def cpu_ms(pids):
    """User and system time of processes that may have ended."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += (int(fields[11]) + int(fields[12])) * TICK_MS
    return total


def rounds(logs):
    """(end as Unix ms, partition writes, ms) of rounds that changed brokers."""
    found = []
    for path in logs:
        with open(path, errors="replace") as log:
            for line in log:
                match = ROUND.match(line)
                if match is None:
                    continue
                # Log lines carry local time.
                end = datetime.datetime.strptime(match[1],
                                                 "%Y%m%d %H:%M:%S.%f")
                found.append((end.timestamp() * 1000, int(match[2]),
                              int(match[3])))
    return found


class Run:
    def __init__(self, arguments, folder):
        self.tool = os.path.join(arguments.bin,
                                 "test/bench/kafka/many_partitions")
        self.partitions = arguments.partitions
        self.cluster = Sillok(folder, 3, arguments.bin, arguments.broker_set)

    def call(self, *words):
        done = subprocess.run([self.tool, *map(str, words)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout)

    def measure(self):
        cluster = self.cluster
        before = cpu_ms(cluster.pids), cpu_ms(cluster.other_pids)
        result = self.call("create", cluster.bootstrap, "made",
                           self.partitions, 3)
        result["create_broker_cpu_ms"] = cpu_ms(cluster.pids) - before[0]
        result["create_coordinator_cpu_ms"] = (cpu_ms(cluster.other_pids) -
                                               before[1])
        self.call("create", cluster.bootstrap, "led", 3 * self.partitions, 3)
        time.sleep(2)  # what the making has left to do is not measured
        before = ({pid: cpu_ms([pid]) for pid in cluster.pids},
                  cpu_ms(cluster.other_pids))
        seen = self.call("kill", cluster.bootstrap, "led", ",".join(
            f"{number + 1}={pid}" for number, pid in enumerate(cluster.pids)))
        del before[0][cluster.pids[seen["broker"] - 1]]
        result["failover_broker_cpu_ms"] = sum(
            cpu_ms([pid]) - was for pid, was in before[0].items())
        result["failover_coordinator_cpu_ms"] = (cpu_ms(cluster.other_pids) -
                                                 before[1])
        mine = [one for one in rounds(cluster.logs)
                if one[0] > seen["killed_at"] - 1 and one[1] > 0]
        if len(mine) != 1:
            raise SystemExit(f"{len(mine)} rounds of the controller where one "
                             "was expected")
        end, _, took = mine[0]
        notice = end - took
        result["led"] = seen["led"]
        result["kill_to_notice_ms"] = notice - seen["killed_at"]
        result["round_ms"] = took
        result["notice_to_first_ms"] = seen["first_moved_at"] - notice
        result["notice_to_last_ms"] = seen["all_moved_at"] - notice
        return result


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", default="bazel-bin")
    parser.add_argument("--work")
    parser.add_argument("--partitions", type=int, default=1000)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--broker-set", action="append", default=[])
    arguments = parser.parse_args()
    arguments.bin = os.path.abspath(arguments.bin)
    settings = ["broker.disconnect.timeout.ms=1000"]
    arguments.broker_set = settings + arguments.broker_set
    work = arguments.work or tempfile.mkdtemp(prefix="sillok-failover.",
                                              dir="/var/tmp")
    results = []
    try:
        for _ in range(arguments.reps):
            run = Run(arguments, work)
            try:
                results.append(run.measure())
            finally:
                run.cluster.stop()
            print(json.dumps({key: round(value, 1) for key, value
                              in results[-1].items()}), file=sys.stderr)
    finally:
        if arguments.work is None:
            shutil.rmtree(work, ignore_errors=True)
    print("| figure | median | all |")
    print("|---|---|---|")
    for key in results[0]:
        values = sorted(result[key] for result in results)
        print(f"| {key} | {statistics.median(values):.0f} | "
              f"{', '.join(f'{value:.0f}' for value in values)} |")


if __name__ == "__main__":
    main()
