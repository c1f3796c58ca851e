"""The story of a drill: chapters as data, and how they are run with real probes."""

import json
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from keepiton.base.connectivity import Connectivity
from keepiton.base.language import Language, gettext_noop
from keepiton.base.types import Perspective
from keepiton.drill.fake_servers import FALSE_ADDRESSES, HERE, SITES, Clock, View, serve
from keepiton.lists.load import load
from keepiton.probe import dns, http
from keepiton.probe.run import RunPlan, RunResult, run_once
from keepiton.probe.settings import Settings
from keepiton.storage import state

WIDTH = 78
"""Columns of the text."""
EVERY = timedelta(minutes=10)
"""Time between two runs of a vantage, by the drill's clock."""
READING_S = 0.024
"""Pause per letter of a text."""
VANTAGES: tuple[tuple[str, Perspective], ...] = (("you", "inside"), ("friend", "outside"))
LIST, THRESHOLDS = "drill.toml", "policy.toml"
POLICY = "slow_least = 3  # a drill cannot wait for a week of answers to know what is usual\n"
TERMINATED = 143

FALSE_NAMES = ("news.alpha.example", "vote.gamma.example")
NORMAL = View()


@dataclass(frozen=True, slots=True)
class Chapter:
    """An event, how two vantages see it, and what the report must show of it."""

    title: str
    happens: str
    lesson: str
    runs: int
    after: int = 1
    """Calm runs that follow, so that the report has an end of the event."""
    inside: View = NORMAL
    outside: View = NORMAL


CALM = Chapter(
    gettext_noop("All is well"),
    gettext_noop("Every site answers you and your friend, and so do the controls."),
    gettext_noop("This is what usual looks like. Whatever comes later is held against it."),
    runs=4,
    after=0,
)
SLOW = Chapter(
    gettext_noop("One operator is slow"),
    gettext_noop("All sites of beta still answer, but they take many times as long as usual."),
    gettext_noop(
        "Nine of nine: who only asks whether a site answers sees nothing here. The report must call"
        " beta degraded."
    ),
    runs=3,
    inside=View(slow=("beta",)),
    outside=View(slow=("beta",)),
)
DNS = Chapter(
    gettext_noop("The name server lies"),
    gettext_noop(
        "Inside the country the name server gives {lie} for {first} and {second}: an address that"
        " no public name leads to. Your friend asks another name server."
    ),
    gettext_noop(
        "Two sites fail at the stage dns, and for you alone: your friend reaches them, so they are"
        " well. The report must hold two windows, seen from inside."
    ),
    runs=3,
    inside=View(false_names=FALSE_NAMES),
)
BORDER = Chapter(
    gettext_noop("The border is cut"),
    gettext_noop(
        "Inside the country all goes on. But nothing crosses its border: you do not reach the"
        " controls abroad, and your friend reaches nothing in the country."
    ),
    gettext_noop(
        "Your own line is up, since the domestic controls answer you; so is your friend's. Only"
        " both sides together show that it is the border: the report must say national isolation."
    ),
    runs=3,
    inside=View(cut=("foreign",)),
    outside=View(cut=tuple(SITES)),
)
WIFI = Chapter(
    gettext_noop("Your own Wi-Fi dies"),
    gettext_noop(
        "Your router has lost its line. It says of every name that it failed, and cuts the rest."
    ),
    gettext_noop(
        "No control answers you, neither at home nor abroad: that is your own line, and your friend"
        " sees that all is well. The report must hold no disruption of this time."
    ),
    runs=2,
    inside=View(cut=(*SITES, "foreign", "domestic", "resolver")),
)
AGAIN = Chapter(
    gettext_noop("All is well again"),
    gettext_noop("Everything answers as it used to."),
    gettext_noop("Now whatever happened has an end, and so a length."),
    runs=1,
    after=0,
)
SCENARIOS: dict[str, tuple[Chapter, ...]] = {
    "all": (CALM, SLOW, DNS, BORDER, WIFI, AGAIN),
    "calm": (CALM,),
    "slow": (CALM, SLOW, AGAIN),
    "dns": (CALM, DNS, AGAIN),
    "border": (CALM, BORDER, AGAIN),
    "wifi": (CALM, WIFI, AGAIN),
}

