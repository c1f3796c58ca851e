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

from keepiton.base.connectivity import PORTAL, Connectivity
from keepiton.base.language import gettext_noop
from keepiton.operate.doctor.types import (
    CheckContext,
    CheckResult,
    CheckSkipped,
    CheckText,
    NetworkCheck,
    check_text,
    info,
    ok,
    problem,
)
from keepiton.probe import dns, net
from keepiton.probe.context import GRACE_S, NEUTRAL, STAGE_S
from keepiton.probe.failures import classify
from keepiton.probe.run import RunPlan, with_user_agent
from keepiton.probe.runner import BROKEN_CLOCK_MS, CLOCK_CONTROLS, DEFAULT_ROUTE_TARGETS, Runner

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
    "linux": gettext_noop("Set the clock: sudo timedatectl set-ntp true"),
    "darwin": gettext_noop("Let the system set the clock: System Settings, General, Date & Time."),
    "win32": gettext_noop("Let the system set the clock: Settings, Time & language."),
}


async def measure(plan: RunPlan) -> NetworkCheck:
    """Look once at the controls of a plan's lists; ask every resolver for a name that cannot be.

    Nothing is kept but what is returned. Raises OSError when no socket can be had.
    """
    rows: list[Measurement] = []
    settings = replace(with_user_agent(plan), compare=())
    controls = [one for one in plan.loaded.targets if one.control]
    run = secrets.token_hex(6)
    runner = Runner(run, controls, plan.perspective, settings, rows.append)
    progress = await runner.check_connectivity()
    able = {one.resolver for one in rows if one.rcode in ANSWERED}
    asked = [one for one in settings.resolvers if one.label in able]
    answers = [await _made_up(runner, one) for one in asked]
    made_up = dict(zip((one.label for one in asked), answers, strict=True))
    return NetworkCheck(tuple(rows), progress, made_up)


async def _made_up(runner: Runner, resolver: dns.Resolver) -> bool | None:
    """Whether a resolver gives an address for a name that cannot be; None when it does not say."""
    letters = "".join(random.choices(string.ascii_lowercase, k=LETTERS))  # noqa: S311 - no secret
    async with runner.lookup_slot():
        await runner.acquire_connection()  # some resolvers are asked over a connection
        try:
            async with asyncio.timeout(STAGE_S["dns"] + GRACE_S):
                answer = await dns.ask(resolver, f"{letters}.{NEUTRAL}", "A", STAGE_S["dns"])
        except Exception as exc:  # noqa: BLE001 - the edge of a probe, as in a chain
            return False if classify(exc) == NO_SUCH_NAME else None
    if answer.records or answer.also:
        return True
    return False if answer.rcode in ANSWERED else None


def vantage_connectivity(place: CheckContext) -> CheckResult:
    """Look whether this machine's own line is up: whether the controls answer."""
    progress = place.heard.progress
    controls = progress.controls
    if not controls.foreign:
        raise CheckSkipped(check_text(gettext_noop("The lists hold no foreign control to ask.")))
    said = [
        check_text(
            gettext_noop("{ok} of {n} foreign controls answered as they must."),
            ok=controls.foreign_ok,
            n=controls.foreign,
        )
    ]
    if controls.domestic:
        said.append(
            check_text(
                gettext_noop("{ok} of {n} domestic ones did."),
                ok=controls.domestic_ok,
                n=controls.domestic,
            )
        )
    if progress.verdict is Connectivity.MIXED:
        return problem(
            *said,
            check_text(gettext_noop("The way out changed meanwhile: a VPN, or another network.")),
            advice=check_text(gettext_noop("Wait until the connection is steady, and look again.")),
        )
    if progress.verdict is Connectivity.DOWN:
        return problem(
            *said,
            check_text(gettext_noop("This machine's own line is down.")),
            advice=check_text(
                gettext_noop(
                    "Look at the cable, the Wi-Fi and the router, and restart the router. If only"
                    " the world abroad is away, runs from inside record that: set --perspective."
                )
            ),
        )
    if progress.verdict is Connectivity.PORTAL:
        return problem(
            *said,
            check_text(gettext_noop("Somebody in between answers for others.")),
            advice=check_text(gettext_noop("See captive portal, below.")),
        )
    if progress.verdict is Connectivity.BORDER:
        return info(
            *said,
            check_text(gettext_noop("Abroad is not reached from here: that is what runs record.")),
            advice=check_text(
                gettext_noop("Nothing is to be done on this machine; let the runs go on.")
            ),
        )
    return ok(*said)


def portal(place: CheckContext) -> CheckResult:
    """Look for somebody else's page in the way, such as a hotel's that asks to log in."""
    controls = place.heard.progress.controls
    if not controls.foreign_ok and not controls.unexpected:
        raise CheckSkipped(check_text(gettext_noop("No foreign control answered.")))
    if not controls.unexpected:
        return ok(
            check_text(gettext_noop("Every foreign control that answered gave its own page."))
        )
    said = check_text(
        gettext_noop("{n} of {of} foreign controls answered with another page than theirs."),
        n=controls.unexpected,
        of=controls.foreign,
    )
    if controls.unexpected < PORTAL:
        return info(said, check_text(gettext_noop("One alone is no sign of a captive portal.")))
    return problem(
        said,
        advice=check_text(
            gettext_noop(
                "Open a browser and log in to this network, as in a hotel; then look again."
            )
        ),
    )


