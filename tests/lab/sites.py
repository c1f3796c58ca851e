"""Real servers for the scenarios: two sites a case in nginx, their names, and a target list.

The same sites stand in the country of network namespaces and, on other addresses and ports, on
loopback.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import trustme

from lab.scenarios import CASES, Case

FAR_PAST = datetime(2001, 1, 1, tzinfo=UTC)
CONTROLS = {
    "foreign-1.test": "foreign",
    "foreign-2.test": "foreign",
    "foreign-3.test": "foreign",
    "home-1.test": "domestic",
}


@dataclass(frozen=True)
class Ground:
    """Where the sites stand."""

    block: str
    """First half of their addresses."""
    block6: str
    """Likewise of the other family; empty where there is none."""
    http: int = 80
    https: int = 443
    behind: tuple[int, int] = (80, 443)
    """The servers' own ports, where a relay has the others."""

    def words(self, number: int, case: Case) -> dict[str, str]:
        """Say what the words of a case stand for."""
        name = f"яндекс-{number}.test" if "another script" in names()[number] else f"s{number}.test"
        return {
            "SITE": name,
            "OTHER": f"o{number}.test",
            "AT6": f"{self.block6}:{number:x}::1",
            "AT": case.address if case.address not in ("AT", "", None) else self.at(number),
            "THERE": f"{self.block}.{number}.2",
        }

    def at(self, number: int) -> str:
        """Return the address that a case's site listens on."""
        return f"{self.block}.{number}.1"

    def say(self, text: str, number: int, **more: str) -> str:
        """Put a case's own names and addresses into a text, and the ports into its URLs."""
        for word, meaning in (self.words(number, case_of(number)) | more).items():
            text = re.sub(rf"\b{word}\b", meaning, text)
        for scheme, port, usual in (("http", self.http, 80), ("https", self.https, 443)):
            if port != usual:
                text = re.sub(rf"\b({scheme}://[^/ :;]+\.test)(?=/)", rf"\1:{port}", text)
        return text

    def rules(self, number: int, **more: str) -> list[dict[str, Any]]:
        """Return a case's rules with its own names and addresses in them."""
        return [
            {key: self._said(one, number, **more) for key, one in rule.items()}
            for rule in case_of(number).rules
        ]

    def _said(self, value: Any, number: int, **more: str) -> Any:  # noqa: ANN401 - a rule's field
        if isinstance(value, tuple):
            return [self.say(one, number, **more) for one in value]
        return self.say(value, number, **more) if isinstance(value, str) else value


COUNTRY = Ground("5.46", "2a05:46")


def names() -> list[str]:
    """List the cases; a case's number is its place in it."""
    return list(CASES)


def case_of(number: int) -> Case:
    """Return a case by number."""
    return CASES[names()[number]]


def ascii_of(name: str) -> str:
    """Write a name as it goes over the wire."""
    return name.encode("idna").decode()


def records(ground: Ground) -> Iterator[str]:
    """Write the true records of every case."""
    for number in range(len(CASES)):
        case, words = case_of(number), ground.words(number, case_of(number))
        if case.address:
            yield f"{ascii_of(words['SITE'])}. A {words['AT']}"
        if case.six:
            yield f"{ascii_of(words['SITE'])}. AAAA {words['AT6']}"
        yield f"{words['OTHER']}. A {words['THERE']}"


def six(ground: Ground) -> Iterator[str]:
    """Name the sites' addresses of the other family."""
    for number in range(len(CASES)):
        if case_of(number).six:
            yield ground.words(number, case_of(number))["AT6"]


def nginx(ground: Ground, authority: trustme.CA, folder: Path, client: str) -> str:
    """Write nginx's server blocks, with their certificates and pages in a folder.

    ``client`` is the address of the one client that is not abroad.
    """
    stranger = trustme.CA()
    (folder / "big.txt").write_text("x" * 200_000)
    with (folder / "large.bin").open("wb") as file:
        file.truncate(32 << 20)
    blocks = [f"geo $abroad {{ default 1; {client} 0; }}"]
    for number in range(len(CASES)):
        case, words = case_of(number), ground.words(number, case_of(number))
        site = ascii_of(words["SITE"])
        made = {
            "good": lambda site=site: authority.issue_cert(site),
            "expired": lambda site=site: authority.issue_cert(site, not_after=FAR_PAST),
            "foreign": lambda site=site: stranger.issue_cert(site),
            "wrong": lambda site=site: authority.issue_cert(f"wrong-{site}"),
        }[case.shows]()
        listening = [ground.at(number)] + [f"[{words['AT6']}]"] * bool(case.six and ground.block6)
        blocks.append(_block(ground, folder, site, listening, made, ground.say(case.page, number)))
        other = authority.issue_cert(words["OTHER"])
        there = [words["THERE"]]
        page = ground.say(case.other, number)
        blocks.append(_block(ground, folder, words["OTHER"], there, other, page))
    return "\n".join(blocks)


def _block(
    ground: Ground,
    folder: Path,
    name: str,
    listening: Iterable[str],
    certificate: trustme.LeafCert,
    page: str,
) -> str:
    pem = folder / f"{name}.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
    http, https = ground.behind
    listen = "".join(f" listen {one}:{http}; listen {one}:{https} ssl http2;" for one in listening)
    page = page.replace("FOLDER", str(folder))
    return (
        f"server {{{listen} ssl_certificate {pem}; ssl_certificate_key {pem};"
        f" default_type text/html; location / {{ {page} }} }}"
    )


def nginx_conf(folder: Path, blocks: str) -> str:
    """Write a configuration that keeps all its files in a folder."""
    places = "".join(
        f"{one}_temp_path {folder}; "
        for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; pid {folder}/nginx.pid; error_log stderr;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; {places}\n{blocks}\n}}\n"
    )


def listing(
    ground: Ground,
    numbers: Iterable[int],
    controls: dict[str, str],
    name_server: str,
    port: int = 53,
    authorities: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Write a list of cases and the lab's controls, of no country: all fingerprints hold.

    ``controls`` says where each of CONTROLS is asked for, ``authorities`` the role of each of the
    zone's own servers.
    """
    entries = ['title = "x"']
    entries += [
        f'[[target]]\nid = "case-{number}"\nurl = "{ground.say(case_of(number).url, number)}"'
        for number in numbers
    ]
    entries += [
        f'[[target]]\nid = "{name}"\nurl = "{controls[name]}"\ncontrol = "{kind}"\n'
        'expect = { status = 200, body = "well" }'
        for name, kind in CONTROLS.items()
    ]
    entries.append(
        f'[[target]]\nid = "dns"\naddresses = ["{name_server}"]\nports = ["{port}/udp"]\n'
        'query = { name = "test.", type = "SOA" }\ncontrol = "foreign"'
    )
    entries += [
        f'[[target]]\nid = "{address}"\naddresses = ["{address}"]\nports = ["53/udp"]\n'
        f'query = {{ name = "test.", type = "SOA" }}\nrole = "{role}"'
        for address, role in authorities.items()
    ]
    return "\n".join(entries) + "\n"
