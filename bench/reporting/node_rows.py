"""Rows about several servers that a bus makes one system, against one server alone."""

import contextlib
import json
import os
import shlex
import shutil
import socket
import tempfile
import time

from figures import CannotRun, Row, Skipped, Spread, p50_ms, p99_ms
from relays import Relay, end, listening, load_line, run, server_options, start

ROOMS, MEMBERS, RATE = 20, 12, 50  # so many speak in all: one in each room
NODES = (1, 2, 3)
WINDOW = 8  # frames of each speaker in flight, when it goes as fast as can be
MARGIN = 0.3  # seconds before and after what is measured
REPLY_BYTES = 4  # of a PUBLISH: ":2\r\n"
BUS = ("--save", "", "--appendonly", "no")
STORE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")


class Redis:
    """A redis-server on a port of its own."""

    def __init__(self, process, port):
        self.pid, self.port, self.url = process.pid, port, f"redis://127.0.0.1:{port}"

    def ask(self, command):
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(command.encode() + b"\r\nQUIT\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def counts(self):
        """Messages published so far, and bytes that came and went."""
        fields = dict(line.split(":", 1) for line in self.ask("INFO stats").splitlines()
                      if ":" in line)
        publish = self.ask("INFO commandstats").partition("cmdstat_publish:calls=")[2]
        return {"publishes": int(publish.partition(",")[0] or 0),
                "in": int(fields["total_net_input_bytes"]),
                "out": int(fields["total_net_output_bytes"])}


@contextlib.contextmanager
def redis_server(folder, name, *options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = os.path.join(folder, name)
    os.mkdir(where)
    with open(os.path.join(where, "log"), "w", encoding="utf-8") as log:
        process = start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", where,
                         *options], stdout=log, stderr=log)
    try:
        redis, deadline = Redis(process, port), time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                if redis.ask("PING").startswith("+PONG"):
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotRun("redis-server did not start")
            time.sleep(0.02)
        yield redis
    finally:
        end(process)


@contextlib.contextmanager
def system(bench, count):
    """So many servers on one store and one bus; gives them and the bus. One is alone: it has none."""
    binary = bench.program("server/voicechan-server")
    with tempfile.TemporaryDirectory(prefix="nodes-", dir=bench.out) as folder, \
            contextlib.ExitStack() as stack:
        store = stack.enter_context(redis_server(folder, "store", *STORE))
        bus = stack.enter_context(redis_server(folder, "bus", *BUS))
        options = ["--redis-store", store.url]
        user = run([binary, "user", "add", "bench", *options], 30)
        if count > 1:
            options += ["--redis-bus", bus.url]
        nodes = []
        for number in range(count):
            command = [binary, "serve", "--listen", "127.0.0.1:0", *server_options(*options)]
            log = os.path.join(folder, f"log{number}")
            address, process = stack.enter_context(listening(command, log))
            nodes.append(Relay(f"node {number}", address, process.pid, json.loads(user)["token"]))
        yield nodes, bus


def cpu_us(pids):
    """CPU time of all threads of these, which do not end meanwhile."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1000


def await_connections(process, count):
    """Until a load generator has begun to connect its last member."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:  # its report tells what is wrong
        if len(os.listdir(f"/proc/{process.pid}/fd")) > count:
            return
        time.sleep(0.02)


def measured(bench, nodes, bus, members, prefix="load-", **pace):
    return bench.quiet(lambda: measured_once(bench, nodes, bus, members, prefix, **pace))


def measured_once(bench, nodes, bus, members, prefix, **pace):
    """A report of the load generator, whose members take turns on the nodes; and what the nodes and
    the bus did meanwhile, while nobody came or went."""
    pids = [node.pid for node in nodes]
    more = [word for node in nodes[1:] for word in ("--connect", node.address)]
    seconds = bench.plan.seconds
    options = in_rooms(bench, members, duration=seconds + 2 * MARGIN, **pace)
    process = bench.start_load(nodes[0], "relay", *more, *options, "--room-prefix", prefix)
    try:
        await_connections(process, ROOMS * members)
        time.sleep(bench.plan.warmup + MARGIN)
        counts, began = bus.counts(), time.monotonic()
        node_us, bus_us = cpu_us(pids), cpu_us([bus.pid])
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        node_us, bus_us = cpu_us(pids) - node_us, cpu_us([bus.pid]) - bus_us
        grown = {name: count - counts[name] for name, count in bus.counts().items()}
        report = bench.finish_load(process, f"{len(nodes)} nodes, {shlex.join(options)}")
    finally:
        end(process)
    frames = report["frames_in_per_s"] * elapsed
    # A PUBLISH and the message that it becomes are of one length.
    copies = (grown["out"] - REPLY_BYTES * grown["publishes"]) / max(1, grown["in"])
    report["per_frame"] = {"publishes": grown["publishes"] / frames,
                           "copies": copies * grown["publishes"] / frames,
                           "node_us": node_us / frames, "bus_us": bus_us / frames}
    return report


