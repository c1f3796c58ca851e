"""Every scenario of the lab: what rows, findings and own line say of what is done to a connection.

Those that share a command line and an own line that works go through one run, all at once: what is
done to one target must not rub off on another.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import trustme

import conftest
import loopback
from lab import (
    AUTHORITIES,
    CLIENT,
    CLIENT6,
    NAME_SERVER,
    RESOLVER,
    SITES,
    SPEED,
    Lab,
    missing,
    sites,
)
from lab.scenarios import CASES, WELL, Case, Says

MEANINGS = {
    "RESOLVER": RESOLVER,
    "DNS": NAME_SERVER,
    "PROXY": SITES["beta-2.test"],
    **{f"FOREIGN{n}": SITES[f"foreign-{n}.test"] for n in (1, 2, 3)},
}
SLOW = "3 kB a second"
"""What it shows is a speed, so no clock may run faster."""
CONTROLS = {
    name: f"http://{SITES[name] if name == 'foreign-3.test' else name}/" for name in sites.CONTROLS
}


@dataclass(frozen=True)
class Seen:
    """What one run wrote, and what is found in it."""

    rows: list[dict[str, Any]]
    alone: list[dict[str, Any]]
    beside: list[dict[str, Any]]
    """The findings without and with a reference."""
    contacted: frozenset[str] = frozenset()
    """Addresses that packets went to."""
    written: str = ""
    """All that was written and printed."""


def together(name: str) -> tuple[str, ...]:
    """Name the cases that go through one run with a case."""
    case = CASES[name]
    if case.line != "up" or case.words:
        return (name,)
    return tuple(one for one, other in CASES.items() if other.line == "up" and not other.words)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    (result,) = folder.rglob("*.jsonl")
    return [json.loads(line) for line in result.read_text().splitlines()]


@pytest.fixture(scope="module")
def seen(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[tuple[str, ...]], Seen]:
    """Run cases once, from the client behind the router and from abroad."""

    @cache
    def run(group: tuple[str, ...]) -> Seen:
        lab: Lab = request.getfixturevalue("lab")
        folder = tmp_path_factory.mktemp("scenarios")
        numbers = [sites.names().index(name) for name in group]
        listing = folder / "list.toml"
        listing.write_text(
            sites.listing(sites.COUNTRY, numbers, CONTROLS, NAME_SERVER, authorities=AUTHORITIES)
        )
        rules = list(chain.from_iterable(sites.COUNTRY.rules(n, **MEANINGS) for n in numbers))
        words = (
            *("probe", str(listing), "--again", "--roots", str(lab.roots), "--pause", "0.2"),
            *("--perspective", "inside", "--doh", f"tcp://{NAME_SERVER}", "--vantage", "v-test"),
            *CASES[group[0]].words,
        )
        contacted: set[str] = set()
        speed = 1 if SLOW in group else SPEED
        with subprocess.Popen(
            lab.command(*words, "--data", str(folder / "there"), where=lab.abroad, speed=speed),
            stderr=subprocess.PIPE,
        ) as other:
            with lab.router(rules), lab.capture(contacted):
                done = lab.run(*words, "--data", str(folder / "here"), speed=speed)
            assert other.communicate()[1] is not None
        assert other.returncode == 0
        lost = CASES[group[0]].line in ("down", "portal")
        assert done.returncode == (4 if lost else 0), done.stderr
        find = ("findings", str(folder / "here"), "--format", "json")
        alone, beside = (
            json.loads(lab.run(*find, *more).stdout)
            for more in ((), ("--reference", str(folder / "there")))
        )
        written = "".join(one.read_text() for one in (folder / "here").rglob("*") if one.is_file())
        printed = (done.stdout + done.stderr).replace(str(folder), "")
        told = json.dumps([alone, beside]) + printed + written
        return Seen(rows_of(folder / "here"), alone, beside, frozenset(contacted), told)

    return run


def said(found: list[dict[str, Any]], target: str) -> Says:
    return frozenset((one["kind"], one["artefact"]) for one in found if one["target"] == target)


def holds(case: Case, target: str, seen: Seen) -> None:
    """Compare a case's rows and findings with what must be said."""
    mine = [row for row in seen.rows if row.get("target") == target and not row.get("aside")]
    own = [row for row in mine if not row.get("hop") and "AAAA" not in row.get("query", "")]
    last = own[-1]
    assert (last["stage"], last.get("failure")) == case.end
    assert {name: last.get(name) for name in case.alike} == case.alike
    assert any(row.get("hop") for row in mine) == case.hops
    alone = case.found if case.alone is None else case.alone
    assert (said(seen.alone, target), said(seen.beside, target)) == (alone, case.found)
    rules = {one["rule"] for one in seen.beside if one["target"] == target}
    assert case.rule is None or case.rule in rules
    for one in chain(seen.alone, seen.beside):
        assert all(seen.rows[at - 1]["target"] == one["target"] for at in one["rows"])


