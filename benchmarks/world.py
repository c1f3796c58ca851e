"""What the benchmarks share: an empty network of their own, its servers, and measured commands."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

KEEPITON = str(Path(sys.executable).with_name("keepiton"))
ADDRESS = "127.1.0.1"
NAME = "site.test"
RESOLVER = "127.0.0.53"
HTTP, HTTPS, HOLE = 8080, 8443, 9443


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    code: int


def enter_own_network() -> None:
    """Start this script again in a network namespace where only loopback is. Needs root."""
    if os.environ.get("KEEPITON_BENCH") != "1":
        os.environ["KEEPITON_BENCH"] = "1"
        os.execvp("unshare", ["unshare", "-nm", sys.executable, *sys.argv])  # noqa: S606
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write(f"nameserver {RESOLVER}\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
    Path(file.name).unlink()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    chain = f"type filter hook input priority 0; tcp dport {HOLE} drop;"
    subprocess.run(["nft", f"table inet b {{\nchain i {{\n{chain}\n}}\n}}"], check=True)


@contextmanager
def servers() -> Iterator[Path]:
    """Serve one small page and one name on loopback; give the folder with ``roots.pem``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "roots.pem"))
        leaf = authority.issue_cert(ADDRESS, NAME)
        leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "leaf.pem"))
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null;\n"
            "events { worker_connections 8192; }\nhttp { access_log off;\n"
            + "".join(
                f"{kind}_temp_path {folder};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            + f"server {{ listen {HTTP}; listen {HTTPS} ssl; ssl_certificate {folder}/leaf.pem;\n"
            f"ssl_certificate_key {folder}/leaf.pem;\n"
            'location / { default_type text/plain; return 200 "well\\n"; } } }\n'
        )
        names = folder / "unbound.conf"
        names.write_text(
            "server:\n  do-daemonize: no\n  use-syslog: no\n  username: ''\n  chroot: ''\n"
            f"  pidfile: ''\n  directory: {folder}\n  interface: {RESOLVER}\n"
            f'  local-zone: test. static\n  local-data: "{NAME}. A {ADDRESS}"\n'
            "remote-control:\n  control-enable: no\n"
        )
        with (
            subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.DEVNULL) as server,
            subprocess.Popen(["unbound", "-d", "-c", str(names)], stderr=subprocess.DEVNULL) as dns,
        ):
            time.sleep(1)
            try:
                yield folder
            finally:
                server.terminate()
                dns.terminate()


def measured(*command: str, **env: str) -> Cost:
    """Run a command to its end; return what the system accounts to it."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | env
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    used: resource.struct_rusage = usage
    cpu = used.ru_utime + used.ru_stime
    return Cost(wall, cpu, used.ru_maxrss / 1024, process.returncode)


def list_of(folder: Path, urls: list[str]) -> Path:
    """Write a target list of URLs, with two controls that answer."""
    text = 'title = "benchmark"\n'
    for number, url in enumerate(urls):
        text += f'[[target]]\nid = "t{number}"\nurl = "{url}"\n'
    for number in range(2):
        url = f"http://127.2.0.{number + 1}:{HTTP}/"
        text += f'[[target]]\nid = "c{number}"\nurl = "{url}"\ncontrol = "foreign"\n'
    path = folder / f"list-{len(urls)}.toml"
    path.write_text(text)
    return path


def probe(folder: Path, urls: list[str], *words: str, data: str = "") -> Cost:
    """Measure one keepiton run over URLs; results stay only where a data folder is given."""
    path = list_of(folder, urls)
    with tempfile.TemporaryDirectory() as passing:
        return measured(
            KEEPITON,
            "probe",
            str(path),
            "--data",
            data or passing,
            "--allow-private",
            "--no-doh",
            "-q",
            "--roots",
            str(folder / "roots.pem"),
            *words,
        )
