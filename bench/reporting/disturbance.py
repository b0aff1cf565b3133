"""What others do on the machine while something is measured."""

import os
import resource
import time


def cpu_clock(pid):
    """Seconds of CPU time of another process. (See clock_getcpuclockid(3).)"""
    return time.clock_gettime((~pid << 3) | 2)


def busy_seconds():
    """What all cores together have worked since the machine began; stolen time counts as work."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, *interrupts_and_steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(interrupts_and_steal)) / os.sysconf("SC_CLK_TCK")


class Disturbance:
    """Begins with its making; `percent` of one core is what neither this program, nor its children
    that have ended, nor the process `pid` has used since."""

    def __init__(self, pid):
        self.pid = pid
        self.began, self.before = time.monotonic(), self.foreign_seconds()

    def foreign_seconds(self):
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = time.process_time() + children.ru_utime + children.ru_stime
        return busy_seconds() - own - cpu_clock(self.pid)

    def percent(self):
        seconds = time.monotonic() - self.began
        return max(0, 100 * (self.foreign_seconds() - self.before) / seconds)
