"""Simulated probe series with known truth, to judge what finds disruptions.

    python benchmarks/series.py OUT [--seeds 101-105] [--scenario NAME ...] [--days 5]

Writes ``OUT/<scenario>-s<seed>/probes.jsonl.gz`` and ``truth.json``: same scenario, seed and days,
same bytes. A scenario says what happens and what a perfect observer would report; one engine plays
it. The form is that of the samples: a row per probe, instants as the vantage's own clock has them.
"""

import argparse
import gzip
import json
import math
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

DAY = 86400
COUNTRY = "BY"
ELECTION = int(datetime(2020, 8, 8, tzinfo=UTC).timestamp())
WINTER_TIME = int(datetime(2020, 10, 25, 1, tzinfo=UTC).timestamp())
OPERATORS = {"beltelecom": 5, "hoster": 2, "mts": 2, "a1": 1, "cdn": 2}
GROUPS = ("beltelecom", "hoster", "mts")
"""Operators of several targets at home. Where there is one, its outage is a target window."""
STEP_S = 0.22
"""Between two probes of one run."""

Span = tuple[int, int]
Names = Collection[str] | None
"""Some, or all if none is named."""
Failures = Mapping[str, tuple[str, ...]]
"""How each kind that fails does so."""

CONNECTING = ("tcp", "http")
LOOKING_UP = ("dns_timeout", "dns_no_server")
NOISE: Failures = {
    "dns": ("dns_timeout",),
    "tcp": ("tcp_timeout",),
    "http": ("tls_timeout", "tcp_timeout", "tcp_reset", "http_timeout"),
}
SITE: Failures = dict.fromkeys(CONNECTING, ("tcp_timeout", "tcp_refused"))
PATH: Failures = dict.fromkeys(CONNECTING, ("tcp_timeout", "tcp_unreachable"))
BARRED: Failures = dict.fromkeys(CONNECTING, ("tcp_timeout", "tcp_reset"))
LINE: Failures = {**PATH, "dns": LOOKING_UP, "http": LOOKING_UP}
LOOKUP: Failures = {"dns": ("dns_timeout", "dns_servfail")}
TAMPERED: Failures = dict.fromkeys(("dns", "http"), ("dns_nxdomain", "dns_bogus_address"))
HANDSHAKE: Failures = {"http": ("tls_timeout", "tls_reset")}
ANSWER: Failures = {"http": ("http_failed",)}


@dataclass(frozen=True)
class Target:
    """A name that is probed."""

    operator: str
    home: bool
    ns_home: bool


@dataclass(frozen=True)
class Vantage:
    """A place that probes."""

    perspective: str
    operator: str
    skew_s: float = 0.0


@dataclass(frozen=True)
class Fault:
    """What goes wrong for a while, with everything and for everyone unless named."""

    start: float
    end: float
    failures: Failures
    targets: Names = None
    vantages: Names = None
    loss: float = 1.0
    slower: float = 1.0


@dataclass(frozen=True)
class Window:
    """What a perfect observer would report; ``vantages`` see it, or all do."""

    start: float
    end: float
    scope: str
    subject: str
    vantages: Names = None
    layer: str | None = "tcp"
    severity: str = "full"


