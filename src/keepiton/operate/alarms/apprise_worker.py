"""A process of its own that hands one message to Apprise; run as ``python -m`` by ``deliver``.

It reads one JSON object from stdin, so that no URL is in any list of processes, and answers with
its exit code alone: 0 sent (asked about URLs: all are known), 1 not sent, ``UNKNOWN`` plus its
index for the first URL that is not known. Nothing it or Apprise prints is read by anybody.
"""

import json
import sys

SENDER = "alarm"
"""What Apprise says of itself (User-Agent, sender's name): not its name, and not keepiton's."""
KINDS = {"opening": "warning", "closing": "success", "correction": "info"}
UNKNOWN = 10


def main() -> int:
    """Do what stdin says."""
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
    asked = json.load(sys.stdin)
    if "body" not in asked:
        sys.addaudithook(_refuse)
    everyone = apprise.Apprise(asset=asset)
    for number, url in enumerate(asked["urls"]):
        service = apprise.Apprise.instantiate(url, asset=asset)
        if service is None:
            return UNKNOWN + number
        everyone.add(service)
    if "body" not in asked:
        return 0
    sent = everyone.notify(
        title=asked["title"],
        body=asked["body"],
        notify_type=KINDS[asked["kind"]],
        body_format="text",
    )
    return 0 if sent else 1


def _refuse(event: str, args: tuple[object, ...]) -> None:
    """Keep a look at URLs from being more."""
    del args
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        raise OSError(event)


if __name__ == "__main__":
    sys.exit(main())
