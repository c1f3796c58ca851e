"""A small country of our own: a client, a world and a client abroad in network namespaces.

nginx answers for the sites and unbound for the names. nftables in the world drops or rejects, and
a router in user space (router.py) can be put in the client's way that does much more. Nothing leads
out of the namespaces, so public-looking addresses can be used as they are.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from lab import sites

SPEED = 3
"""How much faster the probe's clocks run where only its patience is waited for."""
KEEPITON = str(Path(sys.executable).with_name("keepiton"))
CLIENT = "5.45.64.2"
CLIENT6 = "2a05:45:64::2"
GATEWAY = "5.45.64.1"
ABROAD = "5.45.66.2"
ABROAD_GATEWAY = "5.45.66.1"
ROUTER = Path(__file__).with_name("router.py")
RESOLVER = "5.45.65.53"

SITES = {
    "alpha-1.test": "5.45.70.1",
    "alpha-2.test": "5.45.70.2",
    "beta-1.test": "5.45.71.1",
    "beta-2.test": "5.45.71.2",
    "foreign-1.test": "5.45.80.1",
    "foreign-2.test": "5.45.81.1",
    "foreign-3.test": "5.45.82.1",
    "home-1.test": "5.45.90.1",
    "home-2.test": "5.45.91.1",
}
NAME_SERVER = "5.45.83.53"
AUTHORITIES = {
    **{f"5.45.92.{n}": "tld-ns-domestic" for n in range(1, 11)},
    **{f"5.45.84.{n}": "tld-ns-abroad" for n in range(1, 11)},
}
"""Servers of the zone, which only say whom to ask for a site: so many that all cases get a turn."""
NO_ROUTE = {"beta-1.test": "2a00:5:45::1"}
"""A second address of a site, of a family that the client has no route for."""

LIST = """\
title = "the lab"
country = "zz"
default = true

{targets}
[[target]]
id = "foreign-dns"
addresses = ["5.45.83.53"]
ports = ["53/udp"]
query = {{ name = "test.", type = "SOA" }}
control = "foreign"
"""


def missing() -> str | None:
    """Say why the lab cannot be built on this machine, or None."""
    for command in ("ip", "nft", "nginx", "unbound", "faketime"):
        if not shutil.which(command, path=os.environ["PATH"] + ":/usr/sbin"):
            return f"{command} is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        return "network namespaces are not permitted"
    return None if Path("/dev/net/tun").exists() else "there is no TUN device"


def targets_toml() -> str:
    """Write the lab's list: two operators, three web controls abroad, two at home."""
    entries = []
    for name in SITES:
        group = name.split("-")[0]
        scheme = "https" if group in ("alpha", "beta") else "http"
        entry = ["[[target]]", f'id = "{name}"', f'url = "{scheme}://{name}/"']
        if group in ("foreign", "home"):
            control = "domestic" if group == "home" else "foreign"
            entry += [f'control = "{control}"', 'expect = { status = 200, body = "well" }']
        else:
            entry += [f'operator = "{group}"', "asn = 64500"]
        entries.append("\n".join(entry) + "\n")
    return LIST.format(targets="\n".join(entries))


