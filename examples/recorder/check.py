#!/usr/bin/env python3
"""Runs the recorder, and listens to its files by opus-tools: how long they are, who is heard when."""

import array
import pathlib
import subprocess
import sys
import tempfile

RATE = 48000
PRE_SKIP = 312


def decode(path):
    """The first channel, as numbers from -1 to 1."""
    raw = subprocess.run(["opusdec", "--quiet", "--force-stereo", "--rate", str(RATE), str(path), "-"],
                         check=True, stdout=subprocess.PIPE).stdout
    return [value / 32768 for value in array.array("h", raw)[::2]]


def loudness(samples, begin, end):
    part = samples[int(begin * RATE):int(end * RATE)]
    return (sum(value * value for value in part) / len(part)) ** 0.5


def hertz(samples, begin, end):
    part = samples[int(begin * RATE):int(end * RATE)]
    rises = sum(1 for one, next_one in zip(part, part[1:]) if one < 0 <= next_one)
    return rises / (end - begin)


def check(path, artist, packets, tone, heard, silent):
    info = subprocess.run(["opusinfo", str(path)], check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout
    assert "WARNING" not in info and "ERROR" not in info, info
    assert f"ARTIST={artist}" in info, info
    samples = decode(path)
    assert len(samples) == packets * 960 - PRE_SKIP, (path, len(samples))
    for begin, end in heard:
        assert 0.25 < loudness(samples, begin, end) < 0.45, (path, begin, loudness(samples, begin, end))
        assert abs(hertz(samples, begin, end) - tone) < 5, (path, begin, hertz(samples, begin, end))
    for begin, end in silent:
        assert loudness(samples, begin, end) < 0.01, (path, begin, loudness(samples, begin, end))


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], folder], check=True)
    files = {int(path.stem): path for path in pathlib.Path(folder).glob("*.opus")}
    assert len(files) == 2, files
    alice, bob = (files[number] for number in sorted(files))
    # A lost packet's concealment takes some 0.2 s to fade out.
    check(alice, "alice", 150, 440, heard=[(0.05, 0.95), (2.1, 2.9)], silent=[(1.3, 1.95)])
    check(bob, "bob", 126, 880, heard=[(0.6, 2.45)], silent=[(0, 0.5)])