def resolver(place: CheckContext) -> CheckResult:
    """Look whether the resolver answers, and soon."""
    asked: dict[str, list[Measurement]] = {}
    for one in place.heard.rows:
        if one.stage == "dns" and one.resolver:
            asked.setdefault(one.resolver, []).append(one)
    if not asked:
        raise CheckSkipped(check_text(gettext_noop("No control has a name to be looked up.")))
    said, dead, slow = [], False, False
    for label, rows in asked.items():
        took = [one.duration_ms or 0 for one in rows if one.rcode in ANSWERED]
        if not took:
            dead = True
            text = gettext_noop("{resolver} answered none of {n} questions.")
            said.append(check_text(text, resolver=label, n=len(rows)))
            continue
        middle = statistics.median(took)
        slow = slow or middle > SLOW_MS or len(took) < len(rows)
        said.append(
            check_text(
                gettext_noop(
                    "{resolver} answered {ok} of {n} questions, half of them within {ms} ms."
                ),
                resolver=label,
                ok=len(took),
                n=len(rows),
                ms=round(middle),
            )
        )
    if dead:
        return problem(
            *said,
            advice=check_text(
                gettext_noop(
                    "If the own line is up, restart the router, or name a resolver that works, such"
                    " as --resolver 9.9.9.9"
                )
            ),
        )
    if slow:
        return info(
            *said,
            check_text(gettext_noop("Slow or lost answers make runs longer, and do no harm.")),
        )
    return ok(*said)


def made_up_answers(place: CheckContext) -> CheckResult:
    """Look whether the resolver says of a name that cannot be that it does not exist."""
    answers = place.heard.made_up
    lying = [label for label, one in answers.items() if one]
    if lying:
        return problem(
            check_text(
                gettext_noop("{resolvers} gave an address for a name that does not exist."),
                resolvers=", ".join(lying),
            ),
            advice=check_text(
                gettext_noop(
                    "Your router or provider makes answers up, and results about names say less."
                    " Turn that off there if you can, or name another resolver with --resolver."
                )
            ),
        )
    if not answers or None in answers.values():
        raise CheckSkipped(check_text(gettext_noop("The resolver did not say.")))
    return ok(check_text(gettext_noop("A name that does not exist is said not to exist.")))


def ipv6(place: CheckContext) -> CheckResult:
    """Look for IPv6; that there is none is no fault."""
    rows = [one for one in place.heard.rows if one.family == 6]  # noqa: PLR2004 - the protocol's
    reached = {one.target for one in rows if one.state == "ok"}
    if reached:
        asked = {one.target for one in rows}
        return ok(
            check_text(
                gettext_noop("{ok} of {n} controls answered over IPv6."),
                ok=len(reached),
                n=len(asked),
            )
        )
    if net.route(DEFAULT_ROUTE_TARGETS[1]) is None:
        return info(check_text(gettext_noop("This machine has no IPv6, and measures without.")))
    if not rows:
        raise CheckSkipped(check_text(gettext_noop("No control has an IPv6 address.")))
    return info(
        check_text(gettext_noop("There is a way for IPv6, and no control answered over it."))
    )


def clock(place: CheckContext) -> CheckResult:
    """Look whether the clock is that of the controls."""
    offset_ms = place.heard.progress.clock_offset_ms
    if offset_ms is None:
        text = gettext_noop("Fewer than {n} controls told the time.")
        raise CheckSkipped(check_text(text, n=CLOCK_CONTROLS))
    off_s = abs(offset_ms) / 1000
    if off_s <= RIGHT_S:
        return ok(check_text(gettext_noop("The clock is right to {n} s."), n=RIGHT_S))
    said = [_off(off_s, ahead=offset_ms < 0)]
    advice = check_text(SET_CLOCK.get(sys.platform, SET_CLOCK["linux"]))
    if off_s <= REPORTED_S:
        said.append(check_text(gettext_noop("Reports allow for that.")))
        return info(*said, advice=advice)
    if abs(offset_ms) > BROKEN_CLOCK_MS:
        said.append(check_text(gettext_noop("The dates of certificates cannot be judged so.")))
    return problem(*said, advice=advice)


def _off(off_s: float, *, ahead: bool) -> CheckText:
    if off_s < LONG_S:
        text = (
            gettext_noop("The clock is {n} s ahead.")
            if ahead
            else gettext_noop("The clock is {n} s behind.")
        )
        return check_text(text, n=round(off_s))
    text = (
        gettext_noop("The clock is {by} ahead.")
        if ahead
        else gettext_noop("The clock is {by} behind.")
    )
    return check_text(text, by=timedelta(seconds=off_s))
