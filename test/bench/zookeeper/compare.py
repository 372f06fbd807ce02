#!/usr/bin/env python3
"""Runs every load against both ensembles in turn and prints the comparison.

Started by test/bench/zookeeper.sh; its --help says what the options mean.
"""
import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

MEMBERS = 3
# Key, sessions, outstanding of each.
SHAPES = [("1x1", 1, 1), ("1x16", 1, 16), ("1x256", 1, 256),
          ("16x16", 16, 16)]
# How many operations take a few seconds with each shape.
OPERATIONS = {
    ("create", "1x1"): 6000, ("create", "1x16"): 30_000,
    ("create", "1x256"): 60_000, ("create", "16x16"): 100_000,
    ("get", "1x1"): 30_000, ("get", "1x16"): 150_000,
    ("get", "1x256"): 200_000, ("get", "16x16"): 400_000,
}
# (operation, shape): operations a second over ZooKeeper's, at least.
TARGETS = {
    ("create", "1x1"): 2.0, ("set", "1x1"): 2.0,
    ("create", "1x16"): 3.0, ("set", "1x16"): 3.0,
    ("create", "1x256"): 4.0, ("set", "1x256"): 4.0,
    ("create", "16x16"): 2.5, ("set", "16x16"): 2.5,
    ("get", "1x1"): 3.0, ("get", "1x16"): 5.0, ("get", "1x256"): 7.0,
    ("get", "16x16"): 3.0,
}
JAVA_CLASSES = ("/usr/share/java/zookeeper.jar:"
                "/usr/share/java/slf4j-simple.jar")


def say(text):
    print(text, file=sys.stderr, flush=True)


def operations_of(kind, shape):
    return OPERATIONS[("get" if kind == "get" else "create", shape)]


PORTS = iter(range(20_000 + os.getpid() % 5_000, 32_000))


def free_ports(count):
    """Others each time. Below the range from which the kernel chooses, so a
    member that was killed finds its port free."""
    sockets, ports = [], []
    while len(ports) < count:
        port = next(PORTS)
        one = socket.socket()
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            one.close()
            continue
        sockets.append(one)
        ports.append(port)
    for one in sockets:
        one.close()
    return ports


