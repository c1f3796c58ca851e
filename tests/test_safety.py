"""What the volunteer's safety rests on, measured from the other side of the wire."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from lab import AUTHORITIES, CLIENT, CLIENT6, NAME_SERVER, SITES, SPEED, Lab, echo

ECHO = Path(echo.__file__)
AT, AT6 = ("5.46.240.1", "5.46.240.2"), ("2a05:46:240::1", "2a05:46:240::2")
AUTHORITY = min(AUTHORITIES)
EXPECT = ('expect = { status = 200, contains = "never" }', "")
"""One keeps its title, because the answer is not the expected; of one the redirect is followed."""
PUBLIC, PUBLIC6 = "91.149.128.77", "2a00:760:9::77"
"""What the client is called abroad, behind a router that translates: it does not know these."""
CONTROLS = "".join(
    f'[[target]]\nid = "c{n}"\nurl = "http://{SITES[f"foreign-{n}.test"]}/"\ncontrol = "foreign"\n'
    for n in (1, 2, 3)
)


def test_nothing_that_a_server_echoes_of_the_client_is_stored_or_shown(
    open_lab: Lab, tmp_path: Path
) -> None:
    lab, listing, data = open_lab, tmp_path / "list.toml", tmp_path / "data"
    shapes = [one for each in (CLIENT, CLIENT6, PUBLIC, PUBLIC6) for one in echo.names(each)]
    hosts = (*AT, *(f"[{one}]" for one in AT6))
    entries = [
        f'[[target]]\nid = "e{n}-{place}"\nurl = "http://{host}/{n}"\n{expect}\n'
        for place, (host, expect) in enumerate(zip(hosts, EXPECT * 2, strict=True))
        for n in range(17)
    ]
    me = '[[target]]\nid = "me"\nurl = "http://me.test/"\n'
    listing.write_text('title = "echo"\n' + "".join(entries) + me + CONTROLS)
    for one in AT6:
        lab.ip("-n", lab.world, "addr", "add", f"{one}/128", "dev", "lo", "nodad")
    serving = ",".join((*AT, *AT6))
    words = lab.within(lab.world, sys.executable, str(ECHO), serving, PUBLIC, PUBLIC6)
    with subprocess.Popen(words, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout
            assert server.stdout.readline() == b"ready\n"
            whoami = {"do": "forge", "query": "me.test", "answers": [CLIENT, CLIENT6]}
            with lab.router([whoami]):
                done = lab.run(
                    *("probe", str(listing), "--data", str(data), "--again", "--confirm", "0"),
                    *("--doh", f"tcp://{NAME_SERVER}", "-v"),
                    speed=SPEED,
                )
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    (result,) = data.rglob("*.jsonl")
    rows = [json.loads(line) for line in result.read_text().splitlines()]
    told = [row for row in rows if row.get("stage") == "http" and row["target"].startswith("e")]
    assert {row["status"] for row in told} == {302}, "the server did answer"
    assert any("[scrubbed]" in (row.get("title") or "") for row in told)
    assert any("[scrubbed]" in (row.get("query") or "") for row in rows if row.get("hop"))
    assert any("[scrubbed]" in (row.get("location_host") or "") for row in told)
    (me,) = (row for row in rows if row.get("query") == "me.test A" and not row.get("aside"))
    assert (me["answers"], me["failure"]) == (["[scrubbed]"], "dns_bogon_error")
    shown = [
        lab.run(*words, str(result)).stdout
        for words in (("findings",), ("report", "--format", "json"), ("status", "--data"))
    ]
    for text in (result.read_text(), done.stdout, done.stderr, *shown):
        for shape in shapes:
            found = re.search(rf"(?<![\w.]){re.escape(shape)}(?![\w])", text, re.IGNORECASE)
            assert not found, (shape, text[max(0, found.start() - 200) : found.end() + 100])


def test_the_limits_on_connections_hold_under_load_as_the_server_sees_them(
    open_lab: Lab, tmp_path: Path
) -> None:
    """A hundred targets that refuse, eight of them at one address: all want to try again.

    Ten names besides, each asked of a resolver over TCP and of one server of their zone.
    """
    lab, listing, capture = open_lab, tmp_path / "list.toml", tmp_path / "seen.pcap"
    tmp_path.chmod(0o777)
    hosts = [f"5.46.241.{n}" for n in range(1, 101)] + ["5.46.242.1"] * 8
    entries = [
        f'[[target]]\nid = "t{n}"\nurl = "http://{one}/{n}"\n' for n, one in enumerate(hosts)
    ]
    entries += [f'[[target]]\nid = "n{n}"\nurl = "http://n{n}.test/"\n' for n in range(10)]
    zone = 'ports = ["53/udp"]\nquery = { name = "test." }\nrole = "tld-ns-domestic"\n'
    entries += [f'[[target]]\nid = "zone"\naddresses = ["{AUTHORITY}"]\n{zone}']
    listing.write_text('title = "load"\n' + "".join(entries) + CONTROLS)
    tap = lab.within(lab.world, "tcpdump", "-i", "down0", "-nn", "-U", "-w", str(capture))
    with subprocess.Popen(tap, stderr=subprocess.PIPE) as tcpdump:
        try:
            assert tcpdump.stderr
            assert b"listening" in tcpdump.stderr.readline()
            done = lab.run(
                *("probe", str(listing), "--data", str(tmp_path / "data"), "--again"),
                *("--doh", f"tcp://{NAME_SERVER}", "--pause", "0.2"),
            )
        finally:
            tcpdump.terminate()
    assert done.returncode == 0, done.stderr
    begins = f"tcp[13] & 18 == 2 or (udp and dst host {AUTHORITY})"
    words = ["tcpdump", "-tt", "-nn", "-r", str(capture), begins]
    read = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    seen = [
        (float(at), host)
        for at, host in re.findall(r"^([\d.]+) IP \S+ > ([\d.]+)\.\d+: ", read, re.MULTILINE)
    ]
    assert sum(host in hosts for _, host in seen) >= 2 * len(hosts)
    assert sum(host == NAME_SERVER for _, host in seen) == 10
    assert sum(host == AUTHORITY for _, host in seen) >= 10
    times = sorted(at for at, _ in seen)
    busiest = max(sum(at <= other < at + 1 for other in times) for at in times)
    assert busiest <= 20 + 1, f"{busiest} connections in one second, at 20 a second"
    by_host = defaultdict(list)
    for at, host in seen:
        if host != NAME_SERVER:  # a resolver is there to be asked
            by_host[host].append(at)
    gaps = [after - before for each in by_host.values() for before, after in pairwise(sorted(each))]
    assert min(gaps) >= 1.99, "one connection in two seconds to one address"