@dataclass
class World:
    """One simulated series: who probes what, how, what goes wrong, and what is true."""

    scenario: str
    seed: int
    days: int
    start: int = ELECTION
    interval: int = 600
    jitter: float = 60.0
    kinds: tuple[str, ...] = ("dns", "tcp", "http")
    noise: tuple[float, float] = (0.01, 0.03)
    noisy: dict[str, float] = field(default_factory=dict)
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    silences: list[tuple[str, float, float]] = field(default_factory=list)
    late: str | None = None
    faults: list[Fault] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    ignored: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw the usual world."""
        self.rng = rng = random.Random(f"{self.scenario}:{self.seed}")  # noqa: S311 - a simulation
        names = (operator for operator, n in OPERATORS.items() for _ in range(n))
        self.targets = {
            f"t{i:02}.by": Target(name, name != "cdn", name != "cdn" and rng.random() < 0.75)
            for i, name in enumerate(names)
        }
        for name, n, home in (("foreign", 3, False), ("home", 2, True)):
            self.targets |= {f"ctl-{name}-{i}": Target("control", home, home) for i in range(n)}
        lines = enumerate(("beltelecom", "mts", rng.choice(("beltelecom", "mts", "a1"))), 1)
        self.vantages = {f"in-{name}-{i}": Vantage("inside", name) for i, name in lines}
        self.vantages |= {f"out-{i}": Vantage("outside", f"vps{i}") for i in (1, 2)}

    @property
    def end(self) -> int:
        """The instant after the last."""
        return self.start + self.days * DAY

    def span(self, share: float, low: float, high: float) -> Span:
        """Draw a start around this share of the whole time, and an end so many minutes later."""
        start = int(self.start + share * self.days * DAY + self.rng.uniform(-7200, 7200))
        return start, int(start + self.rng.uniform(low, high) * 60)

    def members(self, operator: str) -> list[str]:
        """Name the targets of an operator."""
        return [name for name, target in self.targets.items() if target.operator == operator]

    def side(self, perspective: str) -> list[str]:
        """Name the vantages of one perspective."""
        return [name for name, v in self.vantages.items() if v.perspective == perspective]

    def pick(self, n: int) -> list[str]:
        """Choose targets of different operators at home."""
        operators = self.rng.sample([name for name in OPERATORS if name != "cdn"], n)
        return [self.rng.choice(self.members(name)) for name in operators]

    def target_down(
        self, target: str, span: Span, how: Failures = SITE, seen: Names = None, layer: str = "tcp"
    ) -> None:
        """Let one target fail."""
        self.faults.append(Fault(*span, how, [target], seen))
        self.windows.append(Window(*span, "target", target, seen, layer))

    def lines_down(self, vantages: Collection[str], span: Span) -> None:
        """Cut vantages off from everything."""
        self.faults.append(Fault(*span, LINE, vantages=vantages))
        self.windows += [Window(*span, "own_line", name, [name]) for name in vantages]

    def operator_down(self, operator: str, span: Span) -> None:
        """Let all targets of an operator fail, and the lines of the vantages it serves."""
        self.faults.append(Fault(*span, PATH, self.members(operator)))
        self.windows.append(Window(*span, "operator", operator))
        self.lines_down(self.customers(operator), span)

    def customers(self, operator: str) -> list[str]:
        """Name the vantages on an operator's lines."""
        return [name for name, v in self.vantages.items() if v.operator == operator]

    def outages(self, low: float, high: float) -> None:
        """Let three targets and then an operator fail, for so many minutes each."""
        for share, target in zip((0.25, 0.42, 0.6), self.pick(3), strict=True):
            self.target_down(target, self.span(share, low, high))
        self.operator_down(self.rng.choice(GROUPS), self.span(0.8, max(low, 40), high))

    def border(self, span: Span, losses: Mapping[str, float]) -> None:
        """Close the way between the country and abroad, as seen from each named perspective.

        Lookups fail less than half the time, so the first layer to break is tcp.
        """
        for side, loss in losses.items():
            away = {n: t for n, t in self.targets.items() if t.home == (side == "outside")}
            asked = [n for n, t in away.items() if t.ns_home == t.home]
            self.faults.append(Fault(*span, PATH, away, self.side(side), loss))
            self.faults.append(Fault(*span, LOOKUP, asked, self.side(side), 0.4 * loss))

    def ignore(self, scope: str, subject: str, span: tuple[float, float], why: str) -> None:
        """Name a time in which either reading is right."""
        start, end = map(instant, span)
        self.ignored.append(
            {"start": start, "end": end, "scope": scope, "subject": subject, "why": why}
        )


def clean(_world: World) -> None:
    """Let nothing happen."""


def vantage_offline(world: World) -> None:
    """Cut vantages' own lines, from half an hour to half a day, two of them at once."""
    inside, outside = world.rng.sample(world.side("inside"), 2), world.side("outside")
    start, end = world.span(0.2, 240, 360)
    world.lines_down([inside[0]], (start, end))
    world.lines_down([inside[1]], (start + world.rng.randint(600, 7200), end + 1800))
    world.lines_down([outside[0]], world.span(0.4, 30, 60))
    world.lines_down([outside[1]], world.span(0.55, 600, 840))
    world.lines_down([inside[0]], world.span(0.85, 30, 90))


