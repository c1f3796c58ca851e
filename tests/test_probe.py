"""The chain and the runner against real servers on loopback."""

import asyncio
import errno
import hashlib
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

import loopback
from keepiton.base.types import Perspective, RowState
from keepiton.lists.types import Fingerprint, Query, Target
from keepiton.probe import certificate, failures, http, net, runner, scrub
from keepiton.probe import dns as dns_stage
from keepiton.probe import settings as limits
from keepiton.probe import target as chain
from keepiton.probe.context import TargetContext
from keepiton.probe.limits import RateLimiter
from keepiton.probe.runner import Runner
from keepiton.probe.settings import Settings
from keepiton.probe.types import (
    DnsFacts,
    Endpoint,
    EndpointResult,
    Facts,
    HttpFacts,
    Progress,
    TargetResult,
    TcpFacts,
    TlsFacts,
)
from keepiton.storage.rows import Measurement, MeasurementRow
from test_quic import udp

RUN = "0123456789ab"


def settings(**changes: Any) -> Settings:  # noqa: ANN401 - any field
    given: dict[str, Any] = {
        "resolvers": (),
        "headers": http.ORDINARY,
        "confirm": 0,
        "pause_s": 0.0,
        "rate": 5000.0,
        "allow_private": True,
    }
    return Settings(**(given | changes))


def probed(
    targets: Sequence[Target],
    perspective: Perspective = "outside",
    **changes: Any,  # noqa: ANN401
) -> tuple[list[Measurement], Progress]:
    rows: list[Measurement] = []

    async def run() -> Progress:
        return await Runner(RUN, targets, perspective, settings(**changes), rows.append).run_all()

    return rows, asyncio.run(run())


def control(port: int, kind: str = "foreign", number: int = 0) -> Target:
    return Target(
        id=f"{kind}-{number}",
        url=f"http://127.0.0.1:{port}/",
        control=kind,
        expect={"status": 200, "body": "well"},
    )


def of(rows: Sequence[Measurement], target: str) -> list[Measurement]:
    return [row for row in rows if row.target == target]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def roots(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("roots") / "roots.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def namesake(authority: trustme.CA) -> trustme.CA:
    """Make an authority that has the same name and another key: a forger."""
    subject = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
    (organization,) = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    (unit,) = subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return trustme.CA(
        organization_name=str(organization.value), organization_unit_name=str(unit.value)
    )


def serving_tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_one_connection_three_observations(authority: trustme.CA, roots: Path) -> None:
    context = serving_tls(authority.issue_cert("127.0.0.1"))
    talk = loopback.answering(loopback.page(extra="Server: test\r\n"))
    with (
        loopback.serving(loopback.answering(loopback.page())) as good,
        loopback.serving(talk, context) as server,
    ):
        target = Target(id="site", url=f"https://127.0.0.1:{server.port}/page?x=1")
        rows, progress = probed([target, control(good.port)], roots=roots)
        assert server.connections == 1
    site = of(rows, "site")
    assert [(row.stage, row.state, row.failure) for row in site] == [
        ("tcp", "ok", None),
        ("tls", "ok", None),
        ("http", "ok", None),
    ]
    tls, http_row = site[1:]
    assert (tls.tls_version, tls.certificate_sha256 is not None) == ("TLSv1.3", True)
    assert (http_row.status, http_row.body_length, http_row.server) == (200, 5, "test")
    assert server.requests[0].startswith(b"GET /page?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"keepiton" not in server.requests[0].lower(), "inside, traffic looks ordinary"
    assert progress.connectivity == "up"
    assert all(row.duration_ms is not None and row.at.tzinfo is UTC for row in site)


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("good", None),
        ("wildcard", None),
        ("expired", "ssl_invalid_certificate"),
        ("early", "ssl_invalid_certificate"),
        ("other name", "ssl_invalid_hostname"),
        ("stranger", "ssl_unknown_authority"),
        ("stranger with our authority's name", "ssl_unknown_authority"),
    ],
)
def test_a_bad_certificate_is_a_finding_and_the_chain_goes_on(
    authority: trustme.CA, roots: Path, kind: str, failure: str | None
) -> None:
    """An expired certificate is told from a forged one, and HTTP follows on the same connection."""
    issue: dict[str, Callable[[], trustme.LeafCert]] = {
        "good": lambda: authority.issue_cert("site.example"),
        "wildcard": lambda: authority.issue_cert("*.example"),
        "expired": lambda: authority.issue_cert(
            "site.example", not_after=datetime(2020, 1, 1, tzinfo=UTC)
        ),
        "early": lambda: authority.issue_cert(
            "site.example", not_before=datetime(2999, 1, 1, tzinfo=UTC)
        ),
        "other name": lambda: authority.issue_cert("other.example"),
        "stranger": lambda: trustme.CA().issue_cert("site.example"),
        "stranger with our authority's name": lambda: namesake(authority).issue_cert(
            "site.example"
        ),
    }
    talk = loopback.answering(loopback.page())
    with (
        loopback.serving(talk) as good,
        loopback.serving(talk, serving_tls(issue[kind]())) as server,
        resolving({"site.example": "127.0.0.1"}) as resolver,
    ):
        target = Target(id="site", url=f"https://site.example:{server.port}/")
        rows, _ = probed([target, control(good.port)], roots=roots, resolvers=(resolver,))
        assert server.connections == 1
    site = {row.stage: row for row in of(rows, "site") if row.stage != "dns"}
    assert site["tls"].failure == failure
    assert site["http"].status == 200
    assert site["http"].unverified is (True if failure else None)


def test_certificates_are_judged_by_the_pinned_bundle_by_default(authority: trustme.CA) -> None:
    context = serving_tls(authority.issue_cert("127.0.0.1"))
    talk = loopback.answering(loopback.page())
    with loopback.serving(talk) as good, loopback.serving(talk, context) as server:
        target = Target(id="site", url=f"https://127.0.0.1:{server.port}/")
        rows, _ = probed([target, control(good.port)])
    assert of(rows, "site")[1].failure == "ssl_unknown_authority"


