"""The clusters that are measured: Sillok's and Apache Kafka's, as processes.

Both listen on loopback on ports that were free, keep everything below one
folder, and are ended by the process ids they were started with.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import time


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def await_port(port, process, log, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"a server ended while starting; see {log}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}; see {log}")


def resident_mib(pids):
    pages = 0
    for pid in pids:
        with open(f"/proc/{pid}/statm") as statm:
            pages += int(statm.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Sillok:
    """A cluster of `sillok dev`: as many coordinators as brokers."""

    name = "sillok"

    def __init__(self, folder, brokers, bazel_bin, broker_sets):
        self.folder = os.path.join(folder, f"sillok-{brokers}")
        self.command = os.path.join(bazel_bin, "tools/sillok")
        shutil.rmtree(self.folder, ignore_errors=True)
        command = [self.command, "dev", "up", "--json", "--dir", self.folder,
                   "--base-port", "0", "--brokers", str(brokers),
                   "--coordinators", str(brokers)]
        for setting in broker_sets:
            command += ["--broker-set", setting]
        done = subprocess.run(command, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SystemExit(f"Sillok did not start: {done.stderr}")
        status = json.loads(done.stdout)
        self.pids = [broker["pid"] for broker in status["brokers"]]
        self.other_pids = [one["pid"] for one in status["coordinators"]]
        self.logs = [broker["log"] for broker in status["brokers"]]
        addresses = [broker.get("kafka") for broker in status["brokers"]]
        if None in addresses:
            self.stop()
            raise SystemExit("these Sillok brokers have no Kafka listener")
        self.bootstrap = ",".join(addresses)

    def stop(self):
        subprocess.run([self.command, "dev", "down", "--remove", "--dir",
                        self.folder], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Kafka:
    """ZooKeeper and N brokers with the settings and flags of the release."""

    name = "kafka"
    HEAP = "1g"  # upstream's own
    FLAGS = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
             "-XX:InitiatingHeapOccupancyPercent=35",
             "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
    LOGGING = ("log4j.rootLogger=WARN, out\n"
               "log4j.appender.out=org.apache.log4j.ConsoleAppender\n"
               "log4j.appender.out.layout=org.apache.log4j.SimpleLayout\n")

    def __init__(self, folder, brokers, jars):
        self.folder = os.path.join(folder, f"kafka-{brokers}")
        self.jars = jars
        self.started = []
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self._write("log4j.properties", self.LOGGING)
        zookeeper, *ports = free_ports(1 + brokers)
        self._write("zookeeper.properties",
                    f"dataDir={self.folder}/zookeeper\n"
                    f"clientPort={zookeeper}\nclientPortAddress=127.0.0.1\n"
                    "maxClientCnxns=0\nadmin.enableServer=false\n")
        try:
            process, log = self._java(
                "zookeeper", "512m",
                "org.apache.zookeeper.server.quorum.QuorumPeerMain")
            await_port(zookeeper, process, log)
            waiting = []
            for number, port in enumerate(ports, 1):
                self._write(f"broker-{number}.properties",
                            self._settings(number, port, zookeeper, brokers))
                waiting.append((port, *self._java(
                    f"broker-{number}", self.HEAP, "kafka.Kafka")))
            for port, process, log in waiting:
                await_port(port, process, log)
        except BaseException:
            self.stop()
            raise
        self.pids = [process.pid for process in self.started[1:]]
        self.other_pids = [self.started[0].pid]
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in ports)

    def _settings(self, number, port, zookeeper, brokers):
        replicas = min(brokers, 3)
        return "\n".join([
            f"broker.id={number}",
            f"listeners=PLAINTEXT://127.0.0.1:{port}",
            f"zookeeper.connect=127.0.0.1:{zookeeper}",
            f"log.dirs={self.folder}/data-{number}",
            f"offsets.topic.replication.factor={replicas}",
            "group.initial.rebalance.delay.ms=0",
            # As upstream's config/server.properties sets them.
            "num.network.threads=3", "num.io.threads=8",
            "socket.send.buffer.bytes=102400",
            "socket.receive.buffer.bytes=102400",
            "socket.request.max.bytes=104857600", ""])

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def _java(self, name, heap, main):
        log = os.path.join(self.folder, f"{name}.log")
        with open(log, "w") as out:
            process = subprocess.Popen(
                ["java", f"-Xms{heap}", f"-Xmx{heap}", *self.FLAGS, "-cp",
                 f"{self.folder}:{self.jars}/*", main,
                 os.path.join(self.folder, f"{name}.properties")],
                stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT)
        self.started.append(process)
        return process, log

    def stop(self):
        # Brokers before ZooKeeper, or they wait for it.
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