def cron_gaps(world: World) -> None:
    """Let machines sleep for hours; one target fails before all do and answers after."""
    start = int(world.start + DAY + world.rng.uniform(20, 21) * 3600)
    world.target_down(world.pick(1)[0], (start, int(start + world.rng.uniform(8, 10) * 3600)))
    first, second = world.side("outside")
    world.silences.append((first, start + 2 * 3600, start + world.rng.uniform(4, 6) * 3600))
    world.silences.append((second, start - 6 * 3600, start + world.rng.uniform(14, 18) * 3600))
    for day in range(world.days):
        for vantage in world.side("inside"):
            begins = world.start + day * DAY + world.rng.uniform(21.6, 22) * 3600
            world.silences.append((vantage, begins, begins + world.rng.uniform(8.5, 9.5) * 3600))


def site_outage(world: World) -> None:
    """Let single targets fail, for 20 minutes to 7 hours."""
    spans = (0.22, 20, 30), (0.4, 60, 120), (0.55, 180, 240), (0.7, 300, 420)
    for target, span in zip(world.pick(4), spans, strict=True):
        world.target_down(target, world.span(*span))


def operator_outage(world: World) -> None:
    """Let all targets of one operator or two fail, and the lines it serves."""
    operators = world.rng.sample(GROUPS, world.rng.randint(1, 2))
    for share, operator in zip((0.35, 0.7), operators, strict=False):
        world.operator_down(operator, world.span(share, 60, 360))


def national_shutdown(world: World) -> None:
    """Close the border on several evenings, never for all, and half open it in the mornings."""
    for day in range(1, world.days - 1):
        start = int(world.start + day * DAY + world.rng.uniform(15, 17.5) * 3600)
        end = int(start + world.rng.uniform(5, 10) * 3600)
        again = int(end + world.rng.uniform(1.5, 3) * 3600)
        world.border((start, end), {"outside": world.rng.uniform(0.85, 0.9), "inside": 0.96})
        world.windows.append(Window(start, end, "country", COUNTRY))
        world.border((end, again), {"outside": 0.5, "inside": 0.5})
        why = "partial restoration (50% loss): either reading is right"
        world.ignore("country", COUNTRY, (end, again), why)


def dns_tampering(world: World) -> None:
    """Forge the answers for some names, inside."""
    span = world.span(0.4, 240, 900)
    for target in (*world.pick(2), world.rng.choice(world.members("cdn"))):
        world.target_down(target, span, TAMPERED, world.side("inside"), layer="dns")


def tls_blocking(world: World) -> None:
    """Break the handshakes of some names, inside."""
    span = world.span(0.4, 180, 600)
    for target in (*world.pick(1), world.rng.choice(world.members("cdn"))):
        world.target_down(target, span, HANDSHAKE, world.side("inside"), layer="tls")


def partial_loss(world: World) -> None:
    """Lose about half of what a target, and later an operator, is asked for hours."""
    target, operator = world.rng.choice(world.members("beltelecom")), world.rng.choice(GROUPS)
    for share, scope, subject in ((0.3, "target", target), (0.65, "operator", operator)):
        span, loss = world.span(share, 150, 420), world.rng.uniform(0.3, 0.6)
        members = [target] if scope == "target" else world.members(operator)
        world.faults.append(Fault(*span, PATH, members, loss=loss))
        world.windows.append(Window(*span, scope, subject, severity="partial"))


def throttling(world: World) -> None:
    """Slow delivery networks abroad and later one site five to ten times, inside."""
    inside = world.side("inside")
    for share, targets in ((0.4, world.members("cdn")), (0.7, world.pick(1))):
        span, slower = world.span(share, 150, 480), world.rng.uniform(5, 10)
        world.faults.append(Fault(*span, {}, targets, inside, slower=slower))
        for name in targets:
            world.windows.append(Window(*span, "target", name, inside, None, "degraded"))


def disagreeing(world: World) -> None:
    """Keep one inside vantage alone from two targets for hours."""
    vantage = world.rng.choice(world.side("inside"))
    for target in world.pick(2):
        world.target_down(target, world.span(0.45, 150, 480), PATH, [vantage])


