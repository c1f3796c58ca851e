"""Looks over this machine and a data folder, with plain advice; alters nothing.

A check is a function and a line of the table.
"""

from collections.abc import Callable
from dataclasses import replace

from keepiton.base.language import noted
from keepiton.operate.doctor import folder, machine, network, runs
from keepiton.operate.doctor.types import Look, NotLooked, Place, told

CHECKS: dict[str, Callable[[Place], Look]] = {
    noted("versions"): machine.versions,
    noted("configuration"): machine.configuration,
    noted("surroundings"): machine.surroundings,
    noted("open files"): machine.open_files,
    noted("trust anchors"): machine.trust_anchors,
    noted("way out"): machine.way_out,
    noted("write access"): folder.write_access,
    noted("who may read"): folder.who_may_read,
    noted("disk"): folder.disk,
    noted("lock"): folder.lock,
    noted("memory"): folder.memory,
    noted("left behind"): folder.left_behind,
    noted("schedule"): runs.schedule,
    noted("last runs"): runs.last_runs,
    noted("own line"): network.own_line,
    noted("captive portal"): network.portal,
    noted("resolver"): network.resolver,
    noted("made-up answers"): network.made_up_answers,
    noted("IPv6"): network.ipv6,
    noted("clock"): network.clock,
}
"""Every check, by its name, in the order they are shown in: the machine, the folder, the network.
"""


def look_over(place: Place) -> list[Look]:
    """Do every check. A check that fails itself says so, and takes none with it."""
    return [_look(name, check, place) for name, check in CHECKS.items()]


def _look(name: str, check: Callable[[Place], Look], place: Place) -> Look:
    try:
        return replace(check(place), name=name)
    except NotLooked as exc:
        return Look(name, "not looked", (exc.why,))
    except Exception as exc:  # noqa: BLE001 - the others are still worth having; no text: it may name someone
        why = told(noted("This check failed itself ({kind})."), kind=type(exc).__name__)
        return Look(name, "not looked", (why,))
