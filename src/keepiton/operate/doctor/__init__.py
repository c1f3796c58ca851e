"""Looks over this machine and a data folder, with plain advice; alters nothing.

A check is a function and a line of the table.
"""

from collections.abc import Callable
from dataclasses import replace

from keepiton.base.language import gettext_noop
from keepiton.operate.doctor import folder, machine, network, runs
from keepiton.operate.doctor.types import CheckContext, CheckResult, CheckSkipped, check_text

CHECKS: dict[str, Callable[[CheckContext], CheckResult]] = {
    gettext_noop("versions"): machine.versions,
    gettext_noop("configuration"): machine.configuration,
    gettext_noop("surroundings"): machine.surroundings,
    gettext_noop("open files"): machine.open_files,
    gettext_noop("trust anchors"): machine.trust_anchors,
    gettext_noop("way out"): machine.default_route,
    gettext_noop("write access"): folder.write_access,
    gettext_noop("who may read"): folder.who_may_read,
    gettext_noop("disk"): folder.disk,
    gettext_noop("lock"): folder.lock,
    gettext_noop("memory"): folder.memory,
    gettext_noop("left behind"): folder.left_behind,
    gettext_noop("schedule"): runs.schedule,
    gettext_noop("last runs"): runs.last_runs,
    gettext_noop("own line"): network.vantage_connectivity,
    gettext_noop("captive portal"): network.portal,
    gettext_noop("resolver"): network.resolver,
    gettext_noop("made-up answers"): network.made_up_answers,
    gettext_noop("IPv6"): network.ipv6,
    gettext_noop("clock"): network.clock,
}
"""Every check, by its name, in the order they are shown in: the machine, the folder, the network.
"""


def run_checks(place: CheckContext) -> list[CheckResult]:
    """Do every check. A check that fails itself says so, and takes none with it."""
    return [_run_check(name, check, place) for name, check in CHECKS.items()]


def _run_check(
    name: str, check: Callable[[CheckContext], CheckResult], place: CheckContext
) -> CheckResult:
    try:
        return replace(check(place), name=name)
    except CheckSkipped as exc:
        return CheckResult(name, "not looked", (exc.why,))
    except Exception as exc:  # noqa: BLE001 - the others are still worth having; no text: it may name someone
        why = check_text(
            gettext_noop("This check failed itself ({kind})."), kind=type(exc).__name__
        )
        return CheckResult(name, "not looked", (why,))