def clock_skew(world: World) -> None:
    """Set two clocks wrong, one by 9 minutes and one by 26, around the usual outages."""
    for name, skew in zip(world.rng.sample(list(world.vantages), 2), (540.0, -1560.0), strict=True):
        world.vantages[name] = replace(world.vantages[name], skew_s=skew)
    world.outages(20, 240)


def flapping(world: World) -> None:
    """Take two targets down and up every 10 to 20 minutes for three hours."""
    for share, target in zip((0.35, 0.7), world.pick(2), strict=True):
        start, until = world.span(share, 180, 180)
        down = end = start
        while down < until:
            end = int(down + world.rng.uniform(600, 1200))
            world.faults.append(Fault(down, end, SITE, [target]))
            down = int(end + world.rng.uniform(600, 1200))
        world.windows.append(Window(start, end, "target", target, severity="partial"))


def bursty_noise(world: World) -> None:
    """Lose 10 to 30 % of all on one line for 10 to 40 minutes, often; two targets fail."""
    for vantage in world.vantages:
        for _ in range(2 * world.days):
            span = world.span(world.rng.uniform(0.02, 0.98), 10, 40)
            loss = world.rng.uniform(0.1, 0.3)
            world.faults.append(Fault(*span, NOISE, vantages=[vantage], loss=loss))
    for share, target in zip((0.35, 0.7), world.pick(2), strict=True):
        world.target_down(target, world.span(share, 40, 240))


def late_uploads(world: World) -> None:
    """Bring one vantage's rows last, in no order, some of them twice."""
    world.late = world.rng.choice(list(world.vantages))
    world.outages(20, 240)


def noisy_vantage(world: World) -> None:
    """Lose 15 % of everything on one line among good ones, always."""
    world.noisy[world.rng.choice(list(world.vantages))] = 0.15
    world.outages(20, 240)


def dead_target(world: World) -> None:
    """Let one target die for good on the second day; another never answered at all."""
    dying, dead = world.rng.sample(world.members("beltelecom"), 2)
    world.target_down(dying, (world.span(1.5 / world.days, 0, 0)[0], world.end))
    world.faults.append(Fault(world.start, world.end, SITE, [dead]))
    why = "never answered: nothing to compare with"
    world.ignore("target", dead, (world.start, world.end), why)


def address_change(world: World) -> None:
    """Move two targets, a cache or two keeping the old address for a run or two; a third fails."""
    *movers, failing = world.pick(3)
    for share, target in zip((0.3, 0.55), movers, strict=True):
        start, end = world.span(share, 40, 40)
        for vantage in world.rng.sample(list(world.vantages), world.rng.randint(1, 2)):
            expiry = start + world.rng.uniform(600, 1140)
            world.faults.append(Fault(start, expiry, SITE, [target], [vantage]))
        world.ignore("target", target, (start, end), "the address changed: caches expire")
    world.target_down(failing, world.span(0.8, 60, 180))


def nightly_maintenance(world: World) -> None:
    """Take a target down from two to three every night, Minsk time."""
    target = world.pick(1)[0]
    for day in range(world.days):
        start = world.start + day * DAY + 23 * 3600 + world.rng.randint(5, 150)
        world.target_down(target, (start, start + world.rng.randint(3480, 3720)))


def daylight_saving(world: World) -> None:
    """Set clocks back, one vantage writing local times; outages before, across and after."""
    world.start = WINTER_TIME - 3600 - world.days // 2 * DAY
    world.zones["out-1"] = ZoneInfo("Europe/Vilnius")
    for target, (offset, minutes) in zip(
        world.pick(3), ((-120, 60), (-25, 55), (60, 75)), strict=True
    ):
        start = WINTER_TIME + offset * 60 + world.rng.randint(-600, 600)
        world.target_down(target, (start, start + minutes * 60 + world.rng.randint(-600, 600)))
    world.operator_down("hoster", world.span(0.85, 60, 180))


def one_vantage(world: World) -> None:
    """Leave a single vantage, abroad: nobody else to ask."""
    world.vantages = {"out-1": world.vantages["out-1"]}
    world.outages(40, 180)


