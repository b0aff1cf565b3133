"""The relays that are compared, and the load on them."""

import contextlib
import ctypes
import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time

from disturbance import Disturbance
from figures import CannotRun

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_started = []
_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
DISTURBED_PERCENT = 20  # of a core, by other processes


@dataclasses.dataclass(frozen=True)
class Relay:
    """One that runs and can be reached."""

    name: str
    address: str
    pid: int
    key: str = ""
    path: str = ""  # a template with {room}, if it is not that of voicechan-server
    database: str = ""


def cores():
    """One for the relays and one for the load generator, so that it does not hang on the scheduler
    how often the one interrupts the other; both all there are if there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return ({usable[0]}, {usable[-1]}) if len(usable) > 1 else (set(usable), set(usable))


@contextlib.contextmanager
def confined(pid, cpus):
    """Keeps all threads of a process on some cores meanwhile."""
    before = os.sched_getaffinity(pid)

    def confine(to):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), to)

    confine(cpus)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            confine(before)


def prepare_child():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)


def start(command, **options):
    """A process that does not outlive this one."""
    # An interrupt waits until the process is known, so that `end_all` finds it.
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, encoding="utf-8",
                                   preexec_fn=prepare_child, **options)
        _started.append(process)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    return process


def end_all():
    """Ends what an interrupt kept from being ended where it was started."""
    for process in _started:
        if process.poll() is None:
            end(process)


def end(process):
    """Asks it to stop, and makes it if it does not."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(command, timeout, **options):
    """The output of a command that must succeed."""
    process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        end(process)
    if process.returncode != 0:
        raise CannotRun(f"{os.path.basename(command[0])} failed with {process.returncode}: "
                        + err.strip()[-500:])
    return out


@contextlib.contextmanager
def listening(command, log, host="127.0.0.1"):
    """Starts what prints `listening on http://ADDR:PORT`; gives HOST:PORT and the process."""
    with open(log, "w", encoding="utf-8") as stderr:
        process = start(command, stdout=subprocess.PIPE, stderr=stderr)
    try:
        for line in process.stdout:
            if match := re.match(r"listening on http://.+:(\d+)$", line):
                yield f"{host}:{match[1]}", process
                return
        with open(log, encoding="utf-8") as text:
            raise CannotRun(f"{shlex.join(command)} did not start: {text.read()[-500:]}")
    finally:
        end(process)
        process.stdout.close()


