"""Checks of the network, from one look at the controls, as a run takes it, and one more question.

Every resolver that is used is asked for one name that cannot be: some random letters below
example.net. That zone is kept for examples, is not filled and is resolved like any other
(RFC 6761, section 6.5), while names under ``.invalid`` may be answered on the spot and would prove
nothing; and below a control's own name there might be a wildcard. Runs use example.net already, to
ask for another name than a target's, so that the question discloses nothing new.
"""

import asyncio
import random
import secrets
import statistics
import string
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keepiton.base.connectivity import PORTAL
from keepiton.base.language import noted
from keepiton.operate.doctor.types import (
    Heard,
    Look,
    NotLooked,
    Place,
    Told,
    note,
    told,
    trouble,
    well,
)
from keepiton.probe import dns, net
from keepiton.probe.context import GRACE_S, NEUTRAL, STAGE_S
from keepiton.probe.failures import classify
from keepiton.probe.run import Plan, introduced
from keepiton.probe.runner import BROKEN_CLOCK_MS, CLOCK_CONTROLS, TOWARDS, Runner

if TYPE_CHECKING:
    from keepiton.storage.rows import Measurement

ANSWERED = frozenset({"NOERROR", "NXDOMAIN"})
NO_SUCH_NAME = "dns_nxdomain_error"
LETTERS = 12
"""As many as Chromium takes at random for the same question, 7 to 15."""
SLOW_MS = 1000
"""A look-up that takes longer is felt in every page."""
RIGHT_S, REPORTED_S = 2, 60
"""A clock is right to what a Date header can show; a minute off, people and logs disagree."""
LONG_S = 120
SET_CLOCK = {
    "linux": noted("Set the clock: sudo timedatectl set-ntp true"),
    "darwin": noted("Let the system set the clock: System Settings, General, Date & Time."),
    "win32": noted("Let the system set the clock: Settings, Time & language."),
}


async def listen(plan: Plan) -> Heard:
    """Look once at the controls of a plan's lists; ask every resolver for a name that cannot be.

    Nothing is kept but what is returned. Raises OSError when no socket can be had.
    """
    rows: list[Measurement] = []
    settings = replace(introduced(plan), compare=())
    controls = [one for one in plan.loaded.targets if one.control]
    run = secrets.token_hex(6)
    runner = Runner(run, controls, plan.perspective, settings, rows.append)
    progress = await runner.look()
    able = {one.resolver for one in rows if one.rcode in ANSWERED}
    asked = [one for one in settings.resolvers if one.label in able]
    answers = [await _made_up(runner, one) for one in asked]
    made_up = dict(zip((one.label for one in asked), answers, strict=True))
    return Heard(tuple(rows), progress, made_up)


async def _made_up(runner: Runner, resolver: dns.Resolver) -> bool | None:
    """Whether a resolver gives an address for a name that cannot be; None when it does not say."""
    letters = "".join(random.choices(string.ascii_lowercase, k=LETTERS))  # noqa: S311 - no secret
    async with runner.lookup():
        await runner.turn()  # some resolvers are asked over a connection
        try:
            async with asyncio.timeout(STAGE_S["dns"] + GRACE_S):
                answer = await dns.ask(resolver, f"{letters}.{NEUTRAL}", "A", STAGE_S["dns"])
        except Exception as exc:  # noqa: BLE001 - the edge of a probe, as in a chain
            return False if classify(exc) == NO_SUCH_NAME else None
    if answer.records or answer.also:
        return True
    return False if answer.rcode in ANSWERED else None


def own_line(place: Place) -> Look:
    """Look whether this machine's own line is up: whether the controls answer."""
    progress = place.heard.progress
    controls = progress.controls
    if not controls.foreign:
        raise NotLooked(told(noted("The lists hold no foreign control to ask.")))
    said = [
        told(
            noted("{ok} of {n} foreign controls answered as they must."),
            ok=controls.foreign_ok,
            n=controls.foreign,
        )
    ]
    if controls.domestic:
        said.append(
            told(
                noted("{ok} of {n} domestic ones did."),
                ok=controls.domestic_ok,
                n=controls.domestic,
            )
        )
    if progress.verdict == "mixed":
        return trouble(
            *said,
            told(noted("The way out changed meanwhile: a VPN, or another network.")),
            advice=told(noted("Wait until the connection is steady, and look again.")),
        )
    if progress.verdict == "down":
        return trouble(
            *said,
            told(noted("This machine's own line is down.")),
            advice=told(
                noted(
                    "Look at the cable, the Wi-Fi and the router, and restart the router. If only"
                    " the world abroad is away, runs from inside record that: set --perspective."
                )
            ),
        )
    if progress.verdict == "portal":
        return trouble(
            *said,
            told(noted("Somebody in between answers for others.")),
            advice=told(noted("See captive portal, below.")),
        )
    if progress.verdict == "border":
        return note(
            *said,
            told(noted("Abroad is not reached from here: that is what runs record.")),
            advice=told(noted("Nothing is to be done on this machine; let the runs go on.")),
        )
    return well(*said)