class resolving:  # noqa: N801 - reads as a context
    """A name server on loopback with these names, in a thread of its own."""

    def __init__(self, names: dict[str, str | None]) -> None:
        self.names = names
        self.asked: list[str] = []

    def _talk(self) -> loopback.Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            query = dns.message.from_wire(await reader.readexactly(length))
            question = query.question[0]
            name = question.name.to_text(omit_final_dot=True)
            self.asked.append(name)
            message = dns.message.make_response(query)
            address = self.names.get(name)
            if address and (":" in address) == (question.rdtype == dns.rdatatype.AAAA):
                kind = "AAAA" if ":" in address else "A"
                message.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, address))
            elif name not in self.names:
                message.set_rcode(dns.rcode.NXDOMAIN)
            wire = message.to_wire()
            writer.write(struct.pack("!H", len(wire)) + wire)
            await writer.drain()

        return talk

    def __enter__(self) -> dns_stage.Resolver:
        self.context = loopback.serving(self._talk())
        server = self.context.__enter__()
        return dns_stage.Resolver("lab", "tcp", ("127.0.0.1",), server.port)

    def __exit__(self, *exc: object) -> None:
        self.context.__exit__(None, None, None)


def test_a_public_name_never_leads_to_a_private_address() -> None:
    names = {
        "lan.example": "192.168.1.1",
        "meta.example": "169.254.169.254",
        "me.example": "127.0.0.1",
    }
    with (
        loopback.serving(loopback.answering(loopback.page())) as good,
        resolving(dict(names)) as resolver,
    ):
        targets = [Target(id=name, url=f"http://{name}:{good.port}/") for name in names]
        rows, _ = probed(targets, resolvers=(resolver,), allow_private=False)
        assert good.connections == 0
    for name, address in names.items():
        (first, _) = of(rows, name)
        assert (first.failure, first.answers) == ("dns_bogon_error", (address,))
        assert {row.stage for row in of(rows, name)} == {"dns"}


def test_pinned_addresses_are_tried_even_when_the_name_is_gone() -> None:
    with (
        loopback.serving(loopback.answering(loopback.page())) as good,
        resolving({}) as resolver,
    ):
        url = f"http://gone.example:{good.port}/"
        target = Target(id="site", url=url, addresses=("127.0.0.1",))
        rows, progress = probed([target, control(good.port)], resolvers=(resolver,))
    stages = {(row.stage, row.failure) for row in of(rows, "site")}
    assert stages == {("dns", "dns_nxdomain_error"), ("tcp", None), ("http", None)}
    assert progress.results[0].state == "ok"


def test_a_forged_signature_without_a_key_hint_is_an_unknown_authority(
    authority: trustme.CA, roots: Path
) -> None:
    """The chain leads to a known name; only its signature shows that another key made it."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
    name = x509.SubjectAlternativeName([x509.DNSName("site.example")])
    leaf = (
        x509.CertificateBuilder(
            issuer_name=issuer,
            subject_name=x509.Name([]),
            public_key=key.public_key(),
            serial_number=7,
            not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
            not_valid_after=datetime(2999, 1, 1, tzinfo=UTC),
        )
        .add_extension(name, critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    assert certificate.verdict((leaf,), "site.example", roots) == "ssl_unknown_authority"
    assert certificate.verdict((), "site.example", roots) == "ssl_invalid_certificate"
    assert certificate.verdict((b"junk",), "site.example", roots) == "ssl_invalid_certificate"


def test_both_families_are_tried_and_told_apart() -> None:
    talk = loopback.answering(loopback.page())
    with (
        loopback.serving(talk, host="::1") as six,
        loopback.serving(talk) as four,
        resolving({"six.example": "::1"}) as resolver,
    ):
        targets = [
            Target(id="literal", url=f"http://[::1]:{six.port}/"),
            Target(id="named", url=f"http://six.example:{six.port}/"),
            Target(id="four", url=f"http://127.0.0.1:{four.port}/"),
            Target(id="half", url=f"http://six.example:{four.port}/", addresses=("127.0.0.1",)),
        ]
        rows, progress = probed([*targets, control(four.port)], resolvers=(resolver,))
    families = {row.target: row.family for row in rows if row.stage == "http"}
    assert (families["literal"], families["named"], families["four"]) == (6, 6, 4)
    half = {(row.family, row.failure) for row in of(rows, "half") if row.stage == "tcp"}
    assert half == {(4, None), (6, "connection_refused")}
    assert {one.state for one in progress.results} == {"ok"}, "one address that answers is enough"
    assert six.requests[0].split(b"\r\n")[1] == f"Host: [::1]:{six.port}".encode()


def test_what_came_instead_of_an_answer_is_named_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The chain's own timer does not cut off what the dns stage saw."""
    monkeypatch.setitem(limits.STAGE_S, "dns", 0.4)

    async def run() -> list[Measurement]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: loopback.NameServer(lambda query: [b"\0\0" + query[2:]]),
            local_addr=("127.0.0.1", 0),
        )
        port = transport.get_extra_info("sockname")[1]
        rows: list[Measurement] = []
        resolver = dns_stage.Resolver("x", "udp", ("127.0.0.1",), port)
        target = Target(id="site", url="http://site.example/")
        given = settings(resolvers=(resolver,))
        await Runner(RUN, [target], "outside", given, rows.append).run_all()
        transport.close()
        return rows

    assert {row.failure for row in asyncio.run(run())} == {"dns_reply_with_wrong_query_id"}


