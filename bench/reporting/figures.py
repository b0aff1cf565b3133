"""What a report is made of: rows, and figures of several rounds."""

import dataclasses
import statistics


class CannotRun(Exception):
    """A row that cannot be measured though it should be."""


class Skipped(Exception):
    """A row that this machine or this user cannot measure; no failure."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    attempts: int  # at a run, until others leave the machine to it
    seconds: float
    warmup: float
    settling: float  # instead, where a conversation is measured: longer than a listener is on trial
    speakers: tuple  # per room of 50, for the cost of a delivery
    rooms: tuple  # of 50 with one speaker each, for latency under load
    sizes: tuple  # connections, for growth
    idle: int  # connections, for memory
    many: int  # connections of one process
    stall_seconds: float
    create_seconds: float
    throttle_seconds: float


FULL = Plan(rounds=5, attempts=3, seconds=3, warmup=0.5, settling=2, speakers=(1, 2, 5, 10, 20),
            rooms=(10, 20, 40, 60, 80, 110, 140, 170, 200), sizes=(100, 1000, 10000), idle=10000,
            many=18000, stall_seconds=60, create_seconds=5, throttle_seconds=12)
QUICK = Plan(rounds=1, attempts=1, seconds=0.4, warmup=0.2, settling=0.2, speakers=(1, 20),
             rooms=(5, 10), sizes=(100, 500), idle=500, many=1000, stall_seconds=2,
             create_seconds=0.5, throttle_seconds=1.5)


@dataclasses.dataclass
class Row:
    """One line of the report's table."""

    what: str
    bar: str
    measured: str
    holds: bool | None = None  # None: there is no bar, or it cannot be judged here
    commands: list = dataclasses.field(default_factory=list)  # that measure it
    raw: object = None  # every figure behind it
    plot: object = None  # a plots.Plot


@dataclasses.dataclass(frozen=True)
class Spread:
    """The median of several rounds, and the lowest and the highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))

    def text(self, form, unit=""):
        """As `0.97 (0.95 … 1.02)`; `form` is a format specification."""
        return f"{self.median:{form}}{unit} ({self.low:{form}} … {self.high:{form}})"


def ratios(runs, others, figure):
    """The spread of the quotients round by round: what disturbed a round disturbed both."""
    return Spread.of(figure(run) / figure(other) for run, other in zip(runs, others))


def cpu_us(run):
    return run["server"]["cpu_us_per_delivery"]


def rate(run):
    return run["deliveries_per_s"]


def p50_ms(run):
    return run["latency_us"]["p50"] / 1000


def p99_ms(run):
    return run["latency_us"]["p99"] / 1000
