"""A subprocess that hands one message to Apprise; run as ``python -m`` by ``deliver``.

It reads one JSON object from stdin, so that no URL is in the list of processes. Without ``body`` it
only checks the URLs. Its exit code is the result: 0 sent, or all URLs known; 1 not sent;
``UNKNOWN`` plus its index for the first URL that is not known. Its output is discarded.
"""

import json
import sys

SENDER = "alarm"
"""Name in the User-Agent and as sender: neither Apprise's name nor keepiton's."""
KINDS = {"opening": "warning", "closing": "success", "correction": "info"}
UNKNOWN = 10


def main() -> int:
    """Send the message that stdin holds, or check its URLs; return the exit code."""
    import apprise  # noqa: PLC0415 - slow, and an extra

    # No redirect is followed, no picture linked, no key made, nothing kept on disk.
    asset = apprise.AppriseAsset(
        app_id=SENDER,
        app_desc=SENDER,
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        async_mode=False,
        storage_mode="memory",
    )
    request = json.load(sys.stdin)
    if "body" not in request:
        sys.addaudithook(_refuse)
    services = apprise.Apprise(asset=asset)
    for number, url in enumerate(request["urls"]):
        service = apprise.Apprise.instantiate(url, asset=asset)
        if service is None:
            return UNKNOWN + number
        services.add(service)
    if "body" not in request:
        return 0
    sent = services.notify(
        title=request["title"],
        body=request["body"],
        notify_type=KINDS[request["kind"]],
        body_format="text",
    )
    return 0 if sent else 1


def _refuse(event: str, args: tuple[object, ...]) -> None:
    """Keep a check of URLs from connecting anywhere."""
    del args
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        raise OSError(event)


if __name__ == "__main__":
    sys.exit(main())
