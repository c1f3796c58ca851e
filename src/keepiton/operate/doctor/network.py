"""Checks of the network: one connectivity check, as a run makes it, and one query more.

Every resolver in use is asked for one name that does not exist: random letters below
example.net. That zone is kept for examples, is not filled and is resolved like any other
(RFC 6761, section 6.5). Names under ``.invalid`` may be answered by the resolver itself and prove
nothing, and a control's own zone may have a wildcard. Runs use example.net as their neutral name
already, so that the query discloses nothing new.
"""

import asyncio
import random
import secrets
import statistics
import string
import sys
from dataclasses import replace
from datetime import timedelta

from keepiton.base.connectivity import PORTAL, Connectivity
from keepiton.operate.doctor.types import (
    CheckContext,
    CheckResult,
    CheckSkipped,
    CheckText,
    NetworkCheck,
    info,
    ok,
    problem,
)
from keepiton.operate.doctor.types import lazy_gettext as _
from keepiton.probe import dns, net
from keepiton.probe.connectivity import BROKEN_CLOCK_MS, CLOCK_CONTROLS, DEFAULT_ROUTE_TARGETS
from keepiton.probe.failures import classify
from keepiton.probe.run import RunPlan, with_user_agent
from keepiton.probe.runner import Runner
from keepiton.probe.settings import GRACE_S, NEUTRAL, STAGE_S
from keepiton.storage.rows import Measurement

ANSWERED = frozenset({"NOERROR", "NXDOMAIN"})
NO_SUCH_NAME = "dns_nxdomain_error"
LETTERS = 12
"""Within the range of Chromium, which takes 7 to 15 random letters for the same purpose."""
SLOW_MS = 1000
"""A lookup that takes longer is noticed on every page."""
RIGHT_S, REPORTED_S = 2, 60
"""The resolution of a Date header, twice; and an error from which on people and logs disagree."""
LONG_S = 120
"""From this error on it is written as a duration, not in seconds."""
SET_CLOCK = {
    "linux": _("Set the clock: sudo timedatectl set-ntp true"),
    "darwin": _("Let the system set the clock: System Settings, General, Date & Time."),
    "win32": _("Let the system set the clock: Settings, Time & language."),
}


CONNECTIVITY_ADVICE = {
    Connectivity.MIXED: _("Wait until the connection is steady, and look again."),
    Connectivity.DOWN: _(
        "Look at the cable, the Wi-Fi and the router, and restart the router. If only the world"
        " abroad is away, runs from inside record that: set --perspective."
    ),
    Connectivity.PORTAL: _("See captive portal, below."),
    Connectivity.BORDER: _("Nothing is to be done on this machine; let the runs go on."),
}
"""Advice by connectivity verdict; a verdict that is not here is as it should be."""


async def measure(plan: RunPlan) -> NetworkCheck:
    """Measure the controls of a plan's lists, and query every resolver for a made-up name.

    Nothing is stored. Raises OSError when no socket can be opened.
    """
    rows: list[Measurement] = []
    settings = replace(with_user_agent(plan), compare=())
    controls = [target for target in plan.loaded.targets if target.control]
    run = secrets.token_hex(6)
    runner = Runner(run, controls, plan.perspective, settings, rows.append)
    progress = await runner.check_connectivity()
    answering = {row.resolver for row in rows if row.rcode in ANSWERED}
    made_up = {
        resolver.label: await _made_up(runner, resolver)
        for resolver in settings.resolvers
        if resolver.label in answering
    }
    return NetworkCheck(tuple(rows), progress, made_up)


async def _made_up(runner: Runner, resolver: dns.Resolver) -> bool | None:
    """Whether a resolver returns an address for a made-up name; None without an answer."""
    letters = "".join(random.choices(string.ascii_lowercase, k=LETTERS))  # noqa: S311 - no secret
    async with runner.limits.lookup_slot():
        await runner.limits.connections.acquire()  # TCP, TLS and HTTPS resolvers need one
        try:
            async with asyncio.timeout(STAGE_S["dns"] + GRACE_S):
                answer = await dns.ask(resolver, f"{letters}.{NEUTRAL}", "A", STAGE_S["dns"])
        except Exception as exc:  # noqa: BLE001 - the edge of a probe, as in a chain
            return False if classify(exc) == NO_SUCH_NAME else None
    if answer.records or answer.also:
        return True
    return False if answer.rcode in ANSWERED else None


def vantage_connectivity(context: CheckContext) -> CheckResult:
    """Check the vantage connectivity: whether the controls answer."""
    progress = context.network.progress
    controls = progress.controls
    if not controls.foreign:
        raise CheckSkipped(_("The lists hold no foreign control to ask."))
    messages = [
        _(
            "{ok} of {n} foreign controls answered as they must.",
            ok=controls.foreign_ok,
            n=controls.foreign,
        )
    ]
    if controls.domestic:
        messages.append(
            _("{ok} of {n} domestic ones did.", ok=controls.domestic_ok, n=controls.domestic)
        )
    verdict = progress.verdict
    advice = CONNECTIVITY_ADVICE.get(verdict)
    if advice is None:
        return ok(*messages)
    messages.append(CheckText(verdict.text_here, sentence=True))
    return (problem if verdict.counts_as_offline else info)(*messages, advice=advice)


