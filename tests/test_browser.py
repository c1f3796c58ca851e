"""The browser reports what is wrong with a page, so its silence about one means something."""

import base64
import hashlib
from pathlib import Path

import pytest

import browser
from browser import View

SCRIPT = "document.querySelector('p').textContent = 'Scripts run.'"
HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{HASH}'">
<style>@media (prefers-color-scheme: dark) {{ html {{ background: black; color: white }} }}</style>
</head><body><main><h1>A page</h1><p>Scripts do not run.</p>%s</main><script>{SCRIPT}</script>"""
OPEN_PAGE = PAGE.replace("Content-Security-Policy", "")
PALE = '<b style="color: #777">pale</b>'
VIEWS = [
    View("desk"),
    View("dark", dark=True),
    View("phone", width=390),
    View("still", scripts=False),
    View("paper", print=True),
]


@pytest.fixture(autouse=True)
def _installed() -> None:
    reason = browser.missing()
    if reason:
        pytest.skip(reason)


def look(folder: Path, page: str, *views: View) -> dict[str, browser.Seen]:
    file = folder / "page.html"
    file.write_text(page)
    return browser.look(file, folder / "out", views)


def test_a_clean_page_is_reported_clean(tmp_path: Path) -> None:
    seen = look(tmp_path, PAGE % "", *VIEWS)
    widths = {view.name: view.width for view in VIEWS}
    assert seen == {
        name: browser.Seen([], [], [], width, "A page") for name, width in widths.items()
    }
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"desk.png", "dark.png", "phone.png", "still.png", "paper.pdf"}


def test_what_leaves_or_breaks_is_reported(tmp_path: Path) -> None:
    body = (
        '<img alt="a" src="https://a.example/"><img alt="b" src="data:image/gif,">'
        "<script>console.error('said'); new WebSocket('wss://c.example/'); gone()</script>"
    )
    (seen,) = look(tmp_path, OPEN_PAGE % body, View("desk")).values()
    assert set(seen.requests) == {"https://a.example/", "data:image/gif,", "wss://c.example/"}
    assert "error: said" in seen.console
    assert "uncaught: gone is not defined" in seen.console


def test_what_the_policy_forbids_is_reported(tmp_path: Path) -> None:
    body = '<img alt="a" src="https://a.example/"><script>gone()</script>'
    (seen,) = look(tmp_path, PAGE % body, View("desk")).values()
    assert len(seen.console) == 2
    assert all("Content Security Policy" in line for line in seen.console)


@pytest.mark.parametrize("scripts", [True, False])
def test_what_shuts_people_out_is_reported(tmp_path: Path, *, scripts: bool) -> None:
    seen = look(
        tmp_path,
        PAGE % ('<input style="width: 500px">' + PALE),
        View("phone", width=390, scripts=scripts),
        View("dark", dark=True, scripts=scripts),
    )
    assert seen["phone"].scroll_width > 390
    assert [one["id"] for one in seen["phone"].axe] == ["color-contrast", "label"]
    assert seen["phone"].axe[1]["nodes"][0]["target"] == ["input"]
    # Grey is too pale for white but not for black: the dark view is a dark one.
    assert [one["id"] for one in seen["dark"].axe] == ["label"]


def test_scripts_are_off_where_a_view_says_so(tmp_path: Path) -> None:
    page = OPEN_PAGE % "<script>console.error('ran')</script>"
    seen = look(tmp_path, page, View("on"), View("off", scripts=False))
    assert (seen["on"].console, seen["off"].console) == (["error: ran"], [])