def test_one_family_is_enough_and_no_family_is_a_failure() -> None:
    names = {"v4.example": "127.0.0.1", "empty.example": None}
    with (
        loopback.serving(loopback.answering(loopback.page())) as good,
        resolving(dict(names)) as resolver,
    ):
        targets = [Target(id=name, url=f"http://{name}:{good.port}/") for name in names]
        targets.append(Target(id="gone", url="http://gone.example/"))
        rows, _ = probed([*targets, control(good.port)], resolvers=(resolver,))
    v4 = {row.query: row for row in of(rows, "v4.example") if row.stage == "dns"}
    assert (v4["v4.example AAAA"].state, v4["v4.example AAAA"].answers) == ("ok", ())
    assert {row.failure for row in of(rows, "empty.example")} == {"dns_no_answer"}
    assert {row.failure for row in of(rows, "gone")} == {"dns_nxdomain_error"}


def redirecting(place: str) -> loopback.Talk:
    return loopback.answering(loopback.page(b"", "302 Found", f"Location: {place}\r\n"))


def redirected(place: str, **changes: Any) -> tuple[list[Measurement], Progress]:  # noqa: ANN401
    with (
        loopback.serving(redirecting(place)) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        target = Target(id="site", url=f"http://127.0.0.1:{server.port}/")
        rows, progress = probed([target, control(good.port)], **changes)
    return of(rows, "site"), progress


def test_a_redirect_is_followed_and_each_hop_is_measured() -> None:
    with loopback.serving(loopback.answering(loopback.page())) as elsewhere:
        rows, _ = redirected(f"http://127.0.0.1:{elsewhere.port}/secret")
        assert elsewhere.connections == 1
    assert [(row.hop, row.stage, row.status) for row in rows] == [
        (None, "tcp", None),
        (None, "http", 302),
        (1, "tcp", None),
        (1, "http", 200),
    ]
    assert rows[1].location_host == "127.0.0.1"
    assert rows[3].host == "127.0.0.1"
    assert not any("secret" in row.model_dump_json() for row in rows)


def test_a_redirect_that_goes_round_or_on_and_on_ends() -> None:
    rows, _ = redirected("/")
    assert (rows[-1].hop, rows[-1].note, rows[-1].state) == (None, "redirect_loop", "ok")
    rows, _ = redirected("more/")
    assert (rows[-1].hop, rows[-1].note) == (10, "too_many_redirects")


@pytest.mark.parametrize(
    ("place", "failure"),
    [
        ("http://", "http_invalid_redirect_location_host"),
        ("https://:443/", "http_invalid_redirect_location_host"),
        ("http://a..b/", "http_invalid_redirect_location_host"),
        ("file:///etc/passwd", failures.OTHER_SCHEME),
        ("javascript:alert(1)", failures.OTHER_SCHEME),
    ],
)
def test_a_redirect_that_leads_nowhere_is_a_failure(place: str, failure: str) -> None:
    rows, _ = redirected(place)
    assert (rows[-1].stage, rows[-1].failure) == ("http", failure)


def test_a_redirect_never_leads_to_a_forbidden_place() -> None:
    with loopback.serving(loopback.answering(loopback.page())) as inner:
        target = Target(id="t", url="http://127.0.0.1:1/")
        rows: list[Measurement] = []
        given = Runner(RUN, [], "outside", settings(allow_private=False), rows.append)
        context = TargetContext(given.context, target)
        for place in (f"http://127.0.0.1:{inner.port}/", "http://169.254.169.254/latest/"):
            follow = chain._follow(context, place)  # noqa: SLF001 - the step under test
            assert asyncio.run(follow) is None
        assert inner.connections == 0
    assert {row.failure for row in rows} == {"dns_bogon_error"}
    rows, _ = redirected("http://evil.example/", refused_name=lambda host: host == "evil.example")
    assert (rows[-1].hop, rows[-1].state, rows[-1].reason) == (1, "skipped", "do_not_probe")
    assert rows[-1].host == "evil.example"


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        loopback.serving(loopback.answering(loopback.page())) as proxy,
        loopback.serving(loopback.answering(loopback.page())) as server,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        probed([control(server.port)])
        assert (proxy.connections, server.connections) == (0, 2)


def test_no_body_cookie_or_title_is_kept_and_a_huge_body_is_cut() -> None:
    body = b"<title>private matter</title>" + b"x" * 9_000_000
    extra = "Set-Cookie: session=secret\r\nX-Forwarded-For: 5.45.64.2\r\n"
    with (
        loopback.serving(loopback.answering(loopback.page(body, extra=extra))) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        target = Target(id="site", url=f"http://127.0.0.1:{server.port}/")
        rows, _ = probed([target, control(good.port)])
    row = of(rows, "site")[-1]
    assert (row.state, row.truncated, row.body_length) == ("ok", True, http.BODY_CAP)
    text = row.model_dump_json()
    for secret in ("private matter", "session", "secret", "5.45.64.2"):
        assert secret not in text


def test_an_unexpected_answer_of_a_control_is_a_captive_portal_and_not_a_line() -> None:
    with loopback.serving(loopback.answering(loopback.page(b"please log in"))) as portal:
        rows, progress = probed([control(portal.port), Target(id="t", url="http://127.0.0.1:1/")])
    assert of(rows, "foreign-0")[-1].failure == "unknown_failure: unexpected body"
    assert progress.verdict == "down"
    assert {row.state for row in of(rows, "t")} == {"inconclusive"}
    assert {row.reason for row in of(rows, "t")} == {"own_line"}


def test_two_controls_with_another_page_are_a_captive_portal() -> None:
    with loopback.serving(loopback.answering(loopback.page(b"please log in"))) as portal:
        controls = [control(portal.port, number=number) for number in range(2)]
        rows, progress = probed([*controls, Target(id="t", url="http://127.0.0.1:1/")])
    assert progress.verdict == "portal"
    assert {row.unmet for row in of(rows, "foreign-1")} == {None, "body"}
    assert {row.reason for row in of(rows, "t")} == {"captive_portal"}


def test_a_failure_is_confirmed_on_a_fresh_connection_and_both_are_stored() -> None:
    with (
        loopback.serving(loopback.reset) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        target = Target(id="site", url=f"http://127.0.0.1:{server.port}/")
        rows, _ = probed([target, control(good.port)], confirm=2)
        assert server.connections == 4
    failed = [row for row in of(rows, "site") if row.stage == "http"]
    assert [(row.attempt, row.aside) for row in failed] == [
        (1, None),
        (2, None),
        (3, None),
        (3, "neutral"),
    ]
    assert {row.failure for row in failed} == {"connection_reset"}
    assert failed[-1].sni == limits.NEUTRAL, "asked once, at the end: is it the name?"


def test_from_inside_a_cut_border_is_told_from_a_dead_line() -> None:
    dead = loopback.closed_port()
    with loopback.serving(loopback.answering(loopback.page())) as good:
        foreign = [control(dead, number=n) for n in range(3)]
        domestic = [control(good.port, "domestic", n) for n in range(2)]
        site = Target(id="site", url=f"http://127.0.0.1:{dead}/")
        rows, progress = probed([*foreign, *domestic, site], "inside")
        assert progress.verdict == "border"
        assert of(rows, "site")[-1].state == "fail", "inside, domestic results still count"
        _, progress = probed([*foreign, *domestic, site], "outside")
        assert progress.verdict == "down"
    _, progress = probed([*foreign, *(control(dead, "domestic", n) for n in range(2))], "inside")
    assert progress.verdict == "down"


def test_an_own_resolver_that_is_dead_is_not_the_targets_fault() -> None:
    nobody = dns_stage.Resolver("lab", "udp", ("127.0.0.1",), loopback.closed_port())
    with loopback.serving(loopback.answering(loopback.page())) as good:
        direct = [control(good.port, number=n) for n in range(4)]
        named = [
            Target(id=f"named-{n}", url=f"http://n{n}.example/", control="foreign")
            for n in range(3)
        ]
        site = Target(id="site", url="http://site.example/")
        rows, progress = probed([*direct, *named, site], resolvers=(nobody,))
    assert progress.verdict == "resolver"
    assert {(row.state, row.reason) for row in of(rows, "site")} == {
        ("inconclusive", "own_resolver")
    }


def test_every_target_appears_even_when_the_deadline_cuts_the_run() -> None:
    with (
        loopback.serving(loopback.silent) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        targets = [Target(id=f"t{n}", url=f"http://127.0.0.1:{server.port}/") for n in range(20)]
        inside = Target(id="inside", url=f"http://127.0.0.1:{server.port}/", perspective="inside")
        rows, progress = probed([*targets, inside, control(good.port)], deadline_s=0.3)
    assert progress.reason == "deadline"
    assert {row.target for row in rows} == {*(one.id for one in targets), "inside", "foreign-0"}
    assert {row.reason for row in rows if row.state == "skipped"} == {"deadline", "perspective"}


def test_a_burst_of_failures_makes_it_look_at_its_own_line_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "RECHECK_S", 0.0)
    dead = loopback.closed_port()
    with loopback.serving(loopback.answering(loopback.page())) as good:
        targets = [Target(id=f"t{n}", url=f"http://127.0.0.1:{dead}/{n}") for n in range(30)]
        _, progress = probed([*targets, control(good.port)])
        assert len(progress.connectivities) > 2
        healthy = [Target(id=f"t{n}", url=f"http://127.0.0.1:{good.port}/{n}") for n in range(30)]
        _, progress = probed([*healthy, control(good.port)])
        assert len(progress.connectivities) == 2


@pytest.mark.parametrize(
    ("failing", "since_s", "looks"), [(5, 11.0, 1), (4, 11.0, 0), (10, 9.0, 0), (10, 11.0, 1)]
)
def test_five_failures_of_ten_make_it_look_at_its_own_line_and_ten_seconds_must_lie_between(
    monkeypatch: pytest.MonkeyPatch, failing: int, since_s: float, looks: int
) -> None:
    ended: list[TargetResult] = []

    async def done(_: TargetContext) -> TargetResult:
        return ended.pop()

    monkeypatch.setattr(runner, "probe_target", done)
    target = Target(id="t", url="http://t.example/")
    ended += [TargetResult(target, state="ok")] * (10 - failing)
    ended += [TargetResult(target, state="fail")] * failing
    given = Runner(RUN, [], "outside", settings(), lambda _: None)
    given.vantage.checked_at = time.monotonic() - since_s

    async def run() -> None:
        for _ in range(10):
            await given._probe_target(target, lambda _: None)  # noqa: SLF001 - the step under test

    asyncio.run(run())
    assert len(given.progress.connectivities) == looks


@pytest.mark.parametrize("status", ["403 Forbidden", "429 Too Many Requests", "503 Unavailable"])
def test_a_refusal_that_wants_to_see_a_person_is_a_challenge(status: str) -> None:
    with (
        loopback.serving(loopback.answering(loopback.page(b"a captcha", status))) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        target = Target(id="site", url=f"http://127.0.0.1:{server.port}/")
        rows, _ = probed([target, control(good.port)])
    last = of(rows, "site")[-1]
    assert (last.state, last.status, last.note) == ("ok", int(status[:3]), "challenge")


def test_a_machine_that_can_open_no_more_sockets_says_nothing_of_a_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect(address: str, port: int) -> net.Connection:
        raise OSError(errno.EMFILE, f"no socket for {address}:{port}")

    monkeypatch.setattr(net, "connect", connect)
    rows, _ = probed([Target(id="site", url="http://127.0.0.1:1/")])
    (row,) = of(rows, "site")
    assert (row.state, row.reason) == ("inconclusive", "local_fault")


def test_the_byte_cap_ends_the_run_and_says_so() -> None:
    big = loopback.answering(loopback.page(b"x" * 200_000))
    with (
        loopback.serving(big) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        targets = [Target(id=f"t{n}", url=f"http://127.0.0.1:{server.port}/{n}") for n in range(40)]
        rows, progress = probed([*targets, control(good.port)], max_bytes=1_000_000, rate=50.0)
    assert progress.reason == "byte_cap"
    assert 1_000_000 < progress.bytes_received < 3_000_000
    assert {row.reason for row in rows if row.state == "skipped"} == {"byte_cap"}


def test_an_attempt_has_a_budget_over_all_its_stages(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    monkeypatch.setattr(chain, "BUDGET_S", 0.4)
    context = serving_tls(authority.issue_cert("127.0.0.1"))
    with (
        loopback.serving(loopback.silent, context) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        target = Target(id="site", url=f"https://127.0.0.1:{server.port}/")
        rows, _ = probed([target, control(good.port)])
    last = of(rows, "site")[-1]
    assert (last.stage, last.failure) == ("http", "generic_timeout_error")
    assert sum(row.duration_ms or 0 for row in of(rows, "site")) < 900


def test_a_clock_that_is_days_off_does_not_judge_dates(authority: trustme.CA, roots: Path) -> None:
    expired = authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    then = "Date: Sun, 27 Feb 2011 08:00:00 GMT\r\n"
    with (
        loopback.serving(loopback.answering(loopback.page()), serving_tls(expired)) as server,
        loopback.serving(loopback.answering(loopback.page(extra=then))) as good,
    ):
        target = Target(id="site", url=f"https://127.0.0.1:{server.port}/")
        controls = [control(good.port, number=n) for n in range(3)]
        rows, progress = probed([target, *controls], roots=roots)
    assert (progress.clock_offset_ms or 0) < -86_400_000
    (tls,) = (row for row in of(rows, "site") if row.stage == "tls")
    assert (tls.state, tls.reason) == ("inconclusive", "own_clock")


@pytest.mark.slow
def test_waiting_costs_nothing_a_hundred_silent_targets_end_together() -> None:
    with (
        loopback.serving(loopback.silent) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        targets = [
            Target(id=f"t{n}", url=f"http://127.0.0.1:{server.port}/{n}") for n in range(100)
        ]
        rows, _ = probed([*targets, control(good.port)])
    ends = [
        row.at.timestamp() + (row.duration_ms or 0) / 1000
        for row in rows
        if row.stage == "http" and not row.aside
    ]
    starts = [
        row.at.timestamp()
        for row in rows
        if row.stage == "http" and row.state == "fail" and not row.aside
    ]
    assert max(starts) - min(starts) < max(ends) - max(starts), "all wait at the same time"


def test_turns_come_at_the_rate_and_no_faster() -> None:
    waits: list[float] = []

    async def run() -> None:
        pace = RateLimiter(50.0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(6):
            await pace.acquire()
            waits.append(loop.time() - began)

    asyncio.run(run())
    assert all(wait >= number / 50 - 0.005 for number, wait in enumerate(waits))


def test_own_addresses_and_neighbours_are_scrubbed() -> None:
    def scrubbed(given: object, field: str = "answers") -> object:
        own = frozenset({"5.45.64.2", "192.168.7.20", "2001:db8:5::9"})
        return scrub.value(given, own, ("5.45.70.1",), field)

    cases = {
        "you are 5.45.64.2.": "you are [scrubbed].",
        "5.45.64.22 and 15.45.64.2 are others": "5.45.64.22 and 15.45.64.2 are others",
        "192.168.7.1": "[scrubbed]",
        "192.168.8.1": "192.168.8.1",
        "2001:db8:5::1": "[scrubbed]",
        "10.10.34.35": "10.10.34.35",
        "2-64-45-5.dyn.example": "[scrubbed].dyn.example",
        "host-005-045-064-002.example": "host-[scrubbed].example",
        "052d4002.example": "[scrubbed].example",
        "2001:0db8:0005:0000:0000:0000:0000:0009": "[scrubbed]",
    }
    for given, wanted in cases.items():
        assert scrubbed(given) == wanted
    assert scrubbed(("192.168.7.1", "5.45.70.1")) == ("[scrubbed]", "5.45.70.1")
    free = "you are 91.2.3.4 or 91-2-3-4 or 2a00:1:2::3, I am 5.45.70.1"
    gone = "you are [scrubbed] or [scrubbed] or [scrubbed], I am 5.45.70.1"
    assert scrubbed({"server": free}, "headers") == {"server": gone}


def test_open_files_are_used_up_to_the_hard_limit_and_leave_room() -> None:
    import resource  # noqa: PLC0415

    room = net.room_for_sockets()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
    assert 1 <= room <= net.MAX_SOCKETS


ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
"""Three for one name: one more than are tried."""
FORGED = "5.46.31.1"
AWAY = "127.0.0.8"
"""An address that the routing table knows no way to."""
CIPHER = "ECDHE-ECDSA-AES256-GCM-SHA384"


def named(query: bytes, denied: str = "none.example.") -> list[bytes]:
    """Answer as a name server that does what a row can tell of, and denies one name."""
    asked = dns.message.from_wire(query)
    (question,) = asked.question
    name = question.name.to_text()
    reply = dns.message.make_response(asked)

    def add(section: list[dns.rrset.RRset], kind: str, *records: str, owner: str = name) -> None:
        section.append(dns.rrset.from_text(owner, 60, "IN", kind, *records))

    if name == "zone.example.":
        add(reply.authority, "NS", "ns.zone.example.")
    elif name == denied:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif name == "old.example." and asked.edns >= 0:
        reply.set_rcode(dns.rcode.FORMERR)
    elif question.rdtype != dns.rdatatype.A:
        pass
    elif name == "old.example.":
        add(reply.answer, "A", ADDRESSES[0])
    elif name == "forged.example.":
        add(reply.answer, "A", ADDRESSES[0])
        second = dns.message.make_response(asked)
        add(second.answer, "A", FORGED)
        return [reply.to_wire(), second.to_wire()]
    else:
        add(reply.answer, "CNAME", "alias.example.")
        add(reply.answer, "A", *ADDRESSES, owner="alias.example.")
        reply.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode(3), "old")])
    return [reply.to_wire()]


async def picky(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer for another name only, as a filter lets it."""
    if limits.NEUTRAL.encode() in await reader.readuntil(b"\r\n\r\n"):
        writer.write(loopback.page())
        await writer.drain()
    else:
        writer.transport.abort()


def known(name: str, where: str, pattern: str) -> Fingerprint:
    return Fingerprint.model_validate(
        {"id": name, "where": where, "pattern": pattern, "source": "x", "confidence": "high"}
    )


@dataclass(frozen=True)
class Everything:
    """One run among servers that together make it write every field of a row."""

    rows: list[Measurement]
    ports: dict[str, int]
    pages: dict[str, bytes]
    certificate: bytes

    def facts(self, target: str, **facts: object) -> dict[str, Any]:
        """Return the rest of the one row that these facts are true of, and no measured time.

        Unless others are given, of the first attempt at the target's own chain.
        """
        facts = {"aside": None, "hop": None, "attempt": 1} | facts
        (row,) = (
            row
            for row in of(self.rows, target)
            if all(getattr(row, name) == fact for name, fact in facts.items())
        )
        varying = {"type", "run", "target", "check", "at", "duration_ms", "late_ms"}
        told = row.model_dump(exclude_none=True, exclude=varying | facts.keys())
        if row.role == Target.model_fields["role"].default:
            del told["role"]
        if row.phases:
            told["phases"] = list(row.phases)
        return told

    def where(self, port: str, address: str = "127.0.0.1") -> dict[str, Any]:
        """Return what a row says of where a connection led."""
        return {"family": 4, "address": address, "port": self.ports[port]}


@pytest.fixture(scope="module")
def everything(authority: trustme.CA, roots: Path) -> Everything:
    certificates = authority.issue_cert("site.example")
    context = serving_tls(certificates)
    context.set_alpn_protocols(["http/1.1"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHER)
    rows: list[Measurement] = []

    def store(row: Measurement) -> None:
        rows.append(row)
        if row.target == "late" and row.stage == "tcp":
            time.sleep(0.2)  # the event loop is late meanwhile

    async def run() -> None:
        await Runner(RUN, targets, "outside", given, store).run_all()

    offers = 'Server: test\r\nAlt-Svc: h3=":443"\r\n'
    pages = {
        "good": loopback.page(extra="Date: Sun, 27 Feb 2022 08:00:00 GMT\r\n"),
        "captcha": loopback.page(b"a captcha", "403 Forbidden"),
        "other": loopback.page(b"<title>Please log in</title>"),
        "block": loopback.page(b"<title>Access</title> denied here"),
        "huge": loopback.page(b"x" * (http.BODY_CAP + 100_000)),
        "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf",
        "site": loopback.page(extra=offers),
    }
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(roots))
        patch.setenv("SSL_CERT_DIR", "/nonexistent")
        certificate.system_store.cache_clear()
        stack.callback(certificate.system_store.cache_clear)
        route = net.route
        patch.setattr(net, "route", lambda to: None if to == AWAY else route(to))
        ports = {"dns": stack.enter_context(udp(named))[0], "dead": loopback.closed_port()}
        nobody_denied = partial(named, denied="")
        ports["beside"] = stack.enter_context(udp(nobody_denied))[0]
        for name, content in pages.items():
            over = context if name == "site" else None
            server = loopback.serving(loopback.answering(content), over, "0.0.0.0")  # noqa: S104 - for three addresses
            ports[name] = stack.enter_context(server).port
        hop = redirecting(f"http://127.0.0.1:{ports['good']}/")
        ports["hop"] = stack.enter_context(loopback.serving(hop)).port
        ports["picky"] = stack.enter_context(loopback.serving(picky)).port
        ports["reset"] = stack.enter_context(loopback.serving(loopback.reset)).port

        def at(name: str, host: str = "127.0.0.1", **more: Any) -> Target:  # noqa: ANN401
            scheme = "https" if name == "site" else "http"
            url = f"{scheme}://{host}:{ports[name]}/"
            return Target.model_validate({"id": name, "url": url} | more)

        targets = [
            control(ports["good"]),
            at("site", "site.example", operator="alpha", asn=64500, role="media"),
            at("good", throughput=True),
            at("captcha"),
            at("other", expect={"contains": "never there"}),
            at("block"),
            at("huge"),
            at("cut"),
            at("hop"),
            at("reset"),
            at("picky"),
            at("good", "old.example", id="old"),
            at("good", "forged.example", id="forged"),
            at("good", "none.example", id="none"),
            at("good", "zone.example", id="zone"),
            at(
                "good",
                id="refused",
                addresses=("127.0.0.9",),
                operator="beta",
                asn=64501,
                role="media",
            ),
            at("good", id="home", control="domestic", addresses=("127.0.0.9",)),
            at("good", AWAY, id="no-route"),
            at("good", id="late"),
            at("good", id="inside", perspective="inside"),
            Target(
                id="server",
                addresses=("127.0.0.1",),
                ports=(f"{ports['dns']}/udp",),
                query=Query(name="zone.example", type="SOA"),
            ),
            Target(
                id="deaf",
                addresses=("127.0.0.1",),
                ports=(f"{ports['dead']}/udp",),
                query=Query(name="zone.example", type="SOA"),
            ),
        ]
        resolver = dns_stage.Resolver("lab", "udp", ("127.0.0.1",), ports["dns"])
        of_zone = replace(resolver, label="tld-ns-abroad")
        patch.setattr(
            Runner, "authorities", lambda _, name: [of_zone] if name == "zone.example" else []
        )
        given = settings(
            resolvers=(resolver,),
            compare=(
                replace(resolver, label="beside", port=ports["beside"]),
                replace(resolver, label="dead", port=ports["dead"]),
                replace(resolver, label="away", port=ports["dead"], hosts=(AWAY,)),
            ),
            fingerprints=(
                known("page", "body", "denied here"),
                known("authority", "certificate", "trustme"),
                known("address", "dns", FORGED),
            ),
            refused=lambda address: address == "127.0.0.9",
            quic=True,
            throughput=True,
        )
        asyncio.run(run())
    leaf = x509.load_pem_x509_certificate(certificates.cert_chain_pems[0].bytes())
    return Everything(rows, ports, pages, leaf.public_bytes(serialization.Encoding.DER))


def test_every_field_of_a_row_is_written_by_a_run(everything: Everything) -> None:
    written = {name for row in everything.rows for name, fact in row if fact is not None}
    assert written == set(Measurement.model_fields)
    assert {row.type for row in everything.rows} == {"measurement"}
    assert {row.run for row in everything.rows} == {RUN}


@pytest.mark.parametrize("facts", [DnsFacts, TcpFacts, TlsFacts, HttpFacts])
def test_every_fact_of_a_stage_is_a_field_of_the_row(facts: type[Facts]) -> None:
    assert {fact.name for fact in fields(facts)} <= set(MeasurementRow.model_fields)


def test_a_row_to_write_takes_no_unknown_field_and_no_other_type() -> None:
    """Reading stays lenient: a newer version's field does no harm."""
    row = {"run": RUN, "target": "t", "at": datetime(2022, 2, 27, tzinfo=UTC), "state": "ok"}
    assert MeasurementRow.model_validate(row).target == "t"
    for more in ({"ciphr": "x"}, {"status": "200"}, {"ttl": 1.0}):
        with pytest.raises(ValidationError):
            MeasurementRow.model_validate(row | more)
    assert Measurement.model_validate(row | {"ciphr": "x", "status": "200"}).status == 200
    with pytest.raises(TypeError):
        TlsFacts(ciphr="x")  # type: ignore[call-arg]


@pytest.mark.parametrize("slow", ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (("fail", "fail", "fail"), ("fail", "failure 1", None)),
        (("inconclusive", "fail", "fail"), ("fail", "failure 2", None)),
        (("skipped", "inconclusive", "inconclusive"), ("inconclusive", "failure 2", None)),
        (("fail", "ok", "ok"), ("ok", None, "http://2.example/")),
        (("ok", "fail", "ok"), ("ok", None, "http://1.example/")),
    ],
)
def test_the_result_of_several_addresses_follows_their_order_and_not_their_timing(
    monkeypatch: pytest.MonkeyPatch,
    slow: str,
    ends: Sequence[RowState],
    expected: tuple[RowState, str | None, str | None],
) -> None:
    """The failure of the summary and the redirect that is followed came from the last to end."""
    followed: list[str] = []

    async def probe_endpoint(_: TargetContext, endpoint: Endpoint) -> EndpointResult:
        await asyncio.sleep(0.02 if endpoint.address == slow else 0)
        number = int(endpoint.address[-1])
        state, url = ends[number - 1], f"http://{number}.example/"
        return EndpointResult(state, "tcp", None if state == "ok" else f"failure {number}", url)

    async def follow(_: TargetContext, url: str) -> None:
        followed.append(url)

    monkeypatch.setattr(chain, "probe_endpoint", probe_endpoint)
    monkeypatch.setattr(chain, "_follow", follow)
    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    target = Target(id="t", addresses=addresses, ports=("80/tcp",))
    given = Runner(RUN, [target], "outside", settings(), lambda _: None)
    result = asyncio.run(chain.probe_target(TargetContext(given.context, target)))
    assert (result.state, result.failure, next(iter(followed), None)) == expected


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def replied(body: bytes, status: int = 200, state: str = "ok") -> dict[str, Any]:
    """Return what a row says of a response that came whole."""
    return {
        "state": state,
        "http_version": "HTTP/1.1",
        "status": status,
        "body_length": len(body),
        "body_sha256": digest(body),
        "phases": ["send", "wait", "read"],
    }


def test_a_row_of_a_lookup_holds_all_that_the_answer_said(everything: Everything) -> None:
    whose = {"transport": "udp", "resolver": "lab", "flags": "QR RD", "state": "ok"}
    whose |= {"rcode": "NOERROR"}
    site = everything.facts("site", stage="dns", query="site.example A")
    assert sorted(site.pop("answers")) == list(ADDRESSES)
    alias = {"cnames": ("alias.example",), "ttl": 60, "ede": ("3 old",)}
    named_so = {"operator": "alpha", "asn": 64500, "role": "media"}
    assert site == whose | alias | named_so | {"capped": 1}
    beside = everything.facts("site", stage="dns", aside="compare", resolver="beside")
    assert sorted(beside.pop("answers")) == list(ADDRESSES)
    assert beside | {"resolver": "lab"} == whose | alias | named_so | {"query": "site.example A"}
    empty = everything.facts("site", stage="dns", query="site.example AAAA")
    assert empty == whose | named_so | {"answers": ()}
    address = {"answers": (ADDRESSES[0],), "ttl": 60}
    old = everything.facts("old", stage="dns", query="old.example A")
    assert old == whose | address | {"edns": False}
    second = {"also": (FORGED,), "also_rcode": "NOERROR", "fingerprint": "address"}
    assert (
        everything.facts("forged", stage="dns", query="forged.example A")
        == whose | address | second
    )
    gone = {"state": "fail", "failure": "dns_nxdomain_error", "rcode": "NXDOMAIN", "answers": ()}
    assert everything.facts("none", stage="dns", query="none.example A") == whose | gone
    refers = {"query": "zone.example SOA", "answers": (), "referral": ("ns.zone.example",)}
    asked = {"transport": "udp", "rcode": "NOERROR", "flags": "QR", "state": "ok"}
    told = everything.facts("server", stage="dns")
    assert told == asked | refers | everything.where("dns")
    unanswered = {"transport": "udp", "state": "fail", "failure": "connection_refused"}
    query = {"query": "zone.example SOA"}
    told = everything.facts("deaf", stage="dns")
    assert told == unanswered | query | everything.where("dead")
    query = {"query": "none.example A"}
    for label, more in (("dead", {}), ("away", {"state": "inconclusive", "reason": "no_route"})):
        told = everything.facts("none", stage="dns", aside="compare", resolver=label)
        assert told == unanswered | query | more


def test_a_row_of_a_handshake_holds_what_was_agreed_and_the_chain(everything: Everything) -> None:
    named_so = {"operator": "alpha", "asn": 64500, "role": "media"}
    address = next(row.address for row in of(everything.rows, "site") if row.stage == "http")
    where = everything.where("site", str(address))
    assert everything.facts("site", stage="tcp", address=address) == named_so | {
        "state": "ok",
        "family": 4,
        "port": where["port"],
    }
    shaken = everything.facts("site", stage="tls", address=address)
    (shown,) = shaken.pop("certificates")
    assert (shown["names"], len(shown["spki_sha256"])) == (("site.example",), 64)
    assert shaken | {"address": address} == named_so | where | {
        "state": "fail",
        "failure": "ssl_unknown_authority",
        "tls_version": "TLSv1.2",
        "cipher": CIPHER,
        "alpn": "http/1.1",
        "certificate_sha256": digest(everything.certificate),
        "system_verdict": "ok",
        "fingerprint": "authority",
    }
    over_quic = everything.facts("site", aside="quic", address=address)
    assert over_quic | {"address": address} == named_so | where | {
        "stage": "tls",
        "state": "fail",
        "failure": "connection_refused",
        "transport": "udp",
    }
    page = everything.facts("site", stage="http", address=address)
    assert page | {"address": address} == named_so | where | replied(b"well\n") | {
        "unverified": True,
        "server": "test",
        "headers": {"alt-svc": 'h3=":443"'},
    }


def test_a_row_of_a_request_holds_what_came_back(everything: Everything) -> None:
    def http_row(target: str, **facts: object) -> dict[str, Any]:
        return everything.facts(target, stage="http", **facts)

    body, huge = b"<title>Please log in</title>", b"x" * http.BODY_CAP
    unmet = {"failure": http.UNMET["contains"], "unmet": "contains", "title": "Please log in"}
    assert http_row("other") == replied(body, state="fail") | unmet | everything.where("other")
    blocked = {"fingerprint": "page", "title": "Access"}
    body = b"<title>Access</title> denied here"
    assert http_row("block") == replied(body) | blocked | everything.where("block")
    challenge = replied(b"a captcha", 403) | {"note": "challenge"}
    assert http_row("captcha") == challenge | everything.where("captcha")
    assert http_row("huge") == replied(huge) | {"truncated": True} | everything.where("huge")
    leads = replied(b"", 302) | {"location_host": "127.0.0.1"}
    assert http_row("hop") == leads | everything.where("hop")
    there = {"host": "127.0.0.1"} | everything.where("good")
    assert http_row("hop", hop=1) == replied(b"well\n") | there
    connected = everything.facts("hop", stage="tcp", hop=1)
    assert connected == {"state": "ok"} | there
    whole = len(everything.pages["cut"])
    cut = {"state": "fail", "failure": "eof_error", "phases": ["send", "wait", "read", "stall"]}
    assert http_row("cut") == cut | {"received": whole} | everything.where("cut")
    control_row = http_row("foreign-0", check=0)
    year = timedelta(days=365) / timedelta(milliseconds=1)
    assert control_row.pop("date_offset_ms") < -year
    answered = replied(b"well\n") | everything.where("good")
    assert control_row == answered | {"control": "foreign"}
    late = [row.late_ms for row in everything.rows if row.late_ms]
    assert 100 <= max(late) <= 5000


def test_a_row_beside_a_chain_says_why_it_stands_there(everything: Everything) -> None:
    sample = everything.facts("good", aside="throughput")
    assert sample == everything.where("good") | {
        "stage": "http",
        "state": "ok",
        "received": len(everything.pages["good"]),
        "phases": ["send", "wait", "read"],
    }
    other_name = everything.facts("reset", aside="neutral")
    assert other_name == everything.where("reset") | {
        "stage": "http",
        "state": "fail",
        "failure": "connection_reset",
        "sni": limits.NEUTRAL,
        "phases": ["send", "stall"],
    }
    silent = everything.facts("picky", aside="neutral")
    assert silent == everything.where("picky") | {
        "stage": "http",
        "state": "ok",
        "status": 200,
        "sni": limits.NEUTRAL,
        "phases": ["send", "wait", "read"],
    }
    page = everything.facts("none", stage="http", aside="compare")
    address = page["address"]
    assert address in ADDRESSES
    assert page == replied(b"well\n") | everything.where("good", address)
    no_way = everything.facts("no-route", address=AWAY)
    assert no_way == {
        "stage": "tcp",
        "state": "inconclusive",
        "reason": "no_route",
        "failure": "network_unreachable",
        "family": 4,
        "port": everything.ports["good"],
    }
    left_out = everything.facts("refused", state="skipped")
    whose = {"operator": "beta", "asn": 64501, "role": "media"}
    assert left_out == whose | {"stage": "tcp", "reason": "do_not_probe"}
    assert {row.check for row in of(everything.rows, "refused")} == {0}
    left_out = everything.facts("home", state="skipped", check=0)
    assert left_out == {"control": "domestic", "stage": "tcp", "reason": "do_not_probe"}
    authority = everything.facts("zone", aside="authority")
    assert authority == everything.where("dns") | {
        "stage": "dns",
        "state": "ok",
        "transport": "udp",
        "resolver": "tld-ns-abroad",
        "query": "zone.example A",
        "rcode": "NOERROR",
        "answers": (),
        "referral": ("ns.zone.example",),
        "flags": "QR",
    }
    assert everything.facts("inside", state="skipped") == {"reason": "perspective"}