def portal(place: Place) -> Look:
    """Look for somebody else's page in the way, such as a hotel's that asks to log in."""
    controls = place.heard.progress.controls
    if not controls.foreign_ok and not controls.unexpected:
        raise NotLooked(told(noted("No foreign control answered.")))
    if not controls.unexpected:
        return well(told(noted("Every foreign control that answered gave its own page.")))
    said = told(
        noted("{n} of {of} foreign controls answered with another page than theirs."),
        n=controls.unexpected,
        of=controls.foreign,
    )
    if controls.unexpected < PORTAL:
        return note(said, told(noted("One alone is no sign of a captive portal.")))
    return trouble(
        said,
        advice=told(
            noted("Open a browser and log in to this network, as in a hotel; then look again.")
        ),
    )


def resolver(place: Place) -> Look:
    """Look whether the resolver answers, and soon."""
    asked: dict[str, list[Measurement]] = {}
    for one in place.heard.rows:
        if one.stage == "dns" and one.resolver:
            asked.setdefault(one.resolver, []).append(one)
    if not asked:
        raise NotLooked(told(noted("No control has a name to be looked up.")))
    said, dead, slow = [], False, False
    for label, rows in asked.items():
        took = [one.duration_ms or 0 for one in rows if one.rcode in ANSWERED]
        if not took:
            dead = True
            text = noted("{resolver} answered none of {n} questions.")
            said.append(told(text, resolver=label, n=len(rows)))
            continue
        middle = statistics.median(took)
        slow = slow or middle > SLOW_MS or len(took) < len(rows)
        said.append(
            told(
                noted("{resolver} answered {ok} of {n} questions, half of them within {ms} ms."),
                resolver=label,
                ok=len(took),
                n=len(rows),
                ms=round(middle),
            )
        )
    if dead:
        return trouble(
            *said,
            advice=told(
                noted(
                    "If the own line is up, restart the router, or name a resolver that works, such"
                    " as --resolver 9.9.9.9"
                )
            ),
        )
    if slow:
        return note(*said, told(noted("Slow or lost answers make runs longer, and do no harm.")))
    return well(*said)


def made_up_answers(place: Place) -> Look:
    """Look whether the resolver says of a name that cannot be that it does not exist."""
    answers = place.heard.made_up
    lying = [label for label, one in answers.items() if one]
    if lying:
        return trouble(
            told(
                noted("{resolvers} gave an address for a name that does not exist."),
                resolvers=", ".join(lying),
            ),
            advice=told(
                noted(
                    "Your router or provider makes answers up, and results about names say less."
                    " Turn that off there if you can, or name another resolver with --resolver."
                )
            ),
        )
    if not answers or None in answers.values():
        raise NotLooked(told(noted("The resolver did not say.")))
    return well(told(noted("A name that does not exist is said not to exist.")))


def ipv6(place: Place) -> Look:
    """Look for IPv6; that there is none is no fault."""
    rows = [one for one in place.heard.rows if one.family == 6]  # noqa: PLR2004 - the protocol's
    reached = {one.target for one in rows if one.state == "ok"}
    if reached:
        asked = {one.target for one in rows}
        return well(
            told(noted("{ok} of {n} controls answered over IPv6."), ok=len(reached), n=len(asked))
        )
    if net.route(TOWARDS[1]) is None:
        return note(told(noted("This machine has no IPv6, and measures without.")))
    if not rows:
        raise NotLooked(told(noted("No control has an IPv6 address.")))
    return note(told(noted("There is a way for IPv6, and no control answered over it.")))


def clock(place: Place) -> Look:
    """Look whether the clock is that of the controls."""
    offset_ms = place.heard.progress.clock_offset_ms
    if offset_ms is None:
        text = noted("Fewer than {n} controls told the time.")
        raise NotLooked(told(text, n=CLOCK_CONTROLS))
    off_s = abs(offset_ms) / 1000
    if off_s <= RIGHT_S:
        return well(told(noted("The clock is right to {n} s."), n=RIGHT_S))
    said = [_off(off_s, ahead=offset_ms < 0)]
    advice = told(SET_CLOCK.get(sys.platform, SET_CLOCK["linux"]))
    if off_s <= REPORTED_S:
        said.append(told(noted("Reports allow for that.")))
        return note(*said, advice=advice)
    if abs(offset_ms) > BROKEN_CLOCK_MS:
        said.append(told(noted("The dates of certificates cannot be judged so.")))
    return trouble(*said, advice=advice)


def _off(off_s: float, *, ahead: bool) -> Told:
    if off_s < LONG_S:
        text = noted("The clock is {n} s ahead.") if ahead else noted("The clock is {n} s behind.")
        return told(text, n=round(off_s))
    text = noted("The clock is {by} ahead.") if ahead else noted("The clock is {by} behind.")
    return told(text, by=timedelta(seconds=off_s))
