"""Plots by gnuplot, as SVG."""

import dataclasses
import itertools
import shutil
import subprocess

from figures import CannotRun

# Okabe and Ito's, which everybody can tell apart; grey is what the others are measured by.
COLORS = {"voicechan": "#0072b2", "unpaced": "#56b4e9", "yardstick": "#777777"}
COLORS_OF_OTHERS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00")



@dataclasses.dataclass
class Curve:
    """Points are x with a Spread."""

    label: str
    color: str
    points: list
    is_dashed: bool = False


@dataclasses.dataclass
class Plot:
    file: str
    title: str
    x_label: str
    y_label: str
    curves: list
    settings: tuple = ()  # more of gnuplot's


def color_names(names):
    """The color of each relay."""
    others = itertools.cycle(COLORS_OF_OTHERS)
    return {name: COLORS.get(name) or next(others) for name in names}


def script(plot):
    title = (f"{{/=18 {plot.title}}}\\n"
             "{/=13 median of the rounds; bars from the lowest to the highest}")
    lines = [
        "set terminal svg size 960,560 dynamic enhanced font 'Helvetica,15' background '#ffffff'",
        "set encoding utf8",
        f'set title "{title}"',
        f"set xlabel {quoted(plot.x_label)}",
        f"set ylabel {quoted(plot.y_label)}",
        "set border 3 linecolor '#555555'",
        "set tics nomirror out textcolor '#222222'",
        "set grid ytics linecolor '#dddddd' linetype 1",
        "set bmargin at screen 0.27",
        "set key at screen 0.53, screen 0.02 center bottom horizontal Left reverse samplen 2.5",
        "set offsets 0, graph 0.02",
        "set pointsize 0.7",
        *plot.settings]
    drawn = []
    for number, curve in enumerate(plot.curves):
        lines.append(f"$curve{number} << END")
        lines += [f"{x} {y.median} {y.low} {y.high}" for x, y in curve.points]
        lines.append("END")
        color = f"linecolor '{curve.color}'"
        dash, point = (2, 6) if curve.is_dashed else (1, 7)
        drawn.append(f"$curve{number} using 1:2:3:4 with yerrorbars notitle {color} linewidth 1 "
                     "pointtype 0")
        drawn.append(f"$curve{number} using 1:2 with linespoints title {quoted(curve.label)} "
                     f"{color} linewidth 2 dashtype {dash} pointtype {point}")
    return "\n".join([*lines, "plot " + ", \\\n  ".join(drawn)]) + "\n"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def draw(plot):
    """The SVG's text."""
    if not shutil.which("gnuplot"):
        raise CannotRun("needs gnuplot")
    done = subprocess.run(["gnuplot"], input=script(plot), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", timeout=60)
    if done.returncode != 0 or "</svg>" not in done.stdout:
        raise CannotRun(f"gnuplot: {done.stderr.strip()}")
    return done.stdout
