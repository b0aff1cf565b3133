"""Two network namespaces with a thin link between them."""

import contextlib
import os
import shutil

from figures import CannotRun, Skipped
from relays import run

RATE = "16kbit"
NEAR, FAR = "10.231.9.1", "10.231.9.2"


def ip(*arguments):
    run(["ip", *arguments], 10)


def shape_lines(near, far):
    """The commands that make the link."""
    return [["netns", "add", near], ["netns", "add", far],
            ["link", "add", "near", "netns", near, "type", "veth", "peer", "name", "far",
             "netns", far],
            ["-n", near, "addr", "add", f"{NEAR}/24", "dev", "near"],
            ["-n", far, "addr", "add", f"{FAR}/24", "dev", "far"],
            *(["-n", name, "link", "set", device, "up"]
              for name, device in ((near, "near"), (near, "lo"), (far, "far"), (far, "lo")))]


@contextlib.contextmanager
def thin_link():
    """Gives the command prefixes that run something at the near and at the far end. What goes from
    near to far is held to RATE."""
    if os.geteuid() != 0:
        raise Skipped("needs root")
    if not shutil.which("ip") or not shutil.which("tc"):
        raise CannotRun("needs iproute2")
    near, far = (f"voicechan-{os.getpid()}-{end}" for end in ("near", "far"))
    try:
        try:
            for line in shape_lines(near, far):
                ip(*line)
            run(["tc", "-n", near, "qdisc", "add", "dev", "near", "root", "tbf", "rate", RATE,
                 "burst", "1600", "limit", "100000"], 10)
        except CannotRun as error:
            raise Skipped(f"no network namespaces here: {error}") from None
        yield ["ip", "netns", "exec", near], ["ip", "netns", "exec", far]
    finally:
        for name in near, far:
            with contextlib.suppress(CannotRun):
                ip("netns", "delete", name)
