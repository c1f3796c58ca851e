"""ClickHouse's HTTP interface over chdb, on loopback: as much of it as its client asks for.

A server's binary is in no package index; this is its engine and dialect, and the real client.
"""

import json
import re
import sys
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

USER, PASSWORD = "reader", "s3cr%t"
OURS = (
    "allow_suspicious_low_cardinality_types",
    "prefer_column_name_to_alias",
    "session_timezone",
)
"""Settings that are passed on."""
ASKED: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers queries."""

    protocol_version = "HTTP/1.1"
    engine: Any = None
    alone = Lock()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a ping, or what was asked here, for the test."""
        self.send(200, json.dumps(ASKED).encode() if self.path == "/asked" else b"Ok.\n")

    def do_POST(self) -> None:
        """Answer a query."""
        given = dict(parse_qsl(urlsplit(self.path).query))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        sql = f"{given.get('query', '')}\n{body}".strip()
        ASKED.append(sql)
        form = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", sql)
        out = form[1] if form else given.get("default_format", "TabSeparated")
        settings = [f"{name} = '{given[name]}'" for name in OURS if name in given]
        known = b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if known != f"{USER}:{PASSWORD}":
            return self.send(403, f"Code: 516. DB::Exception: {known} is wrong".encode())
        try:
            with self.alone:
                if settings:
                    self.engine.query(f"set {', '.join(settings)}")
                return self.send(200, self.engine.query(sql, out).bytes() or b"", out)
        except RuntimeError as exc:
            return self.send(500, str(exc).encode())

    def send(self, code: int, data: bytes, form: str = "") -> None:
        """Answer."""
        self.send_response(code)
        told = {"Format": form, "Summary": "{}", "Timezone": "UTC"}
        for name, value in told.items():
            self.send_header(f"X-ClickHouse-{name}", value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    import chdb

    Handler.engine = chdb.connect(":memory:")
    for statement in sys.argv[1:]:
        Handler.engine.query(statement)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201 - for the test
    server.serve_forever()