class Ensemble:
    """Three servers on loopback with everything below one folder. What they
    are is said by `command`."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        self.processes = {}
        self.client_ports = free_ports(MEMBERS)

    def start(self, member):
        with open(os.path.join(self.folder, f"{member}.log"), "ab") as log:
            self.processes[member] = subprocess.Popen(
                self.command(member), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)

    def start_all(self):
        for member in range(1, MEMBERS + 1):
            self.start(member)
        self.await_serving()

    def mode(self, member):
        try:
            with socket.create_connection(
                    ("127.0.0.1", self.client_ports[member - 1]), 2) as one:
                one.sendall(b"srvr")
                text = b""
                while chunk := one.recv(4096):
                    text += chunk
        except OSError:
            return ""
        for line in text.decode().splitlines():
            if line.startswith("Mode: "):
                return line[6:]
        return ""

    def await_serving(self, seconds=60, step=0.05):
        """Until all serve under one leader; its number."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            modes = {m: self.mode(m) for m in self.processes}
            if all(modes.values()) and "leader" in modes.values():
                return next(m for m in modes if modes[m] == "leader")
            time.sleep(step)
        raise SystemExit(f"{self.name} does not serve; see {self.folder}")

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = {}

    def servers(self, first=None):
        """Addresses; those of member `first` first."""
        ports = list(self.client_ports)
        if first:
            ports = ports[first - 1:] + ports[:first - 1]
        return ",".join(f"127.0.0.1:{port}" for port in ports)

    def pids(self):
        return [process.pid for process in self.processes.values()]

    def start_seconds(self):
        """From the start of all that are stopped until all serve."""
        began = time.monotonic()
        for member in range(1, MEMBERS + 1):
            self.start(member)
        self.await_serving(step=0.005)
        return time.monotonic() - began

    def written_mb(self):
        """What a member has given to the disk since it was started."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/io") as io:
                for line in io:
                    if line.startswith("write_bytes:"):
                        total += int(line.split()[1])
        return total / 1e6 / len(self.pids())

    def resident_mib(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/statm") as statm:
                total += int(statm.read().split()[1])
        return total * os.sysconf("SC_PAGE_SIZE") / 2**20 / len(self.pids())


class Sillok(Ensemble):
    def __init__(self, folder, binary, settings):
        super().__init__("sillok", folder)
        self.binary = binary
        self.settings = settings
        self.other_ports = free_ports(2 * MEMBERS)

    def command(self, member):
        settings = [f"myid={member}", f"dataDir={self.folder}/{member}",
                    "grpc.listen=127.0.0.1:%d" % self.other_ports[member - 1],
                    "admin.listen=127.0.0.1:0", "maxClientCnxns=0",
                    "clientPortAddress=127.0.0.1",
                    "clientPort=%d" % self.client_ports[member - 1]]
        settings += ["server.%d=127.0.0.1:%d;%d" % (
            m, self.other_ports[MEMBERS + m - 1], self.other_ports[m - 1])
                     for m in range(1, MEMBERS + 1)]
        command = [self.binary]
        for setting in settings + self.settings:
            command += ["--set", setting]
        return command


class ZooKeeper(Ensemble):
    HEAP = "1000m"  # upstream's own default

    def __init__(self, folder):
        super().__init__("zookeeper", folder)
        self.other_ports = free_ports(2 * MEMBERS)

    def command(self, member):
        data = os.path.join(self.folder, str(member))
        os.makedirs(data, exist_ok=True)
        with open(os.path.join(data, "myid"), "w") as file:
            file.write(f"{member}\n")
        config = os.path.join(self.folder, f"{member}.cfg")
        with open(config, "w") as file:
            file.write(
                f"tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={data}\n"
                "clientPortAddress=127.0.0.1\n"
                f"clientPort={self.client_ports[member - 1]}\n"
                "maxClientCnxns=0\nadmin.enableServer=false\n" + "".join(
                    "server.%d=127.0.0.1:%d:%d\n" % (
                        m, self.other_ports[m - 1],
                        self.other_ports[MEMBERS + m - 1])
                    for m in range(1, MEMBERS + 1)))
        return ["java", f"-Xmx{self.HEAP}",
                "-Dzookeeper.jmx.log4j.disable=true",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                JAVA_CLASSES,
                "org.apache.zookeeper.server.quorum.QuorumPeerMain", config]


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.tool = os.path.join(arguments.bin, "tools/sillok")
        self.rows, self.failover, self.memory = [], [], {}
        self.runs = 0

    def run(self):
        peers = []
        if self.arguments.only != "zookeeper":
            peers.append(Sillok(self.arguments.work, os.path.join(
                self.arguments.bin, "coordinator/sillok-coordinator"),
                self.arguments.set))
        if self.arguments.only != "sillok":
            peers.append(ZooKeeper(self.arguments.work))
        try:
            for peer in peers:
                peer.start_all()
            time.sleep(2)
            for peer in peers:
                self.memory[peer.name, "idle"] = peer.resident_mib()
            if not self.arguments.cold:
                say("warming up")
                for peer in peers:
                    for kind in ("create", "set", "get"):
                        self.load(peer, kind, ("warm", 4, 64), None)
            for repetition in range(self.arguments.reps):
                for shape in self.arguments.shapes:
                    for kind in self.arguments.kinds:
                        # In turn, so that both see the same minutes.
                        for peer in peers:
                            self.load(peer, kind, shape, repetition)
            for repetition in range(self.arguments.failovers):
                for peer in peers:
                    self.fail_over(peer, repetition)
            for peer in peers:
                self.fill(peer)
        finally:
            for peer in peers:
                peer.stop()
        return {"rows": self.rows, "failover": self.failover,
                "memory": {" ".join(map(str, key)): value
                           for key, value in self.memory.items()}}

    def bench(self, *words):
        command = [self.tool, "--json", "bench", "coord", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def load(self, peer, kind, shape, repetition):
        key, sessions, outstanding = shape
        operations = (operations_of(kind, "16x16") if key == "warm" else
                      operations_of(kind, key))
        operations = max(int(operations * self.arguments.scale), 500)
        # Creates make the nodes that sets and gets of this repetition use.
        prefix = f"/{key}-{repetition}"
        keys = max(int(operations_of("create", "16x16" if key == "warm" else
                                     key) * self.arguments.scale), 500)
        # One session talks to a follower, as most sessions do.
        follower = next(m for m in range(1, MEMBERS + 1)
                        if peer.mode(m) == "follower")
        before = idle_seconds(), time.monotonic()
        row = self.bench(kind, "--servers", peer.servers(follower),
                         "--sessions", sessions, "--outstanding", outstanding,
                         "-n", operations, "--keys", keys, "--prefix", prefix,
                         "--server-pid", ",".join(map(str, peer.pids())))
        row.update(peer=peer.name, kind=kind, shape=key,
                   idle_share=(idle_seconds() - before[0]) /
                   (time.monotonic() - before[1]) / os.cpu_count())
        say(f"{'warm' if repetition is None else '    '} {peer.name:10} "
            f"{kind:6} {key:6} {row['operations_per_second']:10,.0f}/s  "
            f"p50 {row['latency_ms']['p50']:.3f} ms  "
            f"p99 {row['latency_ms']['p99']:.3f} ms  "
            f"{row['server_cpu_us_per_operation']:.1f} us of servers")
        if repetition is not None:
            self.rows.append(row)

    def fail_over(self, peer, repetition):
        leader = peer.await_serving()
        follower = leader % MEMBERS + 1
        row = self.bench("failover", "--servers", peer.servers(follower),
                         "--kill-pid", peer.processes[leader].pid)
        peer.processes[leader].wait()
        peer.start(leader)
        row["peer"] = peer.name
        self.failover.append(row)
        say(f"     {peer.name:10} failover {row['ms']:.0f} ms")
        peer.await_serving()

    def fill(self, peer):
        nodes = self.arguments.znodes
        if not nodes:
            return
        time.sleep(1)
        before, written = peer.resident_mib(), peer.written_mb()
        row = self.bench("create", "--servers", peer.servers(), "--sessions", 4,
                         "--outstanding", 64, "-n", nodes, "--prefix", "/many",
                         "--values", self.arguments.values)
        time.sleep(2)
        after = peer.resident_mib()
        self.memory[peer.name, "written"] = peer.written_mb() - written
        peer.stop()
        self.memory[peer.name, "start"] = peer.start_seconds()
        self.memory[peer.name, "full"] = after
        self.memory[peer.name, "per znode"] = (after - before) * 2**20 / nodes
        say(f"     {peer.name:10} {nodes} znodes: {before:.0f} -> {after:.0f} "
            f"MiB, {row['operations_per_second']:,.0f}/s, "
            f"{self.memory[peer.name, 'written']:,.0f} MB written, started "
            f"again in {self.memory[peer.name, 'start']:.2f} s")


def idle_seconds():
    with open("/proc/stat") as stat:
        fields = stat.readline().split()
    return int(fields[4]) / os.sysconf("SC_CLK_TCK")


def median_of(rows, peer, kind, shape, value):
    values = [value(r) for r in rows
              if (r["peer"], r["kind"], r["shape"]) == (peer, kind, shape)]
    return statistics.median(values) if values else None


def number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if ours is not None and theirs else "-"


def print_report(result, arguments):
    print(f"{MEMBERS} members each on one machine of {os.cpu_count()} cores, "
          f"100 B values, medians of {arguments.reps}. Shape: sessions x "
          "outstanding of each. A ratio is Sillok / ZooKeeper.\n")
    print("| load | figure | Sillok | ZooKeeper | ratio | target | met |")
    print("|---|---|---|---|---|---|---|")
    figures = [("operations/s", lambda r: r["operations_per_second"], 0),
               ("p50 ms", lambda r: r["latency_ms"]["p50"], 3),
               ("p99 ms", lambda r: r["latency_ms"]["p99"], 3),
               ("server us/operation",
                lambda r: r["server_cpu_us_per_operation"], 1)]
    for kind in arguments.kinds:
        for key, *_ in arguments.shapes:
            title = f"{kind} {key}"
            for name, value, digits in figures:
                ours, theirs = (median_of(result["rows"], peer, kind, key,
                                          value)
                                for peer in ("sillok", "zookeeper"))
                target = met = ""
                if name == "operations/s":
                    least = TARGETS[(kind, key)]
                    target = f">= {least}"
                    if ours and theirs:
                        met = "yes" if ours / theirs >= least else "no"
                print(f"| {title} | {name} | {number(ours, digits)} | "
                      f"{number(theirs, digits)} | {ratio(ours, theirs)} | "
                      f"{target} | {met} |")
                title = ""
    print_single("kill -9 of the leader to the next acknowledged write",
                 "median ms", *(fail_over_of(result, peer, statistics.median)
                                for peer in ("sillok", "zookeeper")),
                 1, "<= 0.33")
    print_single("", "worst ms", *(fail_over_of(result, peer, max)
                                   for peer in ("sillok", "zookeeper")), 1, "")
    for when, target in (("idle", "<= 0.33"), ("full", ""),
                         ("per znode", "<= 0.33")):
        title = {"idle": "memory of a member", "full": "",
                 "per znode": ""}[when]
        name = {"idle": "MiB after start",
                "full": f"MiB with {arguments.znodes:,} more znodes",
                "per znode": "bytes for each of these"}[when]
        print_single(title, name, *(result["memory"].get(f"{peer} {when}")
                                    for peer in ("sillok", "zookeeper")),
                     0, target)
    for when, title, target, digits in (
            ("written", "disk of a member: MB written for these", "<= 0.25", 0),
            ("start", "start with them: seconds until all serve", "<= 0.33",
             2)):
        print_single(*title.split(": "),
                     *(result["memory"].get(f"{peer} {when}")
                       for peer in ("sillok", "zookeeper")), digits, target)


def fail_over_of(result, peer, choose):
    values = [r["ms"] for r in result["failover"] if r["peer"] == peer]
    return choose(values) if values else None


def print_single(title, name, ours, theirs, digits, target):
    met = ""
    if target and ours is not None and theirs:
        met = "yes" if ours / theirs <= float(target.split()[1]) else "no"
    print(f"| {title} | {name} | {number(ours, digits)} | "
          f"{number(theirs, digits)} | {ratio(ours, theirs)} | {target} | "
          f"{met} |")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--only", choices=["sillok", "zookeeper"])
    parser.add_argument("--shapes", default="1x1,1x16,1x256,16x16",
                        type=lambda t: [s for s in SHAPES
                                        if s[0] in t.split(",")])
    parser.add_argument("--kinds", default="create,set,get",
                        type=lambda t: t.split(","))
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--failovers", type=int, default=5)
    parser.add_argument("--znodes", type=int, default=200_000)
    parser.add_argument("--values", default="text",
                        choices=["same", "text", "random"])
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--json", default="")
    return parser.parse_args()


def main():
    arguments = parse()
    result = Bench(arguments).run()
    print_report(result, arguments)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
