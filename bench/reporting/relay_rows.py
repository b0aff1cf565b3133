"""Rows that compare what a delivery costs, and how fast deliveries are."""

from figures import Row, Skipped, Spread, cpu_us, p50_ms, p99_ms, rate, ratios
from plots import Curve, Plot, color_names
from relays import YARDSTICK_LINE, load_line, server_line

MEMBERS = 50
FRAMES_PER_SECOND = 50
GROWTH_DELIVERIES_PER_S = 49000
GROWTH = 1.10
PACING_WINDOW_MS = 5
# A relay follows an offered load if it delivers this part of it, and in time for a conversation.
DELIVERED_PART = 0.97
IN_TIME_MS = 100


def others_than(runs, name):
    return [other for other in runs if other != name]


def throughput(bench):
    """As fast as possible, against everything that there is."""
    options = bench.relay_options(rooms=4, members=100, window=4)
    with bench.contestants() as relays:
        runs = bench.interleaved(relays, *options)
    ours = runs["voicechan"]
    compared = {name: ratios(ours, runs[name], rate) for name in others_than(runs, "voicechan")}
    figures = [Spread.of(map(rate, ours)).text(",.0f", "/s")]
    figures += [f"{ratio.text('.2f')} × {name}" for name, ratio in compared.items()]
    given = [compared[relay.name].median for relay in bench.against]
    return [Row("deliveries/s as fast as possible, 4 rooms of 100, 4 frames in flight, 1 worker",
                "≥ 1.0 × uWebSockets (`--against`)", "; ".join(figures),
                min(given) >= 1 if given else None,
                [server_line(), YARDSTICK_LINE, load_line("relay", *options)], runs)]


def cost_options(bench, speakers):
    """The same offered load however many speak in a room."""
    return bench.relay_options(rooms=max(bench.plan.speakers) // speakers, members=MEMBERS,
                               speakers=speakers, rate=FRAMES_PER_SECOND, frame_bytes=160,
                               warmup=bench.plan.settling)


def cost(bench):
    """CPU time of the whole process, pacing on and off."""
    runs = {}
    with bench.server("--pacing-window", "0", name="unpaced") as unpaced, \
            bench.contestants(unpaced) as relays:
        for speakers in bench.plan.speakers:
            runs[speakers] = bench.interleaved(relays, *cost_options(bench, speakers))
    return [cost_row(bench, runs, 1, 1.05), cost_row(bench, runs, 20, 0.40),
            pacing_row(bench, runs)]


def cost_row(bench, runs, speakers, bar):
    ours = runs[speakers]["voicechan"]
    figures = []
    for name in others_than(runs[speakers], "voicechan"):
        ratio = ratios(ours, runs[speakers][name], cpu_us)
        figures.append(f"{ratio.text('.2f')} × {name}")
    ratio = ratios(ours, runs[speakers]["yardstick"], cpu_us)
    figures.append(f"{Spread.of(map(cpu_us, ours)).median:.2f} µs")
    noun = "speaker" if speakers == 1 else "speakers"
    return Row(f"CPU per delivery, {speakers} {noun} in rooms of {MEMBERS}, pacing on",
               f"≤ {bar:.2f} × yardstick", "; ".join(figures), ratio.median <= bar,
               [server_line(), YARDSTICK_LINE, load_line("relay", *cost_options(bench, speakers))],
               runs[speakers], cost_plot(runs) if speakers == 1 else None)


def cost_plot(runs):
    def label(name):
        return {"voicechan": "voicechan", "unpaced": "voicechan, no pacing"}.get(name, name)

    names = list(next(iter(runs.values())))
    names.sort(key=lambda name: name == "yardstick")  # where it is needed for reference: last
    curves = [Curve(label(name), color,
                    [(speakers, Spread.of(map(cpu_us, runs[speakers][name]))) for speakers in runs])
              for name, color in color_names(names).items()]
    return Plot("cpu.svg", f"What a delivery costs while several speak in a room of {MEMBERS}",
                f"speakers in the room, {FRAMES_PER_SECOND} frames/s each", "CPU per delivery (µs)",
                curves, ("set yrange [0:*]", f"set xtics ({','.join(map(str, runs))})",
                         "set xrange [0:*]"))


def pacing_row(bench, runs):
    paced, unpaced = runs[20]["voicechan"], runs[20]["unpaced"]
    added = Spread.of(p99_ms(run) - p99_ms(other) for run, other in zip(paced, unpaced))
    return Row("p99 latency that pacing adds, 20 speakers", f"≤ {PACING_WINDOW_MS} ms",
               f"{added.text('.1f', ' ms')}; {Spread.of(map(p99_ms, paced)).median:.1f} ms with, "
               f"{Spread.of(map(p99_ms, unpaced)).median:.1f} ms without",
               added.median <= PACING_WINDOW_MS,
               [server_line(), server_line("--pacing-window", "0"),
                load_line("relay", *cost_options(bench, 20))])


def growth(bench):
    """The same deliveries per second, spread over more and more connections."""
    def options(size):
        rooms = size // MEMBERS
        per_speaker = GROWTH_DELIVERIES_PER_S / (rooms * (MEMBERS - 1))
        return bench.relay_options(rooms=rooms, members=MEMBERS, rate=per_speaker,
                                   warmup=bench.plan.settling)

    sizes = bench.plan.sizes
    runs = {size: {} for size in sizes}
    with bench.contestants() as relays:
        for _ in range(bench.plan.rounds):
            for size in sizes:
                for relay in relays:
                    runs[size].setdefault(relay.name, []).append(
                        bench.load(relay, "relay", *options(size)))
    return [growth_row(runs, [server_line(), YARDSTICK_LINE,
                              *(load_line("relay", *options(size)) for size in sizes)]),
            crowd_row(bench)]


