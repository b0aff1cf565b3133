"""Rows about many connections and about those who do not read."""

import contextlib
import resource

from figures import Row, Skipped, Spread, p99_ms
from network import NEAR, RATE, thin_link
from relays import as_options, end, load_line, server_line

MEMBERS = 50
MAX_AGE_MS = 300
SPARE_DESCRIPTORS = 200


def idle(bench, relay, connections, settle):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY and limit < connections + SPARE_DESCRIPTORS:
        raise Skipped(f"needs ulimit -n {connections + SPARE_DESCRIPTORS}")
    # Once: what a run before has left in the process would hide what this one takes.
    return bench.load_once(relay, "idle", *idle_options(connections, settle), may_lose=False)


def idle_options(connections, settle):
    return as_options(connections=connections, connect_rate=5000, settle=settle, duration=settle)


def memory(bench):
    """Connections that do nothing, two in a room."""
    settle, connections = bench.plan.seconds, bench.plan.idle
    with bench.server() as server:
        runs = {relay.name: idle(bench, relay, connections, settle)
                for relay in [server, *bench.against]}
    each = {name: run["rss_bytes_per_connection_end"] for name, run in runs.items()}
    return [Row(f"user memory per idle WebSocket, {connections:,} in rooms of 2", "≤ 2,048 bytes",
                "; ".join([f"{each.pop('voicechan'):,.0f} bytes",
                           *(f"{name} {size:,.0f} bytes" for name, size in each.items())]),
                runs["voicechan"]["rss_bytes_per_connection_end"] <= 2048,
                [server_line(), load_line("idle", *idle_options(connections, settle))], runs)]


def many(bench):
    """One process, one worker."""
    settle, connections = bench.plan.seconds * 2, bench.plan.many
    with bench.server() as server:
        run = idle(bench, server, connections, settle)
    return [Row(f"{connections:,} connections on one process", "all held",
                f"{connections - run['closed']:,} held, {run['rss_kib_end'] / 1024:.0f} MiB, "
                f"connected in {run['connecting_s']:.1f} s", run["closed"] == 0,
                [server_line(), load_line("idle", *idle_options(connections, settle))], run)]


def stalled(bench):
    """Two servers at the same time, one of them with a listener who reads nothing, so that what
    disturbs one run disturbs both."""
    def options(slow):
        plain = as_options(members=MEMBERS, rate=50, warmup=bench.plan.warmup,
                           duration=bench.plan.stall_seconds)
        return plain + as_options(slow=1, slow_rate=0) if slow else plain

    rounds = []
    for _ in range(min(3, bench.plan.rounds)):
        with bench.server(name="calm") as calm, bench.server(name="stalled") as slow, \
                contextlib.ExitStack() as stack:
            loads = {}
            for relay in calm, slow:
                loads[relay.name] = bench.start_load(relay, "relay", *options(relay is slow))
                stack.callback(end, loads[relay.name])
            rounds.append({name: bench.finish_load(load, f"stalled, {name}")
                           for name, load in loads.items()})
    return [stalled_row(bench, rounds, options)]


def stalled_row(bench, rounds, options):
    change = Spread.of(p99_ms(one["stalled"]) / p99_ms(one["calm"]) * 100 - 100 for one in rounds)
    grown = Spread.of(one["stalled"]["server"]["rss_kib_difference"] for one in rounds)
    readers = [one["stalled"]["slow_reader"][0] for one in rounds]
    closed = sum(reader["closed"] for reader in readers)
    return Row(f"one of {MEMBERS} reads nothing for {bench.plan.stall_seconds} s, 1 speaker",
               "p99 of the others + < 5 %, memory + < 1 MiB, he is closed",
               f"p99 {change.text('+.1f', ' %')}, memory + {grown.median:.0f} KiB, closed in "
               f"{closed} of {len(rounds)} rounds",
               change.median < 5 and grown.high < 1024 and closed == len(rounds),
               [server_line(), load_line("relay", *options(True)),
                load_line("relay", *options(False))], rounds)


def throttled(bench):
    """A listener behind a thin link, a speaker beside the server."""
    seconds = bench.plan.throttle_seconds
    listen = as_options(warmup=1, duration=seconds)
    speak = as_options(frame_bytes=60, rate=50, warmup=0, duration=seconds + 5)
    runs = []
    with thin_link() as (near, far):
        for _ in range(min(3, bench.plan.rounds)):
            with bench.server(prefix=near, host=NEAR) as server, contextlib.ExitStack() as stack:
                speaker = bench.start_load(server, "relay", *speak, prefix=near)
                stack.callback(end, speaker)
                listener = bench.start_load(server, "listen", *listen, prefix=far)
                stack.callback(end, listener)
                runs.append(bench.finish_load(listener, "throttled, listener"))
    oldest = Spread.of(run["age_us"]["max"] / 1000 for run in runs)
    p50 = Spread.of(run["age_us"]["p50"] / 1000 for run in runs)
    disordered = sum(run["faults"]["reordered"] for run in runs)
    heard = Spread.of(run["received"] / run["seconds"] for run in runs)
    return [Row(f"a listener behind {RATE}/s, 1 speaker, 60 bytes at 50 frames/s",
                f"nothing older than {MAX_AGE_MS} ms, in order",
                f"oldest {oldest.text(',.0f', ' ms')}, p50 {p50.median:,.0f} ms, "
                f"{heard.median:.0f} frames/s heard, {disordered} out of order",
                oldest.high <= MAX_AGE_MS and heard.low > 0 and disordered == 0,
                [server_line() + "   # in one network namespace, see bench/reporting/network.py",
                 load_line("relay", *speak) + "   # there",
                 load_line("listen", *listen, "--max-age", MAX_AGE_MS) + "   # in the other"],
                runs)]
