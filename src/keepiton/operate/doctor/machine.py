"""Checks of the machine itself. Nothing is sent and nothing written."""

import os
import platform
import re
import socket
import ssl
import struct
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from keepiton import __version__
from keepiton.base.language import gettext_noop
from keepiton.operate.doctor.types import (
    CheckContext,
    CheckResult,
    CheckSkipped,
    check_text,
    info,
    ok,
    problem,
)
from keepiton.probe import certificate, net
from keepiton.probe.run import LIBRARIES
from keepiton.probe.runner import DEFAULT_ROUTE_TARGETS

PYTHON_ENDS = {
    (3, 11): date(2027, 10, 31),
    (3, 12): date(2028, 10, 31),
    (3, 13): date(2029, 10, 31),
    (3, 14): date(2030, 10, 31),
}
"""Until when each Python gets security fixes (PEP 664, 693, 719 and 745)."""
OPENSSL = (3, 0)
"""The oldest OpenSSL that is still kept up, by its makers or by distributions; 1.1.1 ended on
11 September 2023."""
MANY_FILES = net.MAX_SOCKETS + net.RESERVED_FILES
"""More than a run ever has open."""
FEW_FILES = 256
"""At 20 new connections a second, each of which may wait ten seconds, and what else is open."""
OLD_DAYS, ANCIENT_DAYS = 400, 1100
"""Age of the pinned trust anchors: a year's root renewals missed, and three years'."""
PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "socks_proxy"})
TUNNEL = 65_534
"""Linux, if_arp.h: ARPHRD_NONE, what tunnels such as WireGuard's and OpenVPN's are."""
ADDRESS, KIND = 0x8915, 0x8927
"""Linux, sockios.h: SIOCGIFADDR and SIOCGIFHWADDR."""


def versions(place: CheckContext) -> CheckResult:
    """Look whether every part is there, and kept up by those who make it."""
    found = {"keepiton": __version__, "Python": platform.python_version()}
    missing = []
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            missing.append(name)
    found["OpenSSL"] = ssl.OPENSSL_VERSION.split()[1]
    said = check_text(
        gettext_noop("Installed: {parts}."),
        parts=", ".join(f"{name} {one}" for name, one in found.items()),
    )
    if missing:
        return problem(
            said,
            check_text(gettext_noop("Missing: {names}."), names=", ".join(missing)),
            advice=check_text(gettext_noop("Install keepiton anew; a part of it is gone.")),
        )
    ended = PYTHON_ENDS.get(sys.version_info[:2])
    if ended and ended < place.now.date():
        return problem(
            said,
            check_text(gettext_noop("This Python gets no more security fixes.")),
            advice=check_text(gettext_noop("Install a newer Python, and keepiton with it.")),
        )
    if ssl.OPENSSL_VERSION.startswith("OpenSSL") and ssl.OPENSSL_VERSION_INFO < OPENSSL:
        return problem(
            said,
            check_text(gettext_noop("This OpenSSL gets no more security fixes.")),
            advice=check_text(
                gettext_noop("Bring the system up to date, or install a newer Python.")
            ),
        )
    return ok(said)


def configuration(place: CheckContext) -> CheckResult:
    """Look whether configuration can be read, and changed by its owner alone."""
    there = [one for one in place.config if os.path.isfile(one)]  # noqa: PTH113 - False where it may not be looked for
    if not there:
        return ok(check_text(gettext_noop("No configuration file; the usual values hold.")))
    files = check_text(gettext_noop("Read: {files}."), files=", ".join(map(place.shown, there)))
    unreadable = [one for one in there if not os.access(one, os.R_OK)]
    if unreadable:
        return problem(
            check_text(
                gettext_noop("Cannot be read: {files}."),
                files=", ".join(map(place.shown, unreadable)),
            ),
            advice=check_text(gettext_noop("Check who owns the file.")),
        )
    if os.name == "posix" and any(one.stat().st_mode & 0o022 for one in there):
        return problem(
            files,
            check_text(gettext_noop("Other users of this machine can change it.")),
            advice=check_text(
                gettext_noop("Take that right away: chmod go-w, and the name of the file.")
            ),
        )
    return ok(files)


def surroundings(place: CheckContext) -> CheckResult:
    """Look for a home that is the user's, and for characters to write in."""
    home = place.environment.get("HOME")
    usual = check_text(gettext_noop("Data folder: {path}."), path=place.shown(place.data))
    if os.name == "posix" and not home:
        said = check_text(gettext_noop("HOME is not set."))
        advice = check_text(
            gettext_noop("Name the data folder with --data, so that every run uses the same one.")
        )
        return info(said, usual, advice=None if place.chosen else advice)
    if os.name == "posix" and home and _anothers(Path(home)) and not place.chosen:
        return problem(
            check_text(gettext_noop("HOME is that of another user, or is not there.")),
            usual,
            advice=check_text(
                gettext_noop("Use sudo -H in place of sudo, or name the data folder with --data.")
            ),
        )
    coding = ((sys.stdout and sys.stdout.encoding) or "").lower()
    if not coding.startswith("utf"):
        return info(
            check_text(gettext_noop("Characters: {coding}."), coding=coding or "-"),
            check_text(
                gettext_noop("Only English can be shown so. For other languages set LANG=C.UTF-8.")
            ),
        )
    return ok(check_text(gettext_noop("Home and characters ({coding}) are known."), coding=coding))