class Bench:
    """What every measurement gets: the built programs, the plan, other relays to compare with; and
    where it says that something was lost."""

    def __init__(self, build, out, plan, against):
        self.build, self.out, self.plan, self.against = build, out, plan, against
        self.load_cpus = None  # any
        self.lost = []
        self.disturbed = []  # for each run, whether it was

    def program(self, path):
        return os.path.join(self.build, path)

    @contextlib.contextmanager
    def server(self, *options, name="voicechan", workers=1, threads=2, prefix=(), host="127.0.0.1"):
        """voicechan-server with a database and a user of its own. `prefix` is a command that runs
        it elsewhere."""
        binary = self.program("server/voicechan-server")
        with tempfile.TemporaryDirectory(prefix="server-", dir=self.out) as folder:
            database = os.path.join(folder, "voice.db")
            user = run([binary, "user", "add", "bench", "--db", database], 30)
            command = [*prefix, binary, "serve", "--listen", f"{host}:0", "--db", database,
                       *server_options(*options, workers=workers, threads=threads)]
            with listening(command, os.path.join(folder, "log"), host) as (address, process):
                yield Relay(name, address, process.pid, json.loads(user)["token"],
                            database=database)

    @contextlib.contextmanager
    def yardstick(self):
        with tempfile.TemporaryDirectory(prefix="yardstick-", dir=self.out) as folder:
            command = [self.program("bench/relay-yardstick"), "--listen", "127.0.0.1:0"]
            with listening(command, os.path.join(folder, "log")) as (address, process):
                yield Relay("yardstick", address, process.pid)

    @contextlib.contextmanager
    def contestants(self, *others):
        """The server, the yardstick, and what else was given, side by side on one core; load comes
        from another."""
        with self.server() as server, self.yardstick() as yardstick, \
                self.on_one_core([server, yardstick, *self.against, *others]) as relays:
            yield relays

    @contextlib.contextmanager
    def on_one_core(self, relays):
        relay_cpus, self.load_cpus = cores()
        try:
            with contextlib.ExitStack() as stack:
                for relay in relays:
                    stack.enter_context(confined(relay.pid, relay_cpus))
                yield relays
        finally:
            self.load_cpus = None

    @contextlib.contextmanager
    def crowd(self, relay, connections):
        """Has so many connections do nothing, two in a room, meanwhile."""
        process = self.start_load(relay, "idle", *as_options(
            connections=connections, connect_rate=5000, settle=0, duration=3600))
        try:
            deadline = time.monotonic() + 60
            while len(os.listdir(f"/proc/{relay.pid}/fd")) < connections:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise CannotRun(f"{relay.name} did not take {connections} connections")
                time.sleep(0.1)
            yield
        finally:
            end(process)

    def start_load(self, relay, mode, *options, prefix=()):
        """Begins what `finish_load` ends."""
        command = [*prefix, self.program("bench/load/voicechan-load"), mode,
                   "--connect", relay.address, "--json", *map(str, options)]
        for option, value in (("--pid", relay.pid), ("--key", relay.key), ("--path", relay.path)):
            if value:
                command += [option, str(value)]
        process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.load_cpus is not None:
            os.sched_setaffinity(process.pid, self.load_cpus)
        return process

    def finish_load(self, process, name, may_lose=False):
        """Its report. What it found wrong makes this program fail, too, unless `may_lose`."""
        out, err = process.communicate(timeout=600)
        if not out.startswith("{"):
            raise CannotRun(f"voicechan-load failed with {process.returncode}: {err[-500:]}")
        report = json.loads(out)
        if process.returncode == 1 and not may_lose:
            faults = report.get("faults", {"closed": report.get("closed")})
            found = ", ".join(f"{count} {what}" for what, count in faults.items() if count)
            self.lost.append(f"{name}: {found}")
        return report

    def load(self, relay, mode, *options, may_lose=False):
        """The report of a run."""
        return self.quiet(lambda: self.load_once(relay, mode, *options, may_lose=may_lose),
                          relay.pid)

    def quiet(self, run_once, known=None):
        """The report of the first run that others did not disturb much, or of the last one. Which
        one counts does not depend on what was measured; the report keeps those that do not. Others
        are who is neither a child of this process nor the process `known`."""
        discarded = []
        for attempt in range(1, self.plan.attempts + 1):
            disturbance = Disturbance(known)
            report = run_once()
            report["others_cpu_percent"] = round(disturbance.percent(), 1)
            is_disturbed = report["others_cpu_percent"] > DISTURBED_PERCENT
            if not is_disturbed or attempt == self.plan.attempts:
                break
            discarded.append(report)
        self.disturbed.append(is_disturbed)
        return report | {"discarded": discarded}

    def load_once(self, relay, mode, *options, may_lose):
        process = self.start_load(relay, mode, *options)
        try:
            name = f"{relay.name}, {mode} {shlex.join(map(str, options))}"
            return self.finish_load(process, name, may_lose)
        finally:
            end(process)

    def relay_options(self, **options):
        """Options of voicechan-load relay, with the plan's times."""
        options = {"warmup": self.plan.warmup, "duration": self.plan.seconds} | options
        return as_options(connect_rate=5000, **options)

    def interleaved(self, relays, *options):
        """The plan's rounds of `voicechan-load relay`, each with every relay in turn, forth and
        back: a list of reports by the relay's name."""
        runs = {relay.name: [] for relay in relays}
        for number in range(self.plan.rounds):
            for relay in relays if number % 2 == 0 else reversed(relays):
                runs[relay.name].append(self.load(relay, "relay", *options))
        return runs


def server_options(*options, workers=1, threads=2):
    return ["--workers", str(workers), "--blocking-threads", str(threads), "--log-level", "warn",
            *options]


def as_options(**values):
    """`--frame-bytes 160` for `frame_bytes=160`; nothing for None."""
    return [text for name, value in values.items() if value is not None
            for text in ("--" + name.replace("_", "-"), f"{value:g}")]


def server_line(*options, **shape):
    return shlex.join(["voicechan-server", "serve", "--listen", "127.0.0.1:8000",
                       *server_options(*options, **shape)])


YARDSTICK_LINE = "relay-yardstick --listen 127.0.0.1:8001"


def load_line(mode, *options):
    """What one types to load the relay that listens on ADDR:PORT."""
    return (f"voicechan-load {mode} --connect ADDR:PORT --key KEY --pid PID "
            + shlex.join(map(str, options)))


def parse_against(text):
    """A relay from NAME=ADDR:PORT,PID[,PATH]."""
    match = re.fullmatch(r"([^=,]+)=([^=,]+:\d+),(\d+)(?:,(/.*))?", text)
    if not match:
        raise ValueError(f"{text!r} is not NAME=ADDR:PORT,PID[,PATH]")
    return Relay(match[1], match[2], int(match[3]), path=match[4] or "")
