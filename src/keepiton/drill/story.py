"""The story that a drill tells: chapters as data, and how they are played with real probes."""

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
from keepiton.drill.fake_servers import HERE, LIES, SITES, Clock, View, serve
from keepiton.lists.load import load
from keepiton.probe import dns, http
from keepiton.probe.run import RunPlan, RunResult, run_once
from keepiton.probe.settings import Settings
from keepiton.storage import state

WIDTH = 78
EVERY = timedelta(minutes=10)
"""The drill's time between two runs of a vantage."""
READING_S = 0.024
"""For a letter."""
VANTAGES: tuple[tuple[str, Perspective], ...] = (("you", "inside"), ("friend", "outside"))
LIST, THRESHOLDS = "drill.toml", "policy.toml"
POLICY = "slow_least = 3  # a drill cannot wait for a week of answers to know what is usual\n"
TERMINATED = 143

LIED = ("news.alpha.example", "vote.gamma.example")
WELL = View()


@dataclass(frozen=True, slots=True)
class Chapter:
    """What happens, seen from two sides, and what there is to see in it."""

    title: str
    happens: str
    look: str
    runs: int
    after: int = 1
    """Calm runs that follow, so that there is an end to see."""
    inside: View = WELL
    outside: View = WELL


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
    inside=View(lied=LIED),
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
    words: Language,
    say: Callable[[str], None],
    *,
    fast: bool,
) -> None:
    """Play chapters so that they end about ``now``; what is measured goes into the folder.

    Raises OSError when it cannot be written, KeyboardInterrupt when a run was interrupted.
    """
    _ = words.gettext
    last = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
    at = last - EVERY * (sum(one.runs + one.after for one in chapters) - 1)
    clock = Clock(at)

    def tell(text: str) -> None:
        say(textwrap.fill(text, WIDTH) + "\n")
        time.sleep(0 if fast else len(text) * READING_S)

    tell(_(INTRODUCTION))
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
            say(f"{number}. {_(chapter.title)}")
            tell(_(chapter.happens, lie=LIES["A"], first=LIED[0], second=LIED[1]))
            for run in range(chapter.runs + chapter.after):
                if run == chapter.runs:
                    say(_("Then it is over:"))
                for vantage, side in VANTAGES:
                    view = chapter.inside if side == "inside" else chapter.outside
                    country.view = view if run < chapter.runs else WELL
                    clock.jump(at)
                    plan = RunPlan(folder, loaded, vantage, side, settings, at)
                    done = run_once(plan, state.load(folder))
                    if done.progress.reason == "interrupted":
                        raise KeyboardInterrupt
                    if done.progress.reason == "terminated":
                        raise SystemExit(TERMINATED)
                    say(f"{at:%H:%M}  {_told(done, side, words)}")
                at += EVERY
            say("")
            tell(_(chapter.look))


def _told(done: RunResult, side: Perspective, words: Language) -> str:
    """Say in a line what a run saw."""
    _, progress = words.gettext, done.progress
    width = max(len(_(one)) for one in SIDES.values())
    failed = Counter((one.stage, one.failure) for one in progress.results if one.state == "fail")
    answered = sum(one.state == "ok" for one in progress.results)
    facts: dict[str, object] = {"answered": answered, "asked": progress.planned}
    if progress.verdict is not Connectivity.UP:
        told = CUT if progress.verdict is Connectivity.BORDER else OFFLINE
    elif failed:
        told, (((stage, failure), count),) = FAILED, failed.most_common(1)
        facts |= {"stage": stage, "failure": failure, "failed": count}
    else:
        told, rows = UP, map(json.loads, done.path.read_text(encoding="utf-8").splitlines())
        took_ms = (one["duration_ms"] for one in rows if one.get("stage") == "http")
        facts["ms"] = words.number(round(max(took_ms, default=0)))
    return f"{_(SIDES[side]):<{width}}  {_(told, **facts)}"