def _anothers(home: Path) -> bool:
    try:
        return home.stat().st_uid != os.geteuid()
    except OSError:
        return True


def open_files(place: CheckContext) -> CheckResult:
    """Look whether as many files and sockets may be open as a run wants."""
    del place
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        raise CheckSkipped(check_text(gettext_noop("This system has no such limit."))) from None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= MANY_FILES:
        return ok(
            check_text(
                gettext_noop("A run may open all {n} files and connections that it can use."),
                n=MANY_FILES,
            )
        )
    said = check_text(
        gettext_noop("{hard} files and connections may be open at once."), hard=max(soft, hard)
    )
    if hard >= FEW_FILES:
        return info(said, check_text(gettext_noop("Long lists take longer so.")))
    return problem(
        said,
        check_text(gettext_noop("That is few: runs take long, and may not end in time.")),
        advice=check_text(
            gettext_noop(
                "Raise the limit: ulimit -n {n}, or LimitNOFILE={n} in a systemd service."
            ),
            n=str(4096),
        ),
    )


def _roots(path: Path) -> frozenset[bytes]:
    """Read the certificates of a file. Raises OSError or ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(path))
    return frozenset(context.get_ca_certs(binary_form=True))


def trust_anchors(place: CheckContext) -> CheckResult:
    """Look whether the certificates that others are judged by are there, and not old."""
    import certifi  # noqa: PLC0415 - as where it is used

    try:
        pinned = _roots(place.roots or Path(certifi.where()))
    except (OSError, ValueError):
        pinned = frozenset()
    if not pinned:
        return problem(
            check_text(
                gettext_noop("The trust anchors cannot be read: no certificate can be judged.")
            ),
            advice=check_text(gettext_noop("Install keepiton anew, or leave out --roots.")),
        )
    said = [check_text(gettext_noop("{n} trust anchors."), n=len(pinned))]
    system = certificate.system_store()
    if system and system.is_file():
        own = _roots(system)
        said.append(
            check_text(
                gettext_noop("This system's own store has {n}, {other} of them not among these."),
                n=len(own),
                other=len(own - pinned),
            )
        )
    made = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})", version("certifi"))
    if place.roots or not made:
        return ok(*said)
    year, month, day = map(int, made.groups())
    days = (place.now.date() - date(year, month, day)).days
    if days < OLD_DAYS:
        return ok(*said)
    said.append(check_text(gettext_noop("They are {days} days old."), days=days))
    advice = check_text(
        gettext_noop("Update keepiton with its libraries: pip install -U keepiton certifi")
    )
    return (problem if days >= ANCIENT_DAYS else info)(*said, advice=advice)


def default_route(place: CheckContext) -> CheckResult:
    """Look for a proxy or VPN between this machine and what a run measures."""
    names = sorted(
        one for one, value in place.environment.items() if one.lower() in PROXIES and value
    )
    said, advice = [], None
    if names:
        said.append(
            check_text(
                gettext_noop(
                    "Proxy variables are set: {names}. keepiton goes straight, without them."
                ),
                names=", ".join(names),
            )
        )
        advice = check_text(
            gettext_noop("Where only the proxy leads out of this network, nothing can be measured.")
        )
    if _tunnel():
        said.append(
            check_text(gettext_noop("The way out leads through a tunnel, as that of a VPN."))
        )
        advice = check_text(
            gettext_noop(
                "If it is a VPN, turn it off for runs: they would describe the network at its other"
                " end, and not yours."
            )
        )
    if said:
        return info(*said, advice=advice)
    return ok(check_text(gettext_noop("No proxy variable is set, and no tunnel was seen.")))


def _tunnel() -> bool:
    """Whether the way to the internet leads through a tunnel; False where it cannot be told."""
    own = net.route(DEFAULT_ROUTE_TARGETS[0])
    if sys.platform != "linux" or not own:
        return False
    import fcntl  # noqa: PLC0415 - not on Windows

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _number, name in socket.if_nameindex():
            try:
                asked = struct.pack("256s", name.encode())
                given = fcntl.ioctl(sock, ADDRESS, asked)[20:24]
                (kind,) = struct.unpack_from("H", fcntl.ioctl(sock, KIND, asked), 16)
            except OSError:  # it has no address, or went away
                continue
            if socket.inet_ntoa(given) == own:
                return bool(kind == TUNNEL)
    return False
