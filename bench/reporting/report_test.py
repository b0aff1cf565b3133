"""bench/report runs, and its parts do what they say. Environment: VOICECHAN_BUILD is the build
folder with the programs."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

import plots
from command import MEASUREMENTS, parse
from document import markdown
from figures import Row, Spread, ratios
from relays import HERE, ROOT, Relay, as_options, parse_against

BUILD = os.environ.get("VOICECHAN_BUILD") or os.path.join(ROOT, "build")
MACHINE = {"cpu": "x", "cores": 2, "kernel": "6", "compiler": "c++", "build": "Release",
           "commit": "0", "load_average": 0.5, "disturbed_runs": "0 of 9"}


def command_line(*options):
    return [sys.executable, "-B", HERE, "--build", BUILD, "--quick", *options]


def children(pid):
    """The processes that `pid` has started, and so on."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            own = [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []
    return own + [one for child in own for one in children(child)]


class PartsTest(unittest.TestCase):
    def test_a_ratio_is_the_median_of_those_of_the_rounds(self):
        ratio = ratios([2, 30, 4], [1, 10, 4], lambda run: run)
        self.assertEqual(ratio, Spread(2, 1, 3))
        self.assertEqual(ratio.text(".1f", " ms"), "2.0 ms (1.0 … 3.0)")

    def test_options_are_written_as_the_load_generator_reads_them(self):
        self.assertEqual(as_options(frame_bytes=160, warmup=0.5, connections=10000),
                         ["--frame-bytes", "160", "--warmup", "0.5", "--connections", "10000"])

    def test_another_relay_is_named_with_its_address_and_process(self):
        self.assertEqual(parse_against("uws=127.0.0.1:9001,42"), Relay("uws", "127.0.0.1:9001", 42))
        self.assertEqual(parse_against("x=[::1]:1,2,/r/{room}?a=b,c").path, "/r/{room}?a=b,c")
        for wrong in ("uws", "uws=127.0.0.1:9001", "uws=127.0.0.1,42", "=127.0.0.1:1,2"):
            with self.assertRaises(ValueError):
                parse_against(wrong)

    def test_rows_that_do_not_exist_are_wrong_usage(self):
        self.assertEqual(parse(["--only", "cost,fanout"]).only, ["cost", "fanout"])
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as complaint:
            parse(["--only", "cost,beauty"])
        self.assertIn("no row beauty", complaint.getvalue())

    def test_the_table_says_what_holds_and_what_was_lost(self):
        rows = {"a": [Row("A", "≤ 1", "2", False), Row("B", "none", "3")],
                "b": [Row("C", "1", "1", True)]}
        text = markdown(MACHINE, rows, ["3 frames"])
        for line in ("| A | ≤ 1 | 2 | **no** |", "| B | none | 3 | – |", "| C | 1 | 1 | yes |",
                     "- 3 frames"):
            self.assertIn(line + "\n", text)

    def test_each_relay_has_a_color_of_its_own(self):
        colors = plots.color_names(["voicechan", "a", "yardstick", "b"])
        self.assertEqual(len(set(colors.values())), 4)


class ReportTest(unittest.TestCase):
    def test_every_row_is_measured_and_nothing_is_lost(self):
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(command_line("--out", out), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, encoding="utf-8", timeout=150)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted(os.listdir(out)),
                             ["cpu.svg", "latency.svg", "report.json", "report.md"])
            for plot in "cpu.svg", "latency.svg":
                xml.etree.ElementTree.parse(os.path.join(out, plot))
            with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
                report = json.load(file)
            self.assertEqual(list(report["rows"]), list(MEASUREMENTS))
            self.assertEqual(report["lost"], [])
            with open(os.path.join(out, "report.md"), encoding="utf-8") as file:
                table = [line for line in file if line.startswith("| ")]
            self.assertGreater(len(table), len(MEASUREMENTS))
            for line in table:
                self.assertEqual(len(re.findall(r" \||^\|", line)), 5, line)

    def test_an_interrupt_leaves_nothing_behind(self):
        with tempfile.TemporaryDirectory() as out:
            process = subprocess.Popen(command_line("--out", out, "--only", "throughput"),
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 30
            while len(started := children(process.pid)) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertGreaterEqual(len(started), 2)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 130)
            self.assertEqual([pid for pid in started if os.path.exists(f"/proc/{pid}")], [])
            self.assertEqual(os.listdir(out), [])


if __name__ == "__main__":
    unittest.main()