def portal(context: CheckContext) -> CheckResult:
    """Check for a captive portal, such as a hotel's page that asks to log in."""
    controls = context.network.progress.controls
    if not controls.foreign_ok and not controls.unexpected:
        raise CheckSkipped(_("No foreign control answered."))
    if not controls.unexpected:
        return ok(_("Every foreign control that answered gave its own page."))
    message = _(
        "{n} of {of} foreign controls answered with another page than theirs.",
        n=controls.unexpected,
        of=controls.foreign,
    )
    if controls.unexpected < PORTAL:
        return info(message, _("One alone is no sign of a captive portal."))
    return problem(
        message,
        advice=_("Open a browser and log in to this network, as in a hotel; then look again."),
    )


def resolver(context: CheckContext) -> CheckResult:
    """Check that every resolver answers, and how fast."""
    lookups: dict[str, list[Measurement]] = {}
    for row in context.network.rows:
        if row.stage == "dns" and row.resolver:
            lookups.setdefault(row.resolver, []).append(row)
    if not lookups:
        raise CheckSkipped(_("No control has a name to be looked up."))
    messages, dead, slow = [], False, False
    for label, rows in lookups.items():
        took_ms = [row.duration_ms or 0 for row in rows if row.rcode in ANSWERED]
        if not took_ms:
            dead = True
            messages.append(
                _("{resolver} answered none of {n} questions.", resolver=label, n=len(rows))
            )
            continue
        median_ms = statistics.median(took_ms)
        slow = slow or median_ms > SLOW_MS or len(took_ms) < len(rows)
        messages.append(
            _(
                "{resolver} answered {ok} of {n} questions, half of them within {ms} ms.",
                resolver=label,
                ok=len(took_ms),
                n=len(rows),
                ms=round(median_ms),
            )
        )
    if dead:
        return problem(
            *messages,
            advice=_(
                "If the own line is up, restart the router, or name a resolver that works, such"
                " as --resolver 9.9.9.9"
            ),
        )
    if slow:
        return info(*messages, _("Slow or lost answers make runs longer, and do no harm."))
    return ok(*messages)


def made_up_answers(context: CheckContext) -> CheckResult:
    """Check that the resolver returns no address for a name that does not exist."""
    answers = context.network.made_up
    lying = [label for label, has_address in answers.items() if has_address]
    if lying:
        return problem(
            _(
                "{resolvers} gave an address for a name that does not exist.",
                resolvers=", ".join(lying),
            ),
            advice=_(
                "Your router or provider makes answers up, and results about names say less."
                " Turn that off there if you can, or name another resolver with --resolver."
            ),
        )
    if not answers or None in answers.values():
        raise CheckSkipped(_("The resolver did not say."))
    return ok(_("A name that does not exist is said not to exist."))


def ipv6(context: CheckContext) -> CheckResult:
    """Check for IPv6; its absence is no problem."""
    rows = [row for row in context.network.rows if row.family == 6]  # noqa: PLR2004 - the protocol's
    reached = {row.target for row in rows if row.state == "ok"}
    if reached:
        targets = {row.target for row in rows}
        return ok(_("{ok} of {n} controls answered over IPv6.", ok=len(reached), n=len(targets)))
    if net.route(DEFAULT_ROUTE_TARGETS[1]) is None:
        return info(_("This machine has no IPv6, and measures without."))
    if not rows:
        raise CheckSkipped(_("No control has an IPv6 address."))
    return info(_("There is a way for IPv6, and no control answered over it."))


def clock(context: CheckContext) -> CheckResult:
    """Check the clock against the Date headers of the controls."""
    offset_ms = context.network.progress.clock_offset_ms
    if offset_ms is None:
        raise CheckSkipped(_("Fewer than {n} controls told the time.", n=CLOCK_CONTROLS))
    off_s = abs(offset_ms) / 1000
    if off_s <= RIGHT_S:
        return ok(_("The clock is right to {n} s.", n=RIGHT_S))
    messages = [_clock_error(off_s, ahead=offset_ms < 0)]
    advice = SET_CLOCK.get(sys.platform, SET_CLOCK["linux"])
    if off_s <= REPORTED_S:
        messages.append(_("Reports allow for that."))
        return info(*messages, advice=advice)
    if abs(offset_ms) > BROKEN_CLOCK_MS:
        messages.append(_("The dates of certificates cannot be judged so."))
    return problem(*messages, advice=advice)


def _clock_error(off_s: float, *, ahead: bool) -> CheckText:
    if off_s < LONG_S:
        seconds = round(off_s)
        if ahead:
            return _("The clock is {n} s ahead.", n=seconds)
        return _("The clock is {n} s behind.", n=seconds)
    duration = timedelta(seconds=off_s)
    if ahead:
        return _("The clock is {by} ahead.", by=duration)
    return _("The clock is {by} behind.", by=duration)
