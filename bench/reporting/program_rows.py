"""Rows that other programs measure: callgrind, Google Benchmark, wrk."""

import contextlib
import json
import os
import shutil
import sqlite3

from figures import CannotRun, Row, Spread
from relays import HERE, ROOT, run, server_line

CLIENTS = 64
CHANNELS = "/api/voice_channels/voice_channels/"


def instructions(bench):
    """The whole server under callgrind."""
    what = "user-space instructions per delivery, room of 50, 1 speaker, 160 bytes"
    if not shutil.which("valgrind"):
        raise CannotRun("needs valgrind")
    counts = json.loads(run([os.path.join(ROOT, "bench", "instructions"), "--json",
                             bench.program("server/voicechan-server")], 300))
    one = counts["room of 50, 1 speaker"]
    return [Row(what, "≤ 400", f"{one:.0f}", one <= 400, ["bench/instructions"], counts)]


def fanout(bench):
    """The core alone."""
    command = ["--benchmark_filter=/(1|1000)$", "--benchmark_format=json",
               f"--benchmark_repetitions={bench.plan.rounds}",
               f"--benchmark_min_time={bench.plan.seconds / 10:g}"]
    report = json.loads(run([bench.program("bench/fanout_bench"), *command], 300))
    rounds = [one for one in report["benchmarks"] if one["run_type"] == "iteration"]
    to_one, to_many = ([one for one in rounds if one["run_name"] == f"BM_FanOut/{receivers}"]
                       for receivers in (1, 1000))
    ns = Spread.of(one["per_receiver"] * 1e9 for one in to_many)
    allocations = (to_many[0]["allocations"] - to_one[0]["allocations"]) / 999
    return [Row("core fan-out of one frame to 1,000 counting transports",
                "≤ 5 ns per receiver, no allocation",
                f"{ns.text('.1f', ' ns')}, {allocations:.0f} allocations per receiver",
                ns.median <= 5 and round(allocations, 2) == 0,
                ["fanout_bench --benchmark_filter=/1000$"], rounds)]


# One user creates more than one may by default.
MANY_CHANNELS = ("--max-channels-per-user", "1000000000")


def creates(bench):
    """Durable creates, counted in the database after the server was killed."""
    if not shutil.which("wrk"):
        raise CannotRun("needs wrk")
    wrk = ["wrk", "--threads", "1", "--connections", str(CLIENTS),
           "--duration", f"{max(1, round(bench.plan.create_seconds))}s", "--script",
           os.path.join(HERE, "create.lua")]
    rounds = []
    with bench.server(*MANY_CHANNELS, threads=64) as server:
        for _ in range(bench.plan.rounds):
            out = run([*wrk, f"http://{server.address}{CHANNELS}"], 120,
                      env={**os.environ, "VOICECHAN_KEY": server.key})
            rounds.append(json.loads(out.splitlines()[-1]))
        os.kill(server.pid, 9)
        with contextlib.closing(sqlite3.connect(server.database)) as database:
            stored, = database.execute("SELECT count(*) FROM channels").fetchone()
    answered = sum(one["requests"] - one["failed"] for one in rounds)
    if stored < answered:
        bench.lost.append(f"creates: {answered - stored} of {answered} answered ones")
    if failed := sum(one["failed"] for one in rounds):
        bench.lost.append(f"creates: {failed} requests failed")
    per_second = Spread.of(one["requests"] / one["seconds"] for one in rounds)
    p99 = Spread.of(one["p99_us"] / 1000 for one in rounds)
    return [Row(f"durable creates over HTTP, {CLIENTS} keep-alive clients", "≥ 10,000/s",
                f"{per_second.text(',.0f', '/s')}, p99 {p99.median:.1f} ms; all there after SIGKILL"
                if stored >= answered else f"{answered - stored} lost",
                per_second.median >= 10000 and stored >= answered,
                [server_line(*MANY_CHANNELS, threads=64),
                 f"VOICECHAN_KEY=KEY wrk --threads 1 --connections {CLIENTS} --duration 5s "
                 f"--script bench/reporting/create.lua http://ADDR:PORT{CHANNELS}"],
                {"rounds": rounds, "answered": answered, "stored": stored})]
