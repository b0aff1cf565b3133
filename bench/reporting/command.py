"""The command line of bench/report."""

import argparse
import os
import signal
import subprocess
import sys
import time

import document
import limit_rows
import node_rows
import program_rows
import relay_rows
from figures import FULL, QUICK, CannotRun, Row, Skipped
from relays import INTERRUPTS, ROOT, Bench, end_all, parse_against

MEASUREMENTS = {
    "instructions": program_rows.instructions,
    "throughput": relay_rows.throughput,
    "cost": relay_rows.cost,
    "fanout": program_rows.fanout,
    "memory": limit_rows.memory,
    "creates": program_rows.creates,
    "growth": relay_rows.growth,
    "many": limit_rows.many,
    "stalled": limit_rows.stalled,
    "throttled": limit_rows.throttled,
    "workers": relay_rows.workers,
    "latency": relay_rows.latency,
    "nodes": node_rows.nodes,
}
LOST, MISSED, INTERRUPTED = 1, 2, 130


def names(text):
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in MEASUREMENTS]:
        raise argparse.ArgumentTypeError(
            f"no row {unknown[0]}; there are {', '.join(MEASUREMENTS)}")
    return chosen


def against(text):
    try:
        return parse_against(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="bench/report",
        description="Measures what the project promises, and writes report.md, report.json and "
        "plots. Exit status: 0 all ran, 1 something was lost or could not run, 2 a "
        "bar was missed and --strict given.")
    build = os.path.join(ROOT, "build")
    parser.add_argument("--out", metavar="DIR", help="default: report/ in the build folder")
    parser.add_argument("--build", metavar="DIR", default=build, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true",
                        help="less than a minute; shows that all runs, its figures say little")
    parser.add_argument("--only", metavar="NAME,…", type=names, default=list(MEASUREMENTS),
                        help="some of " + ", ".join(MEASUREMENTS))
    parser.add_argument("--against", metavar="NAME=ADDR:PORT,PID[,PATH]", type=against,
                        action="append", default=[],
                        help="another running relay to compare with; PATH as of voicechan-load")
    parser.add_argument("--strict", action="store_true", help="a missed bar is a failure")
    options = parser.parse_args(arguments)
    options.out = os.path.abspath(options.out or os.path.join(options.build, "report"))
    return options


def measure(bench, name):
    """The rows of a measurement; one that says why there is none if it could not be."""
    began = time.monotonic()
    print(f"== {name}", file=sys.stderr, flush=True)
    try:
        rows = MEASUREMENTS[name](bench)
    except Skipped as reason:
        rows = [Row(name, "", f"not measured: {reason}")]
    except (CannotRun, OSError, subprocess.SubprocessError) as error:
        bench.lost.append(f"{name}: {error}")
        rows = [Row(name, "", "could not run, see below")]
    for row in rows:
        print(f"   {row.what}: {row.measured} (bar {row.bar})", file=sys.stderr)
    print(f"   {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


def interrupt(*_):
    raise KeyboardInterrupt


def main(arguments):
    """Gives the exit status."""
    options = parse(arguments)
    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    try:
        return report(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except CannotRun as error:
        print(f"bench/report: {error}", file=sys.stderr)
        return LOST
    finally:
        end_all()


def report(options):
    os.makedirs(options.out, exist_ok=True)
    bench = Bench(options.build, options.out, QUICK if options.quick else FULL, options.against)
    machine = document.describe_machine(options.build)
    rows = {name: measure(bench, name) for name in MEASUREMENTS if name in options.only}
    machine["disturbed_runs"] = f"{sum(bench.disturbed)} of {len(bench.disturbed)}"
    document.write(options.out, machine, rows, bench.lost)
    print(os.path.join(options.out, "report.md"))
    for what in bench.lost:
        print(f"bench/report: {what}", file=sys.stderr)
    if bench.lost:
        return LOST
    is_missed = any(row.holds is False for group in rows.values() for row in group)
    return MISSED if options.strict and is_missed else 0