Look = Callable[[tuple[str, ...]], Seen]


@pytest.mark.parametrize("name", CASES)
def test_what_is_done_to_a_connection_is_named(seen: Look, name: str) -> None:
    reason = missing()
    if reason:
        pytest.skip(f"{reason}; {CASES[name].needs or 'this one is made on loopback instead'}")
    one = seen(together(name))
    assert one.rows[-1]["line"] == CASES[name].line
    holds(CASES[name], f"case-{sites.names().index(name)}", one)


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("name", sorted({min(together(name)) for name in CASES}))
def test_packets_go_to_listed_hosts_and_resolvers_only(seen: Look, name: str) -> None:
    """In every scenario; and nothing that is written or printed names this machine."""
    group = together(name)
    numbers = [sites.names().index(one) for one in group]
    allowed = {RESOLVER, *(SITES[one] for one in CONTROLS), NAME_SERVER, SITES["beta-2.test"]}
    allowed |= set(AUTHORITIES)
    for number in numbers:
        words = sites.COUNTRY.words(number, sites.case_of(number))
        allowed |= {words["AT"], words["THERE"], words["AT6"], "134.17.0.7"}
    one = seen(group)
    assert one.contacted <= allowed - {"127.0.0.1"}
    assert one.contacted
    assert not conftest.traces(one.written, CLIENT, CLIENT6, RESOLVER)


@pytest.fixture(scope="module")
def on_loopback() -> Iterator[Seen]:
    """Run every case that can be made so on loopback, behind a relay instead of the router."""
    if not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip("nginx is not installed")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # for nginx's own user
        yield probed_on_loopback(Path(folder))


def probed_on_loopback(folder: Path) -> Seen:
    http, https, names, *behind = (loopback.closed_port() for _ in range(5))
    ground = sites.Ground("127.46", "", http, https, (behind[0], behind[1]))
    numbers = [n for n, name in enumerate(sites.names()) if CASES[name].needs is None]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "roots.pem"))
    at = "127.46.250.1"
    blocks = sites.nginx(ground, authority, folder, "127.0.0.1")
    blocks += f"\nserver {{ listen {at}:{behind[0]}; location / {{ {WELL} }} }}"
    (folder / "nginx.conf").write_text(sites.nginx_conf(folder, blocks))
    controls = {name: f"http://{name}:{http}/" for name in CONTROLS}
    listing = folder / "list.toml"
    listing.write_text(sites.listing(ground, numbers, controls, "127.0.0.1", names))
    given = {
        "rules": [rule for number in numbers for rule in ground.rules(number)],
        "ports": [(http, behind[0]), (https, behind[1])],
        "names": names,
        "records": [
            *sites.records(ground),
            *(f"{name}. A {at}" for name in CONTROLS),
            "test. SOA ns.test. root.test. 1 60 60 60 60",
        ],
    }
    env = os.environ | {
        "PYTHONPATH": str(Path(__file__).parent),
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
    }
    keepiton = conftest.in_folder(folder)
    with (
        subprocess.Popen(
            ["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL, env=env
        ) as web,
        subprocess.Popen(
            [sys.executable, "-m", "lab.relay", json.dumps(given)], stdout=subprocess.PIPE, env=env
        ) as relay,
    ):
        try:
            assert relay.stdout
            assert relay.stdout.readline() == b"ready\n"
            done = keepiton(
                *("probe", str(listing), "--allow-private", "--roots", str(folder / "roots.pem")),
                *("--resolver", f"127.0.0.1:{names}", "--doh", f"tcp://127.0.0.1:{names}"),
                *("--perspective", "inside", "--data", str(folder / "here"), "--pause", "0.2"),
                env={"KEEPITON_NO_DOH": ""},
            )
            assert done.returncode == 0, done.stderr
        finally:
            web.terminate()
            relay.terminate()
    alone = json.loads(keepiton("findings", str(folder / "here"), "--format", "json").stdout)
    return Seen(rows_of(folder / "here"), alone, alone)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.needs is None])
def test_the_same_on_loopback(on_loopback: Seen, name: str) -> None:
    """Where namespaces are not permitted, this is what is left of the country."""
    case = CASES[name]
    assert on_loopback.rows[-1]["line"] == "up"
    found = case.found if case.alone is None else case.alone
    target = f"case-{sites.names().index(name)}"
    holds(replace(case, found=found, alone=found, rule=None), target, on_loopback)
