"""What others do on the machine while something is measured."""

import os
import re
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def processes():
    """Of each process the parent, and the ticks of CPU time of itself and of its children that have
    ended: what a process has used does not vanish from the sum when it ends. (The sums of /proc/stat
    are sampled, and miss a good part of what processes do that sleep and wake often.)"""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = read(f"/proc/{name}/stat").rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(name)] = int(fields[1]), sum(map(int, fields[11:15]))
    return found


def foreign_ticks(known):
    """Those of all processes but this one, its descendants and the process `known`; and what the
    machine's host took for others."""
    all_processes = processes()

    def is_own(pid):
        while pid in all_processes:
            if pid in (os.getpid(), known):
                return True
            pid = all_processes[pid][0]
        return False

    stolen = int(re.match(r"cpu +(?:\d+ ){7}(\d+)", read("/proc/stat"))[1])
    return stolen + sum(ticks for pid, (_, ticks) in all_processes.items() if not is_own(pid))


class Disturbance:
    """Begins with its making."""

    def __init__(self, known):
        self.known = known
        self.began, self.before = time.monotonic(), foreign_ticks(known)

    def percent(self):
        """Of one core, what others have used since."""
        seconds = time.monotonic() - self.began
        return max(0, 100 * (foreign_ticks(self.known) - self.before) / TICKS_PER_S / seconds)