def growth_row(runs, commands):
    """`runs` by size, then by name. More sockets that take turns cost the kernel more, too, and the
    more the less of them its caches hold: how much shows in the growth of the yardstick."""
    first, *larger = runs
    figures = [f"{Spread.of(map(cpu_us, runs[first]['voicechan'])).median:.2f} µs at {first:,}"]
    is_flat = True
    for size in larger:
        grown = {name: ratios(runs[size][name], runs[first][name], cpu_us) for name in runs[size]}
        ours = grown.pop("voicechan")
        is_flat = is_flat and ours.median <= GROWTH * grown["yardstick"].median
        figures.append(f"× {ours.text('.2f')} at {size:,} (" + ", ".join(
            f"{name} × {ratio.median:.2f}" for name, ratio in grown.items()) + ")")
    return Row(f"growth: CPU per delivery, {GROWTH_DELIVERIES_PER_S:,} deliveries/s in turn to "
               f"{first:,} … {larger[-1]:,} connections", f"≤ {GROWTH:.2f} × the yardstick's growth",
               "; ".join(figures), is_flat, commands, runs)


def crowd_row(bench):
    """The same rooms with and without many others connected that do nothing."""
    options, idle = cost_options(bench, 1), bench.plan.sizes[-1]
    with bench.server(name="alone") as alone, bench.server(name="crowded") as crowded, \
            bench.crowd(crowded, idle), bench.on_one_core([alone, crowded]) as relays:
        runs = bench.interleaved(relays, *options)
    ratio = ratios(runs["crowded"], runs["alone"], cpu_us)
    return Row(f"growth: CPU per delivery, 1 speaker in rooms of {MEMBERS}, with {idle:,} idle "
               "connections against without", f"≤ {GROWTH:.2f}", f"× {ratio.text('.2f')}",
               ratio.median <= GROWTH,
               [server_line(), load_line("idle", "--connections", str(idle), "--duration", "3600"),
                load_line("relay", *options)], runs)


def workers(bench):
    """What the second event loop brings, beside a load generator that takes about a core."""
    options = bench.relay_options(rooms=8, members=MEMBERS, window=4)
    with bench.server(name="1 worker") as one, \
            bench.server(workers=2, name="2 workers") as two:
        runs = bench.interleaved([one, two], *options)
    ratio = ratios(runs["2 workers"], runs["1 worker"], rate)
    alone = Spread.of(map(rate, runs["1 worker"]))
    generator = Spread.of(run["generator"]["cpu_percent"] for run in runs["2 workers"])
    return [Row("deliveries/s with 2 workers against 1, 8 rooms of 50, 4 frames in flight", "none",
                f"{ratio.text('.2f')} ×; {alone.median:,.0f}/s with 1; the generator took "
                f"{generator.median:.0f} % of a core itself",
                None, [server_line(), server_line(workers=2), load_line("relay", *options)], runs)]


def latency(bench):
    """More and more rooms with one speaker each, until a relay no longer follows."""
    def options(rooms):
        return bench.relay_options(rooms=rooms, members=MEMBERS, rate=FRAMES_PER_SECOND)

    points = {}
    with bench.contestants() as relays:
        followers = relays
        for rooms in bench.plan.rooms:
            # Losing something is how a relay shows that this was too much, but not at the first.
            runs = interleaved_at(bench, followers, options(rooms), rooms != bench.plan.rooms[0])
            offered = rooms * (MEMBERS - 1) * FRAMES_PER_SECOND
            followers = [relay for relay in followers if follows(runs[relay.name], offered)]
            for relay in followers:
                points.setdefault(relay.name, []).append((offered, runs[relay.name]))
            if not followers:
                break
    if "voicechan" not in points:
        raise Skipped("the machine is too slow for the lowest load")
    return [latency_row(bench, points, options)]


def interleaved_at(bench, relays, options, may_lose):
    runs = {relay.name: [] for relay in relays}
    for _ in range(min(3, bench.plan.rounds)):
        for relay in relays:
            runs[relay.name].append(bench.load(relay, "relay", *options, may_lose=may_lose))
    return runs


def follows(runs, offered):
    return (Spread.of(map(rate, runs)).median >= DELIVERED_PART * offered
            and Spread.of(map(p99_ms, runs)).median <= IN_TIME_MS
            and not any(run["faults"]["lost"] for run in runs))


def latency_row(bench, points, options):
    figures = []
    for name, curve in points.items():
        offered, runs = curve[-1]
        figures.append(f"{name} follows up to {offered:,}/s, p99 there "
                       f"{Spread.of(map(p99_ms, runs)).median:.1f} ms")
    curves = []
    colors = color_names(points)
    for name, curve in points.items():
        for percentile, figure, is_dashed in (("p50", p50_ms, False), ("p99", p99_ms, True)):
            curves.append(Curve(f"{name}, {percentile}", colors[name],
                                [(offered / 1000, Spread.of(map(figure, runs)))
                                 for offered, runs in curve], is_dashed))
    plot = Plot("latency.svg", f"Latency against load: rooms of {MEMBERS}, one speaker in each",
                "offered load (1,000 deliveries/s)", "from speaker to listener (ms)", curves,
                ("set logscale y", "set xrange [0:*]",
                 "set ytics (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)"))
    return Row(f"latency against load, rooms of {MEMBERS} with 1 speaker (`latency.svg`)", "none",
               "; ".join(figures), None,
               [server_line(), YARDSTICK_LINE, load_line("relay", *options(bench.plan.rooms[0])),
                f"… with --rooms {', '.join(map(str, bench.plan.rooms[1:]))}"], points, plot)