def abroad_only(world: World) -> None:
    """Let hosting firms, one after the other, shut out all abroad; at home their sites work."""
    outside = world.side("outside")
    for share, operator in ((0.35, "hoster"), (0.65, "beltelecom")):
        span = world.span(share, 120, 480)
        world.faults.append(Fault(*span, BARRED, world.members(operator), outside))
        world.windows.append(Window(*span, "operator", operator, outside))


def inside_only_border(world: World) -> None:
    """Keep all lines inside from all abroad for two hours; what is at home answers everyone."""
    span = world.span(0.55, 110, 130)
    world.border(span, {"inside": 1.0})
    world.windows.append(Window(*span, "country", COUNTRY, world.side("inside")))


def mobile_cut(world: World) -> None:
    """Cut an operator's customers off; what it hosts still answers all others."""
    lines = world.customers(world.vantages[world.rng.choice(world.side("inside"))].operator)
    for share in (0.3, 0.65):
        world.lines_down(lines, world.span(share, 40, 240))


def slow_cadence(world: World) -> None:
    """Run hourly, with a second attempt before anything counts as failed."""
    world.interval, world.noise = 3600, (0.0003, 0.0003)
    world.outages(150, 360)


def real_like(world: World) -> None:
    """Ask four unrelated sites over HTTP from four places abroad, no controls; one site fails."""
    world.interval, world.jitter, world.noise = 3600, 420.0, (0.0003, 0.0003)
    world.kinds = ("http",)
    world.targets = {f"site-{i}": Target(f"firm-{i}", home=False, ns_home=False) for i in range(4)}
    world.vantages = {f"out-{i}": Vantage("outside", "ci") for i in range(1, 5)}
    target = world.rng.choice(list(world.targets))
    world.target_down(target, world.span(0.5, 230, 250), ANSWER, layer="http")


SCENARIOS: dict[str, Callable[[World], None]] = {
    play.__name__: play
    for play in (
        *(clean, vantage_offline, cron_gaps, site_outage, operator_outage, national_shutdown),
        *(dns_tampering, tls_blocking, partial_loss, throttling, disagreeing, clock_skew, flapping),
        *(bursty_noise, late_uploads, noisy_vantage, dead_target, address_change),
        *(nightly_maintenance, daylight_saving, one_vantage, abroad_only, inside_only_border),
        *(mobile_cut, slow_cadence, real_like),
    )
}


@lru_cache(maxsize=4096)
def instant(at: float, zone: ZoneInfo | None = None) -> str:
    """Write an instant, in UTC or with an offset."""
    text = datetime.fromtimestamp(int(at), zone or UTC).isoformat()
    return text if zone else text.replace("+00:00", "Z")