class Lab:
    """The namespaces and what runs in them."""

    def __init__(self, folder: Path) -> None:
        """Take a folder for certificates, configuration and logs."""
        self.folder = folder
        self.client = f"kc{os.getpid()}"
        self.world = f"kw{os.getpid()}"
        self.abroad = f"ka{os.getpid()}"
        self.list = folder / "lab.toml"
        self.roots = folder / "roots.pem"
        self.servers: list[subprocess.Popen[bytes]] = []

    def ip(self, *words: str) -> None:
        """Run one ip command."""
        subprocess.run(["ip", *words], check=True)

    def nft(self, rules: str) -> None:
        """Replace the world's rules: what it drops or rejects of what comes in."""
        chain = f"chain input {{\ntype filter hook input priority 0;\n{rules}\n}}"
        text = f"flush ruleset\ntable inet lab {{\n{chain}\n}}\n"
        subprocess.run(
            ["ip", "netns", "exec", self.world, "nft", "-f", "-"], input=text.encode(), check=True
        )

    def link(self, state: str) -> None:
        """Pull or plug the client's cable."""
        self.ip("-n", self.client, "link", "set", "up0", state)
        if state == "up":
            self.ip("-n", self.client, "route", "replace", "default", "via", GATEWAY)

    @contextmanager
    def router(self, rules: list[dict[str, Any]], own: str = CLIENT) -> Iterator[None]:
        """Put the router in user space in the client's way, for both families.

        With another address of its ``own`` the client is as behind a VPN.
        """
        words = self.within(self.world, sys.executable, str(ROUTER), json.dumps(rules))
        with subprocess.Popen(words, stdout=subprocess.PIPE) as router:
            try:
                assert router.stdout
                assert router.stdout.readline() == b"ready\n"
                near, far = ("-n", self.client), ("-n", self.world)
                self.ip(*far, "link", "set", "near0", "netns", self.client)
                self.ip(*near, "link", "set", "near0", "up")
                self.ip(*far, "link", "set", "far0", "up")
                self.ip(*near, "addr", "add", f"{CLIENT6}/128", "dev", "near0", "nodad")
                self.ip(*near, "-6", "route", "add", "default", "dev", "near0")
                self.ip(*near, "addr", "replace", f"{own}/32", "dev", "near0")
                self.ip(*near, "route", "replace", "default", "dev", "near0", "src", own)
                self.ip(*far, "route", "add", f"{own}/32", "dev", "far0")
                self.ip(*far, "-6", "route", "add", f"{CLIENT6}/128", "dev", "far0")
                yield
            finally:
                router.terminate()
                router.wait(10)
                self.link("up")

    @contextmanager
    def capture(self, seen: set[str]) -> Iterator[None]:
        """Note every address that the client sends datagrams to or opens connections to."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o777)  # tcpdump gives up root
            path = f"{folder}/all.pcap"
            tap = self.within(self.client, "tcpdump", "-i", "any", "-nn", "-U", "-w", path)
            with subprocess.Popen(tap, stderr=subprocess.PIPE) as tcpdump:
                try:
                    assert tcpdump.stderr
                    assert b"listening" in tcpdump.stderr.readline() + tcpdump.stderr.readline()
                    yield
                    time.sleep(0.3)
                finally:
                    tcpdump.terminate()
            # What begins: an earlier run's connections may still be ending.
            begins = "udp or tcp[13] & 18 == 2 or (ip6[6] == 6 and ip6[53] & 18 == 2)"
            words = ["tcpdump", "-nn", "-r", path, begins]
            read = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        seen |= set(re.findall(r"> ([0-9a-f.:]+?)\.\d+:", read)) - {CLIENT, CLIENT6}

    def within(self, namespace: str, *words: str) -> list[str]:
        """Write the command line that runs a command in a namespace."""
        return ["ip", "netns", "exec", namespace, *words]

    def run(
        self,
        *words: str,
        at: str | None = None,
        env: dict[str, str] | None = None,
        where: str | None = None,
        speed: int = 1,
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed keepiton in the client's namespace or another.

        With its clock set if asked, and as many times as fast: its patience is over sooner.
        """
        still = {"FAKETIME_DONT_FAKE_MONOTONIC": "1"} if speed == 1 else {}
        return subprocess.run(
            self.command(*words, at=at, where=where, speed=speed),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | still | (env or {}),
        )

    def command(
        self, *words: str, at: str | None = None, where: str | None = None, speed: int = 1
    ) -> list[str]:
        """Write the command line that runs keepiton in a namespace, the client's by default."""
        set_to = (f"@{at}" if at else "+0") + (f" x{speed}" if speed > 1 else "")
        clock = ["faketime", "-f", set_to] if at or speed > 1 else []
        return self.within(where or self.client, *clock, KEEPITON, *words)

    def words(self, data: Path) -> list[str]:
        """Write what every probe of the lab's list says."""
        return [
            "probe",
            str(self.list),
            "--data",
            str(data),
            "--roots",
            str(self.roots),
            "--no-doh",
        ]

    def probe(
        self, data: Path, *words: str, at: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a probe of the lab's list."""
        return self.run(
            *self.words(data),
            *("--pause", "0.2", "--rate", "200", "--again", *words),
            at=at,
            speed=SPEED,
        )

    def build(self) -> None:
        """Make the namespaces, the certificates and the servers."""
        for name in (self.client, self.world, self.abroad):
            self.ip("netns", "add", name)
            self.ip("-n", name, "link", "set", "lo", "up")
        for name, device, own, gateway in (
            (self.client, "down0", CLIENT, GATEWAY),
            (self.abroad, "down1", ABROAD, ABROAD_GATEWAY),
        ):
            self.ip(
                *("link", "add", "up0", "netns", name),
                *("type", "veth", "peer", "name", device, "netns", self.world),
            )
            self.ip("-n", name, "addr", "add", f"{own}/30", "dev", "up0")
            self.ip("-n", self.world, "addr", "add", f"{gateway}/30", "dev", device)
            self.ip("-n", self.world, "link", "set", device, "up")
            etc = Path("/etc/netns") / name
            etc.mkdir(parents=True)
            (etc / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
        self.ip("-n", self.abroad, "link", "set", "up0", "up")
        self.ip("-n", self.abroad, "route", "add", "default", "via", ABROAD_GATEWAY)
        for address in (*SITES.values(), RESOLVER, NAME_SERVER, *AUTHORITIES):
            self.ip("-n", self.world, "addr", "add", f"{address}/32", "dev", "lo")
        block = f"{sites.COUNTRY.block}.0.0/16"
        self.ip("-n", self.world, "route", "add", "local", block, "dev", "lo")
        for address in sites.six(sites.COUNTRY):
            self.ip("-n", self.world, "addr", "add", f"{address}/128", "dev", "lo", "nodad")
        self.link("up")
        self.list.write_text(targets_toml())
        self._nginx()
        self._names()
        self._wait()

    def _nginx(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.roots))
        blocks = []
        for name, address in SITES.items():
            certificate = authority.issue_cert(name)
            pem = self.folder / f"{name}.pem"
            certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
            blocks.append(
                f"server {{ listen {address}:80; listen {address}:443 ssl http2;"
                f" ssl_certificate {pem}; ssl_certificate_key {pem};"
                ' location / { default_type text/plain; return 200 "well\\n"; } }'
            )
        blocks.append(sites.nginx(sites.COUNTRY, authority, self.folder, CLIENT))
        config = self.folder / "nginx.conf"
        config.write_text(sites.nginx_conf(self.folder, "\n".join(blocks)))
        self.serve("nginx", "-c", str(config), "-p", str(self.folder))

    def _names(self) -> None:
        """Serve the names: by a resolver and a server abroad, and by servers of the zone."""
        records = [f"{name}. A {at}" for name, at in SITES.items()]
        records += [f"{name}. AAAA {at}" for name, at in NO_ROUTE.items()]
        records += sites.records(sites.COUNTRY)
        soa = "SOA ns.test. root.test. 1 60 60 60 60"
        data = "".join(f'  local-data: "{one}"\n' for one in (f"test. {soa}", *records))
        self._unbound("resolver", (RESOLVER, NAME_SERVER), f"  local-zone: test. static\n{data}")
        zone = self.folder / "test.zone"
        cuts = sorted({record.split()[0] for record in records})
        zone.write_text(
            f"test. 60 {soa}\ntest. 60 NS ns.test.\nns.test. 60 A 5.45.92.1\n"
            + "".join(f"{cut} 60 NS ns.hoster.example.\n" for cut in cuts)
        )
        self._unbound(
            "authority",
            AUTHORITIES,
            f"  local-zone: test. nodefault\nauth-zone:\n  name: test.\n  zonefile: {zone}\n"
            "  for-upstream: no\n  for-downstream: yes\n",
        )

    def _unbound(self, name: str, listening: Iterable[str], more: str) -> None:
        interfaces = "".join(f"  interface: {one}\n" for one in listening)
        config = self.folder / f"{name}.conf"
        config.write_text(
            "server:\n  do-daemonize: no\n  use-syslog: no\n  username: ''\n  chroot: ''\n"
            f"  pidfile: ''\n  directory: {self.folder}\n  access-control: 0.0.0.0/0 allow\n"
            f"{interfaces}{more}remote-control:\n  control-enable: no\n"
        )
        self.serve("unbound", "-d", "-p", "-c", str(config))

    def serve(self, *words: str) -> None:
        """Start a server in the world."""
        log = (self.folder / f"{words[0]}.log").open("wb")
        with log:
            self.servers.append(
                subprocess.Popen(self.within(self.world, *words), stdout=log, stderr=log)
            )

    def _wait(self) -> None:
        until = time.monotonic() + 20
        probe = (
            "import socket\n"
            f"socket.create_connection(('{SITES['home-2.test']}', 443), 1)\n"
            f"socket.create_connection(('{RESOLVER}', 53), 1)\n"
            f"socket.create_connection(('{min(AUTHORITIES)}', 53), 1)\n"
        )
        while time.monotonic() < until:
            words = ["ip", "netns", "exec", self.client, sys.executable, "-c", probe]
            if subprocess.run(words, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        logs = {path.name: path.read_text() for path in self.folder.glob("*.log")}
        raise RuntimeError(f"the lab's servers did not come up: {logs}")

    def demolish(self) -> None:
        """End what was started, by id, and remove the namespaces."""
        for server in self.servers:
            server.terminate()
            server.wait(10)
        for name in (self.client, self.world, self.abroad):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)


@contextmanager
def standing() -> Iterator[Lab]:
    """Give a lab that stands, and take it down afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        lab = Lab(Path(folder))
        try:
            lab.build()
            yield lab
        finally:
            lab.demolish()


def addresses_of(sites: Sequence[str]) -> str:
    """Write an nftables set of the addresses of sites."""
    return "{ " + ", ".join(SITES[name] for name in sites) + " }"
