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
from keepiton.operate.doctor.types import CheckContext, CheckResult, CheckSkipped, info, ok, problem
from keepiton.operate.doctor.types import lazy_gettext as _
from keepiton.probe import certificate, net
from keepiton.probe.connectivity import DEFAULT_ROUTE_TARGETS
from keepiton.probe.run import LIBRARIES

PYTHON_ENDS = {
    (3, 11): date(2027, 10, 31),
    (3, 12): date(2028, 10, 31),
    (3, 13): date(2029, 10, 31),
    (3, 14): date(2030, 10, 31),
}
"""Last day of security fixes of each Python (PEP 664, 693, 719 and 745)."""
OPENSSL = (3, 0)
"""The oldest OpenSSL that still gets security fixes, from its project or from distributions; 1.1.1
ended on 11 September 2023."""
MANY_FILES = net.MAX_SOCKETS + net.RESERVED_FILES
"""More than a run has open at any time."""
FEW_FILES = 256
"""At 20 new connections a second, each of which may wait ten seconds, and what else is open."""
OLD_DAYS, ANCIENT_DAYS = 400, 1100
"""Age of the pinned trust anchors: a year's root renewals missed, and three years'."""
PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "socks_proxy"})
TUNNEL = 65_534
"""Linux, if_arp.h: ARPHRD_NONE, the hardware type of tunnels such as WireGuard and OpenVPN."""
ADDRESS, KIND = 0x8915, 0x8927
"""Linux, sockios.h: SIOCGIFADDR and SIOCGIFHWADDR."""


def versions(context: CheckContext) -> CheckResult:
    """Check that every library is installed, and that Python and OpenSSL get security fixes."""
    versions = {"keepiton": __version__, "Python": platform.python_version()}
    missing = []
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            missing.append(name)
    versions["OpenSSL"] = ssl.OPENSSL_VERSION.split()[1]
    parts = ", ".join(f"{name} {number}" for name, number in versions.items())
    message = _("Installed: {parts}.", parts=parts)
    if missing:
        return problem(
            message,
            _("Missing: {names}.", names=", ".join(missing)),
            advice=_("Install keepiton anew; a part of it is gone."),
        )
    ended = PYTHON_ENDS.get(sys.version_info[:2])
    if ended and ended < context.now.date():
        return problem(
            message,
            _("This Python gets no more security fixes."),
            advice=_("Install a newer Python, and keepiton with it."),
        )
    if ssl.OPENSSL_VERSION.startswith("OpenSSL") and ssl.OPENSSL_VERSION_INFO < OPENSSL:
        return problem(
            message,
            _("This OpenSSL gets no more security fixes."),
            advice=_("Bring the system up to date, or install a newer Python."),
        )
    return ok(message)


def configuration(context: CheckContext) -> CheckResult:
    """Check that configuration files can be read, and changed by their owner alone."""
    paths = [path for path in context.config if os.path.isfile(path)]  # noqa: PTH113 - False where it may not be looked for
    if not paths:
        return ok(_("No configuration file; the usual values hold."))
    files = _("Read: {files}.", files=", ".join(map(context.display_path, paths)))
    unreadable = [path for path in paths if not os.access(path, os.R_OK)]
    if unreadable:
        return problem(
            _("Cannot be read: {files}.", files=", ".join(map(context.display_path, unreadable))),
            advice=_("Check who owns the file."),
        )
    if os.name == "posix" and any(path.stat().st_mode & 0o022 for path in paths):
        return problem(
            files,
            _("Other users of this machine can change it."),
            advice=_("Take that right away: chmod go-w, and the name of the file."),
        )
    return ok(files)


def surroundings(context: CheckContext) -> CheckResult:
    """Check that the home folder is the user's own, and that the terminal takes every character."""
    home = context.environment.get("HOME")
    folder = _("Data folder: {path}.", path=context.display_path(context.data))
    if os.name == "posix" and not home:
        message = _("HOME is not set.")
        advice = _("Name the data folder with --data, so that every run uses the same one.")
        return info(message, folder, advice=None if context.data_given else advice)
    if os.name == "posix" and home and _belongs_to_another(Path(home)) and not context.data_given:
        return problem(
            _("HOME is that of another user, or is not there."),
            folder,
            advice=_("Use sudo -H in place of sudo, or name the data folder with --data."),
        )
    coding = ((sys.stdout and sys.stdout.encoding) or "").lower()
    if not coding.startswith("utf"):
        return info(
            _("Characters: {coding}.", coding=coding or "-"),
            _("Only English can be shown so. For other languages set LANG=C.UTF-8."),
        )
    return ok(_("Home and characters ({coding}) are known.", coding=coding))


