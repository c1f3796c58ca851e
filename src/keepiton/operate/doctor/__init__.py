"""Checks this machine, a data folder and the network, with plain advice; alters nothing.

A check is a function and a line of the table.
"""

from collections.abc import Callable
from dataclasses import replace

from keepiton.base.language import gettext_noop
from keepiton.operate.doctor import folder, machine, network, runs
from keepiton.operate.doctor.types import CheckContext, CheckResult, CheckSkipped
from keepiton.operate.doctor.types import lazy_gettext as _

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
"""Every check by its name, in the order of the output: the machine, the folder, the network."""


def run_checks(context: CheckContext) -> list[CheckResult]:
    """Make every check. A check that raises an exception is skipped, and the others are made."""
    return [_run_check(name, check, context) for name, check in CHECKS.items()]


def _run_check(
    name: str, check: Callable[[CheckContext], CheckResult], context: CheckContext
) -> CheckResult:
    try:
        return replace(check(context), name=name)
    except CheckSkipped as exc:
        reason = exc.reason
    except Exception as exc:  # noqa: BLE001 - the other checks are still useful
        # Without its text, which may name somebody.
        reason = _("This check failed itself ({kind}).", kind=type(exc).__name__)
    return CheckResult(name, "skipped", (reason,))