INTRODUCTION = gettext_noop(
    "A make-believe country now stands on this machine: the operators alpha, beta and gamma with"
    " three sites each, a name server, and controls at home and abroad. You probe it from inside,"
    " and a friend does from outside. Probes, result files and report are real; the country is not,"
    " and nothing leaves this machine. Between two runs the drill's clock jumps by ten minutes, so"
    " that the story ends now. Times are UTC."
)
SIDES: dict[Perspective, str] = {
    "inside": gettext_noop("inside"),
    "outside": gettext_noop("outside"),
}
UP = gettext_noop("{answered} of {asked} answered, the slowest in {ms} ms")
FAILED = gettext_noop("{answered} of {asked} answered; at {stage}: {failure} ({failed})")
CUT = gettext_noop("{answered} of {asked} answered; abroad did not answer, domestic controls did")
OFFLINE = gettext_noop(
    "{answered} of {asked} answered; own line not usable: nothing of this counts"
)


def run_story(
    chapters: tuple[Chapter, ...],
    folder: Path,
    now: datetime,
    lang: Language,
    echo: Callable[[str], None],
    *,
    fast: bool,
) -> None:
    """Run chapters whose last run is about ``now``; the folder gets lists and results.

    Raises OSError when it cannot be written, KeyboardInterrupt when a run was interrupted.
    """
    _ = lang.gettext
    last = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
    at = last - EVERY * (sum(chapter.runs + chapter.after for chapter in chapters) - 1)
    clock = Clock(at)

    def narrate(text: str) -> None:
        echo(textwrap.fill(text, WIDTH) + "\n")
        time.sleep(0 if fast else len(text) * READING_S)

    narrate(_(INTRODUCTION))
    with serve(clock) as country:
        (folder / LIST).write_text(country.targets, encoding="utf-8")
        (folder / THRESHOLDS).write_text(POLICY, encoding="utf-8")
        loaded = load([str(folder / LIST)], allow_private=True)
        settings = Settings(
            resolvers=(dns.parse_resolver(f"{HERE}:{country.port}", 1, None),),
            headers=http.ORDINARY,
            roots=country.roots,
            pause_s=0.1,
            rate=1000,
            listen_s=0.0,
            allow_private=True,
            drill=True,
            now=clock,
        )
        for number, chapter in enumerate(chapters, 1):
            echo(f"{number}. {_(chapter.title)}")
            names = dict(zip(("first", "second"), FALSE_NAMES, strict=True))
            narrate(_(chapter.happens, lie=FALSE_ADDRESSES["A"], **names))
            for run in range(chapter.runs + chapter.after):
                if run == chapter.runs:
                    echo(_("Then it is over:"))
                for vantage, side in VANTAGES:
                    view = chapter.inside if side == "inside" else chapter.outside
                    country.view = view if run < chapter.runs else NORMAL
                    clock.set(at)
                    plan = RunPlan(folder, loaded, vantage, side, settings, at)
                    result = run_once(plan, state.load(folder))
                    if result.progress.reason == "interrupted":
                        raise KeyboardInterrupt
                    if result.progress.reason == "terminated":
                        raise SystemExit(TERMINATED)
                    echo(f"{at:%H:%M}  {_result_line(result, side, lang)}")
                at += EVERY
            echo("")
            narrate(_(chapter.lesson))


def _result_line(result: RunResult, side: Perspective, lang: Language) -> str:
    """Return the results of a run in one line."""
    _, progress = lang.gettext, result.progress
    width = max(len(_(name)) for name in SIDES.values())
    states = Counter(target.state for target in progress.results)
    failures = Counter(
        (target.stage, target.failure) for target in progress.results if target.state == "fail"
    )
    values: dict[str, object] = {"answered": states["ok"], "asked": progress.planned}
    if progress.verdict is not Connectivity.UP:
        text = CUT if progress.verdict is Connectivity.BORDER else OFFLINE
    elif failures:
        text = FAILED
        (((stage, failure), count),) = failures.most_common(1)
        values |= {"stage": stage, "failure": failure, "failed": count}
    else:
        text = UP
        rows = map(json.loads, result.path.read_text(encoding="utf-8").splitlines())
        durations_ms = (row["duration_ms"] for row in rows if row.get("stage") == "http")
        values["ms"] = lang.number(round(max(durations_ms, default=0)))
    return f"{_(SIDES[side]):<{width}}  {_(text, **values)}"
