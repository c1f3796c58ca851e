"""systemd timers: of a user, and of the machine in a sandbox (systemd.exec(5), v252)."""

import os
import shlex
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.operate.schedule import job as jobs
from keepiton.operate.schedule.job import DAY, HOUR, MINUTE, NAME, InstalledSchedule, Job, Kind

STATE = Path("/var/lib/keepiton")
"""Data folder of the machine's runs: ``%S/keepiton``, made by systemd (StateDirectory=)."""
UNITS = Path("/etc/systemd/system")
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - named, not used
"""Folders hidden from the machine's unit (ProtectHome=, PrivateTmp=)."""

EITHER = """\
UMask=0077
Nice=10
MemoryMax=512M
TasksMax=64
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""
"""Settings of both units: they need no privilege and no user namespace, which some systems refuse.
asyncio and the resolver use AF_UNIX; the C library reads the machine's addresses by AF_NETLINK."""

MACHINE = f"""\
DynamicUser=yes
StateDirectory={NAME}
StateDirectoryMode=0700
Environment=KEEPITON_DATA=%S/{NAME}
CapabilityBoundingSet=
DevicePolicy=closed
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
"""
"""Settings that only the machine's manager can apply."""


def calendar(every_s: int, phase_s: int) -> str:
    """Return a period as a calendar event, in UTC: summer time does not move it."""
    hours, rest = divmod(phase_s, HOUR)
    minute, second = divmod(rest, MINUTE)
    if every_s < HOUR:
        return f"*-*-* *:{minute:02}/{every_s // MINUTE}:{second:02} UTC"
    if every_s == DAY:
        return f"*-*-* {hours:02}:{minute:02}:{second:02} UTC"
    return f"*-*-* {hours:02}/{every_s // HOUR}:{minute:02}:{second:02} UTC"


def quoted(words: list[str]) -> str:
    """Return a command for ExecStart=, which expands ``%`` and ``$`` even in quotes."""
    if any(sign in words[0] for sign in "$\\\"'"):
        raise UserError(
            f"{words[0]}: systemd takes no such path; install keepiton in a plainer one"
        )
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if escaped and set(escaped).isdisjoint(" \"'\\;") else f'"{escaped}"'


def unquoted(text: str) -> list[str]:
    """Parse a command that :func:`quoted` wrote."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(text)]


def _files(job: Job, folder: Path, command: list[str], unit: str, service: str) -> dict[str, str]:
    jobs.check_printable(job)
    line = f"# {job.mark}\n"
    path = folder / NAME
    return {
        f"{path}.service": f"{line}[Unit]\nDescription=keepiton probe\n{unit}\n"
        f"[Service]\nType=oneshot\nExecStart={quoted(command)}\nSuccessExitStatus=4 75\n"
        f"TimeoutStartSec={job.limit_s}\n{service}",
        f"{path}.timer": f"{line}[Unit]\nDescription=keepiton probe every {job.every}\n\n"
        f"[Timer]\nOnCalendar={calendar(job.every_s, job.phase_s)}\n"
        f"RandomizedDelaySec={job.jitter_s}\nAccuracySec=1s\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n",
    }


def _units() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "systemd/user"


def of_user(job: Job) -> dict[str, str]:
    """Return the service and timer of a user. Raises UserError."""
    return _files(job, _units(), job.words(jitter=False), "", EITHER)


def of_machine(job: Job) -> dict[str, str]:
    """Return the service and timer of the machine. Raises UserError."""
    network = "Wants=network-online.target\nAfter=network-online.target\n"
    command = job.words(jitter=False, data=False)
    return _files(job, UNITS, command, network, EITHER + MACHINE)


def reachable() -> bool:
    """Whether this user's manager runs; XDG_RUNTIME_DIR is set to the usual folder if unset."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    if (folder / "systemd/private").exists():
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        return True
    return False


def lingers() -> bool:
    """Whether this user's timers also run without a login."""
    import pwd  # noqa: PLC0415 - not on every system

    return (Path("/var/lib/systemd/linger") / pwd.getpwuid(os.getuid()).pw_name).exists()


def _install(files: dict[str, str], mode: int, *manager: str) -> None:
    jobs.run_program("systemctl", *manager, "show", "--property=Version")  # does it run?
    for path, text in files.items():
        jobs.write(Path(path), text, mode)
    jobs.run_program("systemctl", *manager, "daemon-reload")
    jobs.run_program("systemctl", *manager, "enable", f"{NAME}.timer")
    jobs.run_program("systemctl", *manager, "restart", f"{NAME}.timer")


def _install_user(job: Job) -> None:
    reachable()
    _install(of_user(job), 0o600, "--user")


def _install_machine(job: Job) -> None:
    for path in _needed_paths(job):
        real = (Path(path).absolute(), Path(path).resolve())
        if any(place.is_relative_to(hidden) for place in real for hidden in HIDDEN):
            raise UserError(
                f"{path}: the machine's timer sees nothing under {' '.join(HIDDEN)}; install"
                " keepiton elsewhere (pipx install --global keepiton, or a virtual environment in"
                " /opt), keep lists in /etc/keepiton, or use --kind systemd or cron"
            )
    _install(of_machine(job), 0o644)


def _needed_paths(job: Job) -> list[str]:
    """List the paths that a run reads."""
    return [job.python, __file__, *(word for word in job.options if Path(word).is_absolute())]


def _remove(folder: Path, *manager: str) -> None:
    paths = [folder / f"{NAME}{ending}" for ending in (".timer", ".service")]
    own = [path for path in paths if jobs.own_text(path) is not None]
    reachable = True
    try:
        jobs.run_program("systemctl", *manager, "disable", "--now", f"{NAME}.timer")
    except UserError:  # no manager runs: the next one would start what these files say
        reachable = False
    for path in own:
        path.unlink()
    if reachable:
        jobs.run_program("systemctl", *manager, "daemon-reload")
    else:
        (folder / f"timers.target.wants/{NAME}.timer").unlink(missing_ok=True)


def _find(folder: Path) -> InstalledSchedule | None:
    path = folder / f"{NAME}.timer"
    service = jobs.own_text(path.with_suffix(".service"))
    if jobs.own_text(path) is None or service is None:
        return None
    return jobs.installed_schedule(str(path), service, _command)


def _command(service: str) -> list[str]:
    line = next((line for line in service.split("\n") if line.startswith("ExecStart=")), "")
    return unquoted(line.partition("=")[2])


def _remove_user() -> None:
    reachable()
    _remove(_units(), "--user")


USER = Kind(
    of_user,
    _install_user,
    _remove_user,
    lambda: _find(_units()),
    f"systemctl --user list-timers {NAME}.timer; journalctl --user -u {NAME}.service",
    utc=True,
)
SYSTEM = Kind(
    of_machine,
    _install_machine,
    lambda: _remove(UNITS),
    lambda: _find(UNITS),
    f"systemctl list-timers {NAME}.timer; journalctl -u {NAME}.service",
    utc=True,
    of_machine=True,
)