def _belongs_to_another(home: Path) -> bool:
    try:
        return home.stat().st_uid != os.geteuid()
    except OSError:
        return True


def open_files(context: CheckContext) -> CheckResult:
    """Check that a run may open as many files and sockets as it needs."""
    del context
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        raise CheckSkipped(_("This system has no such limit.")) from None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= MANY_FILES:
        return ok(_("A run may open all {n} files and connections that it can use.", n=MANY_FILES))
    message = _("{hard} files and connections may be open at once.", hard=max(soft, hard))
    if hard >= FEW_FILES:
        return info(message, _("Long lists take longer so."))
    return problem(
        message,
        _("That is few: runs take long, and may not end in time."),
        advice=_(
            "Raise the limit: ulimit -n {n}, or LimitNOFILE={n} in a systemd service.", n=str(4096)
        ),
    )


def _roots(path: Path) -> frozenset[bytes]:
    """Read the certificates of a file. Raises OSError or ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(path))
    return frozenset(context.get_ca_certs(binary_form=True))


def trust_anchors(context: CheckContext) -> CheckResult:
    """Check that the trust anchors can be read, and are not old."""
    import certifi  # noqa: PLC0415 - as where it is used

    try:
        pinned = _roots(context.roots or Path(certifi.where()))
    except (OSError, ValueError):
        pinned = frozenset()
    if not pinned:
        return problem(
            _("The trust anchors cannot be read: no certificate can be judged."),
            advice=_("Install keepiton anew, or leave out --roots."),
        )
    messages = [_("{n} trust anchors.", n=len(pinned))]
    system = certificate.system_store()
    if system and system.is_file():
        own = _roots(system)
        messages.append(
            _(
                "This system's own store has {n}, {other} of them not among these.",
                n=len(own),
                other=len(own - pinned),
            )
        )
    released = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})", version("certifi"))
    if context.roots or not released:
        return ok(*messages)
    year, month, day = map(int, released.groups())
    days = (context.now.date() - date(year, month, day)).days
    if days < OLD_DAYS:
        return ok(*messages)
    messages.append(_("They are {days} days old.", days=days))
    advice = _("Update keepiton with its libraries: pip install -U keepiton certifi")
    return (problem if days >= ANCIENT_DAYS else info)(*messages, advice=advice)


def default_route(context: CheckContext) -> CheckResult:
    """Check for a proxy or VPN between this machine and what a run measures."""
    names = sorted(
        name for name, value in context.environment.items() if name.lower() in PROXIES and value
    )
    messages, advice = [], None
    if names:
        messages.append(
            _(
                "Proxy variables are set: {names}. keepiton goes straight, without them.",
                names=", ".join(names),
            )
        )
        advice = _("Where only the proxy leads out of this network, nothing can be measured.")
    if _tunnel():
        messages.append(_("The way out leads through a tunnel, as that of a VPN."))
        advice = _(
            "If it is a VPN, turn it off for runs: they would describe the network at its other"
            " end, and not yours."
        )
    if messages:
        return info(*messages, advice=advice)
    return ok(_("No proxy variable is set, and no tunnel was seen."))


def _tunnel() -> bool:
    """Whether the default route leads through a tunnel; False where that is not known."""
    own = net.route(DEFAULT_ROUTE_TARGETS[0])
    if sys.platform != "linux" or not own:
        return False
    import fcntl  # noqa: PLC0415 - not on Windows

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _number, name in socket.if_nameindex():
            try:
                request = struct.pack("256s", name.encode())
                address = fcntl.ioctl(sock, ADDRESS, request)[20:24]
                (kind,) = struct.unpack_from("H", fcntl.ioctl(sock, KIND, request), 16)
            except OSError:  # it has no address, or was removed
                continue
            if socket.inet_ntoa(address) == own:
                return bool(kind == TUNNEL)
    return False
