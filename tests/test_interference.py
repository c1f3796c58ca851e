"""What is done to a connection in the lab, and what rows, findings and own line say of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import NAME_SERVER, RESOLVER, SITES, Lab

CENSOR = Path(__file__).with_name("censor.py")
VICTIM, OTHER = "alpha-1.test", "alpha-2.test"
HTTPS, HTTP = f"https://{VICTIM}/", f"http://{VICTIM}/"
AT = SITES[VICTIM]


@dataclass(frozen=True)
class Case:
    """What somebody does, and what must be said of it."""

    url: str = HTTPS
    rules: dict[str, Any] = field(default_factory=dict)
    """For the middlebox: what it does to which names, and which answers it forges."""
    nft: str = ""
    """What the world's packet filter drops or rejects."""
    failed: tuple[str, str | None] = ("http", None)
    """Stage and failure of the target's last row of its own chain."""
    found: frozenset[tuple[str, str | None]] = frozenset({("reached", None)})
    line: str = "up"
    redirected: bool = False


def says(*pairs: tuple[str, str | None]) -> frozenset[tuple[str, str | None]]:
    return frozenset(pairs)


def interference(artefact: str) -> frozenset[tuple[str, str | None]]:
    return says(("interference", artefact))


UNCLEAR = says(("insufficient", None))
CASES = {
    "nothing, over HTTPS": Case(),
    "nothing, over HTTP": Case(HTTP),
    "reset on the name in the handshake": Case(
        rules={"names": {VICTIM: "reset"}},
        failed=("tls", "connection_reset"),
        found=interference("sni reset"),
    ),
    "close on the name in the handshake": Case(
        rules={"names": {VICTIM: "eof"}},
        failed=("tls", "eof_error"),
        found=interference("sni eof"),
    ),
    "silence on the name in the handshake": Case(
        rules={"names": {VICTIM: "drop"}},
        failed=("tls", "generic_timeout_error"),
        found=interference("sni drop"),
    ),
    "reset of every handshake": Case(
        rules={"names": {VICTIM: "reset", "example.net": "reset"}},
        failed=("tls", "connection_reset"),
        found=UNCLEAR,
    ),
    "reset on the Host": Case(
        HTTP,
        {"names": {VICTIM: "reset"}},
        failed=("http", "connection_reset"),
        found=interference("host reset"),
    ),
    "close on the Host": Case(
        HTTP,
        {"names": {VICTIM: "eof"}},
        failed=("http", "eof_error"),
        found=interference("host eof"),
    ),
    "silence on the Host": Case(
        HTTP,
        {"names": {VICTIM: "drop"}},
        failed=("http", "generic_timeout_error"),
        found=interference("host drop"),
    ),
    "block page": Case(
        HTTP,
        {"names": {VICTIM: "page"}},
        found=interference("fingerprint:a1-mininfo"),
    ),
    "private address": Case(
        rules={"dns": {VICTIM: ["10.10.34.35"]}},
        failed=("dns", "dns_bogon_error"),
        found=interference("bogon"),
    ),
    "loopback address, over HTTP": Case(
        HTTP,
        {"dns": {VICTIM: ["127.0.0.1"]}},
        failed=("dns", "dns_bogon_error"),
        found=interference("bogon"),
    ),
    "name denied": Case(
        rules={"dns": {VICTIM: []}},
        failed=("dns", "dns_nxdomain_error"),
        found=interference("forged answer"),
    ),
    "another's address": Case(
        rules={"dns": {VICTIM: [SITES[OTHER]]}},
        failed=("http", None),
        found=interference("forged certificate"),
    ),
    "forged answer first, true one later": Case(
        rules={"dns": {VICTIM: [AT, SITES[OTHER]]}, "race": True},
        found=says(("interference", "injected answer"), ("reached", None)),
    ),
    "name that is gone everywhere": Case(
        "http://gone.test/", failed=("dns", "dns_nxdomain_error"), found=says(("broken_site", None))
    ),
    "name that is gone everywhere but here": Case(
        "http://gone.test/",
        {"dns": {"gone.test": [SITES[OTHER]]}},
        found=says(("interference", "forged answer"), ("reached", None)),
    ),
    "frozen after 16 kB": Case(
        f"https://{VICTIM}/big",
        {"freeze": 16_384},
        failed=("http", "generic_timeout_error"),
        found=interference("frozen"),
    ),
    "dropped": Case(
        nft=f"ip daddr {AT} tcp dport 443 drop",
        failed=("tcp", "generic_timeout_error"),
        found=UNCLEAR,
    ),
    "refused": Case(
        nft=f"ip daddr {AT} reject with tcp reset",
        failed=("tcp", "connection_refused"),
        found=UNCLEAR,
    ),
    "refuses for legal reasons": Case(
        f"https://{VICTIM}/451", found=says(("server_refuses", None))
    ),
    "redirect to a name that is reset": Case(
        f"https://{VICTIM}/go",
        {"names": {OTHER: "reset"}},
        failed=("http", None),
        found=interference("sni reset"),
        redirected=True,
    ),
    "redirect to a name that is denied": Case(
        f"https://{VICTIM}/go",
        {"dns": {OTHER: []}},
        failed=("http", None),
        found=interference("forged answer"),
        redirected=True,
    ),
    "captive portal": Case(
        HTTP,
        {"names": {"": "login"}},
        nft="tcp dport 443 reject with tcp reset",
        found=says(("captive_portal", None)),
        failed=("http", None),
        line="portal",
    ),
    "own resolver dead": Case(
        nft=f"ip daddr {RESOLVER} udp dport 53 drop",
        failed=("dns", "generic_timeout_error"),
        found=says(("resolver_trouble", None)),
        line="resolver",
    ),
    "own line dead": Case(
        nft="iifname down0 drop",
        failed=("dns", "generic_timeout_error"),
        found=says(("own_line", None)),
        line="down",
    ),
}