def in_rooms(bench, members, **options):
    return bench.relay_options(rooms=ROOMS, members=members, **({"rate": RATE} | options))


def nodes(bench):
    """One, two and three servers on this machine, with the same clients."""
    if not shutil.which("redis-server"):
        raise Skipped("needs redis-server")
    runs = {}
    for count in NODES:
        with system(bench, count) as (servers, bus):
            def rounds(members, bench=bench, servers=servers, bus=bus, **pace):
                return [measured(bench, servers, bus, members, **pace)
                        for _ in range(bench.plan.rounds)]

            # Of two or three members nobody has a neighbour: what crosses is all that is heard.
            runs[count] = {"latency": rounds(max(2, count)), "cost": rounds(MEMBERS)}
            if count > 1:
                runs[count]["full"] = rounds(count, rate=None, window=WINDOW)
                # Other rooms, of which the first server has all members.
                runs[count]["kept"] = [measured(bench, servers[:1], bus, MEMBERS, "kept-")]
    return [row(bench, runs, count) for row in (latency_row, cost_row, full_row)
            for count in NODES[1:]]


def commands(bench, count, members, **pace):
    line = load_line("relay", *in_rooms(bench, members, **pace)).replace(" --pid PID", "")
    serve = ["voicechan-server", "serve", "--listen", "127.0.0.1:800N",
             *server_options("--redis-store", "redis://127.0.0.1:6379",
                             "--redis-bus", "redis://127.0.0.1:6380")]
    return [f"{shlex.join(serve)}  # N from 1 to {count}",
            line.replace("ADDR:PORT", " --connect ".join(
                f"127.0.0.1:800{number}" for number in range(1, count + 1)))]


def load_of(*runs):
    """What others did on the machine meanwhile."""
    return ("; others on the machine took "
            + Spread.of(one["others_cpu_percent"] for each in runs for one in each).text(".0f", " %")
            + " of a core")


def latency_row(bench, runs, count):
    alone, apart = runs[1]["latency"], runs[count]["latency"]
    added = {name: Spread.of(figure(far) - figure(near) for far, near in zip(apart, alone))
             for name, figure in (("p50", p50_ms), ("p99", p99_ms))}
    return Row(f"latency that the bus adds between {count} nodes, {ROOMS} speakers",
               "p50 ≤ 0.5 ms, p99 ≤ 5 ms",
               "; ".join(f"{name} {each.text('.2f', ' ms')}" for name, each in added.items())
               + load_of(alone, apart),
               added["p50"].median <= 0.5 and added["p99"].median <= 5,
               commands(bench, count, max(2, count)), apart)


def cost_row(bench, runs, count):
    """What one frame costs beyond what it costs with all members on one server."""
    alone, apart, kept = (runs[1]["cost"], runs[count]["cost"], runs[count]["kept"])

    def each(name):
        return Spread.of(one["per_frame"][name] for one in apart)
    extra = Spread.of(far["per_frame"]["node_us"] - near["per_frame"]["node_us"]
                      for far, near in zip(apart, alone))
    # Servers say now and then that they are there, and who is.
    idle = max(one["per_frame"]["publishes"] for one in kept)
    publishes = each("publishes")
    copies = Spread.of(one["per_frame"]["copies"] / one["per_frame"]["publishes"] for one in apart)
    return Row(f"a frame of a room on {count} nodes, {MEMBERS // count} members each",
               f"1 publish (with all housekeeping 1.05) of {count} copies; none while no other "
               "node has members",
               f"{publishes.text('.2f')} publishes of {copies.text('.2f')} copies; {idle:.3f} "
               f"publishes in rooms of one node; CPU: redis-server {each('bus_us').text('.1f', ' µs')}"
               f", all nodes {extra.text('+.1f', ' µs')} to {each('node_us').median:.1f} µs{load_of(alone, apart)}",
               publishes.median <= 1.05 and round(copies.median, 1) == count and idle < 0.05,
               commands(bench, count, MEMBERS), {"one node": alone, "apart": apart, "kept": kept})


def full_row(bench, runs, count):
    """As fast as can be, on however many cores there are for all."""
    full = runs[count]["full"]
    rate = Spread.of(one["frames_in_per_s"] for one in full)
    bus, node = (Spread.of(one["per_frame"][name] / one["per_frame"]["publishes"] for one in full)
                 for name in ("bus_us", "node_us"))
    return Row(f"as fast as can be over {count} nodes, {ROOMS} speakers, a listener on each", "none",
               f"{rate.median:,.0f} frames/s; CPU per publish: redis-server {bus.text('.1f', ' µs')}, "
               f"all nodes {node.text('.1f', ' µs')}{load_of(full)}", None,
               commands(bench, count, count, rate=None, window=WINDOW), full)