def look(world: World, name: str, phase: float) -> Iterator[tuple[float, str]]:
    """Give every row of one vantage with its true instant."""
    rng, vantage, zone = world.rng, world.vantages[name], world.zones.get(name)
    lowest, highest = (world.noisy[name],) * 2 if name in world.noisy else world.noise
    cells: list[tuple[str, float, list[tuple[str, str, float]]]] = []
    for target, of in world.targets.items():
        near = vantage.perspective == "inside"
        rtt = rng.uniform(9, 30) if near and of.home else rng.uniform(18, 40)
        rtt *= 1 if near else 2
        usual = {"dns": 6 + 0.45 * rtt, "tcp": rtt, "http": 2.6 * rtt}
        head = (
            f'","vantage":"{name}","perspective":"{vantage.perspective}","target":"{target}",'
            f'"operator":"{of.operator}","kind":"'
        )
        kinds = [(kind, f'{head}{kind}","ok":', math.log(usual[kind])) for kind in world.kinds]
        cells.append((target, rng.uniform(lowest, highest), kinds))
    faults = [fault for fault in world.faults if fault.vantages is None or name in fault.vantages]
    silences = [(start, end) for who, start, end in world.silences if who == name]
    lasts = len(cells) * len(world.kinds) * STEP_S
    for slot in range(world.days * DAY // world.interval):
        at = world.start + phase + slot * world.interval + rng.uniform(0, world.jitter)
        if rng.random() < 0.01 or any(start <= at < end for start, end in silences):
            continue
        now = [fault for fault in faults if fault.start < at + lasts and fault.end > at]
        rng.shuffle(cells)
        for target, noise, kinds in cells:
            here = [fault for fault in now if fault.targets is None or target in fault.targets]
            for kind, head, usual_log in kinds:
                at += STEP_S
                slower = 1.0
                failure = rng.choice(NOISE[kind]) if rng.random() < noise else None
                for fault in here:
                    if not fault.start <= at < fault.end:
                        continue
                    if kind in fault.failures and rng.random() < fault.loss:
                        failure = rng.choice(fault.failures[kind])
                    if kind != "dns":
                        slower *= fault.slower
                stamp = f'{{"ts":"{instant(int(at + vantage.skew_s), zone)}'
                if failure:
                    yield at, f'{stamp}{head}false,"failure":"{failure}","latency_ms":null}}\n'
                else:
                    took = slower * math.exp(usual_log + rng.gauss(0, 0.2))
                    yield at, f'{stamp}{head}true,"failure":null,"latency_ms":{took:.1f}}}\n'


def rows(world: World) -> list[str]:
    """Give the lines of the file, in the order in which they arrive."""
    punctual: list[tuple[float, str]] = []
    late: list[str] = []
    for i, name in enumerate(world.vantages):
        seen = look(world, name, i * world.interval / len(world.vantages))
        if name == world.late:
            late = [line for _, line in seen]
        else:
            punctual += seen
    late += world.rng.sample(late, len(late) // 20)
    world.rng.shuffle(late)
    return [line for _, line in sorted(punctual)] + late


def told(world: World, window: Window) -> dict[str, object]:
    """Write a window in the form of the truth."""
    sides = {world.vantages[name].perspective for name in window.vantages or world.vantages}
    whole = window.scope == "own_line" or len(sides) > 1
    return {
        **asdict(window),
        "start": instant(window.start),
        "end": instant(window.end) if window.end < world.end else None,
        "perspective": "both" if whole else sides.pop(),
    }


def truth(world: World, probes: int) -> dict[str, object]:
    """Give what is true of a series, in the form that the scoring script reads."""
    home = [n for n, t in world.targets.items() if t.home and t.operator != "control"]
    operators = dict.fromkeys(world.targets[name].operator for name in home)
    windows = sorted(world.windows, key=lambda window: window.start)
    return {
        "scenario": world.scenario,
        "seed": world.seed,
        "start": instant(world.start),
        "end": instant(world.end),
        "interval_minutes": world.interval / 60,
        "probes": probes,
        "vantage_weeks": round(len(world.vantages) * world.days / 7, 4),
        "windows": [told(world, window) | {"id": f"w{i}"} for i, window in enumerate(windows)],
        "ignore": world.ignored,
        "members": {
            "country": {COUNTRY: home} if home else {},
            "operator": {name: world.members(name) for name in operators},
        },
        "targets": {name: asdict(target) for name, target in world.targets.items()},
        "vantages": {name: asdict(vantage) for name, vantage in world.vantages.items()},
    }


def write(folder: Path, world: World) -> None:
    """Play a world and write what was seen and what is true."""
    SCENARIOS[world.scenario](world)
    lines = rows(world)
    folder.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress("".join(lines).encode(), compresslevel=6, mtime=0)
    (folder / "probes.jsonl.gz").write_bytes(packed)
    text = json.dumps(truth(world, len(lines)), indent=1)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


def seeds(text: str) -> range:
    """Read one seed, or the first and last of several."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def days(text: str) -> int:
    """Read a number of days in which every scenario has room."""
    if (number := int(text)) < 3:
        raise argparse.ArgumentTypeError("the scenarios need at least 3 days")
    return number


def main() -> None:
    """Write the series that were asked for."""
    parser = argparse.ArgumentParser(description="Write simulated probe series with known truth.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write into")
    parser.add_argument("--seeds", type=seeds, default=seeds("101-105"), help="such as 101-105")
    names = list(SCENARIOS)
    parser.add_argument(
        "--scenario", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--days", type=days, default=5, help="length of each series (default: 5)")
    options = parser.parse_args()
    for scenario in options.scenario:
        for seed in options.seeds:
            name = f"{scenario}-s{seed}"
            write(options.out / name, World(scenario, seed, options.days))
            print(name, flush=True)


if __name__ == "__main__":
    main()