@contextmanager
def middlebox(lab: Lab, rules: dict[str, Any]) -> Iterator[None]:
    """Put the middlebox in the way, if there are rules for it."""
    if not rules:
        yield
        return
    ports = ", ".join(str(port) for port in ((80, 443) if {"names", "freeze"} & set(rules) else ()))
    redirects = f"tcp dport {{ {ports} }} redirect to :9001\n" if ports else ""
    redirects += "udp dport 53 redirect to :9053\n"
    chain = f"chain p {{\ntype nat hook prerouting priority -100;\niifname down0 {redirects}\n}}"
    chain = chain.replace("\nudp", "\niifname down0 udp")
    command = ["ip", "netns", "exec", lab.world]
    words = [*command, sys.executable, str(CENSOR), json.dumps(rules | {"truth": RESOLVER})]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as censor:
        try:
            assert censor.stdout
            assert censor.stdout.readline() == b"ready\n"
            text = f"table ip censor {{\n{chain}\n}}\n"
            subprocess.run([*command, "nft", "-f", "-"], input=text.encode(), check=True)
            yield
        finally:
            censor.terminate()


def listing(folder: Path, url: str) -> Path:
    """Write a list of one target and the lab's controls, of no country: all fingerprints hold."""
    entries = [f'title = "x"\n[[target]]\nid = "victim"\nurl = "{url}"']
    places = {
        "foreign-1.test": "foreign",
        "foreign-2.test": "foreign",
        SITES["foreign-3.test"]: "foreign",
        "home-1.test": "domestic",
    }
    entries += [
        f'[[target]]\nid = "{place}"\nurl = "http://{place}/"\ncontrol = "{kind}"\n'
        'expect = { status = 200, body = "well" }'
        for place, kind in places.items()
    ]
    entries.append(
        f'[[target]]\nid = "dns"\naddresses = ["{NAME_SERVER}"]\nports = ["53/udp"]\n'
        'query = { name = "test.", type = "SOA" }\ncontrol = "foreign"'
    )
    path = folder / "list.toml"
    path.write_text("\n".join(entries) + "\n")
    return path


def probe(lab: Lab, folder: Path, case: Case, data: str) -> subprocess.CompletedProcess[str]:
    return lab.run(
        *("probe", str(listing(folder, case.url)), "--data", str(folder / data), "--again"),
        *("--roots", str(lab.roots), "--pause", "0.2", "--perspective", "inside"),
        *("--doh", f"tcp://{NAME_SERVER}", "--vantage", "v-test"),
    )


@pytest.mark.parametrize("name", CASES)
def test_what_is_done_to_a_connection_is_named(open_lab: Lab, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    open_lab.nft(case.nft)
    with middlebox(open_lab, case.rules):
        done = probe(open_lab, tmp_path, case, "data")
    assert done.returncode == (4 if case.line in ("down", "portal") else 0), done.stderr
    (result,) = tmp_path.rglob("*.jsonl")
    rows = [json.loads(line) for line in result.read_text().splitlines()]
    assert rows[-1]["line"] == case.line
    mine = [row for row in rows if row.get("target") == "victim" and not row.get("aside")]
    own = [row for row in mine if not row.get("hop") and "AAAA" not in row.get("query", "")]
    assert (own[-1]["stage"], own[-1].get("failure")) == case.failed
    assert any(row.get("hop") for row in mine) == case.redirected
    shown = open_lab.run("findings", "--format", "json", str(result))
    found = json.loads(shown.stdout)
    assert {(one["kind"], one["artefact"]) for one in found} == case.found, shown.stdout
    for one in found:
        assert all(rows[at - 1]["target"] == "victim" for at in one["rows"])


def test_a_reference_tells_what_fails_here_only(open_lab: Lab, tmp_path: Path) -> None:
    """The same probe from where nothing is in the way."""
    lab, case = open_lab, CASES["refused"]
    assert probe(lab, tmp_path, case, "clear").returncode == 0
    lab.nft(case.nft)
    assert probe(lab, tmp_path, case, "cut").returncode == 0
    words = ("findings", str(tmp_path / "cut"), "--format", "json")
    (alone,) = json.loads(lab.run(*words).stdout)
    (beside,) = json.loads(lab.run(*words, "--reference", str(tmp_path / "clear")).stdout)
    (same,) = json.loads(lab.run(*words, "--reference", str(tmp_path / "cut")).stdout)
    assert [one["kind"] for one in (alone, beside, same)] == [
        "insufficient",
        "disruption",
        "broken_site",
    ]
