"""The report as files."""

import dataclasses
import functools
import json
import os
import platform
import re
import subprocess

from plots import draw
from relays import ROOT


def first_line(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              encoding="utf-8", timeout=10)
    except OSError:
        return "unknown"
    return next(iter(done.stdout.splitlines()), "unknown")


def cached(build, name):
    """A variable of CMake's cache."""
    try:
        with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
            found = re.search(rf"^{name}:\w+=(.*)$", file.read(), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""


def describe_machine(build):
    """What the figures depend on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "compiler": first_line([cached(build, "CMAKE_CXX_COMPILER") or "c++", "--version"]),
        "build": cached(build, "CMAKE_BUILD_TYPE"),
        "commit": first_line(["git", "-C", ROOT, "describe", "--always", "--dirty"]),
        "load_average": os.getloadavg()[0],
    }


def verdict(row):
    return {True: "yes", False: "**no**", None: "–"}[row.holds]


def markdown(machine, rows, lost):
    """`rows` by name; `lost` are sentences."""
    lines = ["# What voicechan-server costs", "",
             f"{machine['cores']} × {machine['cpu']}, Linux {machine['kernel']}, "
             f"{machine['compiler']}, {machine['build']}, commit {machine['commit']}; load average "
             f"{machine['load_average']:.2f} before it began, {machine['disturbed_runs']} runs "
             "disturbed by other processes even when repeated. Where relays are "
             "compared they are all on one core and the load generator is on another; they take "
             "turns, and a ratio is the median of those of the rounds, with the lowest and the "
             "highest.", "",
             "| what | bar | measured | holds? |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.what} | {row.bar} | {row.measured} | {verdict(row)} |"
              for group in rows.values() for row in group]
    if lost:
        lines += ["", "**Lost, or could not run:**", "", *(f"- {what}" for what in lost)]
    plots = [row.plot for group in rows.values() for row in group if row.plot]
    for plot in plots:
        lines += ["", f"![{plot.title}]({plot.file})"]
    lines += ["", "## Again, one by one", "",
              "`bench/report --only NAME`, or by hand (KEY is what `voicechan-server user add` "
              "prints; ADDR:PORT and PID are those of the relay):"]
    for name, group in rows.items():
        lines += ["", f"### {name}", "", "```sh"]
        lines += dict.fromkeys(line for row in group for line in row.commands)
        lines += ["```"]
    return "\n".join(lines) + "\n"


def as_json(machine, rows, lost):
    def plain(row):
        fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        del fields["plot"]
        return fields
    return json.dumps({"machine": machine, "lost": lost,
                       "rows": {name: list(map(plain, group)) for name, group in rows.items()}},
                      indent=1, ensure_ascii=False) + "\n"


def write(out, machine, rows, lost):
    """Writes report.md, report.json and the plots."""
    files = {"report.json": lambda: as_json(machine, rows, lost),
             "report.md": lambda: markdown(machine, rows, lost)}
    plots = [row.plot for group in rows.values() for row in group if row.plot]
    files |= {plot.file: functools.partial(draw, plot) for plot in plots}
    for name, make in files.items():
        with open(os.path.join(out, name), "w", encoding="utf-8") as file:
            file.write(make())
