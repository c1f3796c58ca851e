"""Target lists: what is read, what is refused, and how it is said."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Command
from keepiton.base.bogons import is_bogon
from keepiton.base.errors import UserError
from keepiton.base.names import host_name, web_url
from keepiton.lists import toml
from keepiton.lists.do_not_probe import DoNotProbe
from keepiton.lists.load import SHIPPED_FOLDER, available, load
from keepiton.lists.types import TargetList

LIST = """\
title = "a list"
country = "by"

[[target]]
id = "one"
url = "https://one.example/"
operator = "alpha"
"""


def written(folder: Path, text: str, name: str = "list.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def mistakes(folder: Path, text: str, name: str = "list.toml") -> list[str]:
    with pytest.raises(UserError) as raised:
        load([written(folder, text, name)])
    return str(raised.value).splitlines()


def test_a_list_without_controls_gets_the_shipped_foreign_ones(tmp_path: Path) -> None:
    loaded = load([written(tmp_path, LIST)])
    controls = {one.id for one in loaded.targets if one.control}
    assert len(controls) >= 3
    assert all(one.control == "foreign" for one in loaded.targets if one.control)


def test_all_mistakes_are_reported_at_once_with_line_field_and_remedy(tmp_path: Path) -> None:
    text = LIST + (
        '\n[[target]]\nid = "two"\nurll = "https://two.example/"\n'
        '\n[[target]]\nid = "three"\nurl = "ftp://three.example/"\n'
        '\n[[target]]\nid = "four"\naddresses = ["300.1.2.3"]\nports = ["443"]\n'
        '\n[[target]]\nid = "five"\nurl = "https://five.example/"\nasn = "AS6697"\n'
    )
    said = mistakes(tmp_path, text)
    whole = "\n".join(said)
    path = tmp_path / "list.toml"
    assert f'{path}:11: target "two", urll: unknown key; did you mean url?' in said
    assert f'{path}:19: target "four", addresses' in whole
    assert 'write an IPv4 or IPv6 address, such as "192.0.2.7"' in whole
    assert f'{path}:20: target "four", ports' in whole
    assert '"443/tcp" or "53/udp"' in whole
    assert f'{path}:25: target "five", asn' in whole
    assert "the number alone, such as 6697" in whole


def test_a_wrong_url_is_reported_with_its_line(tmp_path: Path) -> None:
    text = LIST + '\n[[target]]\nid = "three"\nurl = "ftp://three.example/"\n'
    said = mistakes(tmp_path, text)
    assert "".join(said) == (
        f"{tmp_path / 'list.toml'}:11: target \"three\", url: 'ftp://three.example/' is not an"
        ' http:// or https:// URL with a host; write "https://example.org/"'
    )


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert mistakes(tmp_path, 'title = "x"\ncountry = by\n')[0].startswith(
        f"{tmp_path / 'list.toml'}:2: not TOML"
    )


def test_mistakes_of_two_files_and_a_missing_one_come_together(tmp_path: Path) -> None:
    one = written(tmp_path, LIST + "nonsense = 1\n", "one.toml")
    two = written(tmp_path, "no spaces allowed\n", "two.txt")
    with pytest.raises(UserError) as raised:
        load([one, two, "nowhere"])
    said = str(raised.value)
    assert "one.toml:8" in said
    assert "two.txt:1" in said
    assert "nowhere: no such file or list" in said


def test_every_plain_form_is_read() -> None:
    text = (
        "# a comment\n\nname.example\nhttp://url.example/path?q=1#x\nhost.example:5222\n"
        "5.45.64.7\n2a00:c827:a:2::2\n[2a00:c827:a:2::3]:853\n5.45.64.8:8080\nмой.бел  # IDN\n"
    )
    loaded = load(["-"], lambda _: text.encode())
    by_id = {one.id: one for one in loaded.targets if not one.control}
    assert by_id["name.example"].url == "https://name.example/"
    assert by_id["http://url.example/path?q=1"].url == "http://url.example/path?q=1"
    assert by_id["host.example:5222"].ports == ("5222/tcp",)
    assert by_id["5.45.64.7"].addresses == ("5.45.64.7",)
    assert by_id["2a00:c827:a:2::2"].addresses == ("2a00:c827:a:2::2",)
    assert by_id["[2a00:c827:a:2::3]:853"].ports == ("853/tcp",)
    assert by_id["5.45.64.8:8080"].addresses == ("5.45.64.8",)
    assert by_id["xn--i1afg.xn--90ais"].url == "https://xn--i1afg.xn--90ais/"


@pytest.mark.parametrize(
    "line",
    [
        "5.45.64.0/24",
        "host.example:0",
        "host.example:70000",
        "a..b",
        "-x.example",
        "1.2.3.999",
        "x" * 64 + ".example",
        "https://user:pass@host.example/",
        "xn--zzzzzz-.example",
        "a b",
    ],
)
def test_what_is_no_target_is_refused(line: str) -> None:
    """A bad name must never become a false "does not exist"."""
    with pytest.raises(UserError, match="stdin:1: "):
        load(["-"], lambda _: (line + "\n").encode())


def test_both_spellings_of_a_name_are_one_target() -> None:
    loaded = load(["-"], lambda _: "почта.бел\nxn--80a1acny.xn--90ais\nПОЧТА.БЕЛ\n".encode())
    assert [one.url for one in loaded.targets if not one.control] == [
        "https://xn--80a1acny.xn--90ais/"
    ]
    assert sum("merged" in note for note in loaded.notes) == 2


def test_duplicates_are_merged_and_said(tmp_path: Path) -> None:
    richer = LIST.replace('id = "one"', 'id = "uno"') + "asn = 6697\n"
    loaded = load([written(tmp_path, LIST), written(tmp_path, richer, "more.toml")])
    (target,) = (one for one in loaded.targets if not one.control)
    assert (target.id, target.asn) == ("one", 6697)
    assert "uno: the same as one, merged" in loaded.notes


def test_one_id_for_two_things_is_a_mistake(tmp_path: Path) -> None:
    other = LIST.replace("one.example", "two.example")
    with pytest.raises(UserError, match="already used in"):
        load([written(tmp_path, LIST), written(tmp_path, other, "more.toml")])


def test_private_addresses_are_refused_unless_allowed() -> None:
    for line in ("192.168.1.1", "http://127.0.0.1/", "[fe80::1]:80", "169.254.169.254"):
        with pytest.raises(UserError, match="private or reserved"):
            load(["-"], lambda _, line=line: line.encode())  # type: ignore[misc]
        assert load(["-"], lambda _, line=line: line.encode(), allow_private=True)  # type: ignore[misc]


def test_the_do_not_probe_list_wins(tmp_path: Path) -> None:
    extra = tmp_path / "never.txt"
    extra.write_text("host.example\n5.45.64.0/24\n")
    text = "www.host.example\n5.45.64.9\n178.172.160.20\nother.example\n"
    loaded = load(["-"], lambda _: text.encode(), do_not_probe=extra)
    assert [one.id for one in loaded.targets if not one.control] == ["other.example"]
    assert sum("do-not-probe" in note for note in loaded.notes) == 3
    assert loaded.refused.address("5.45.64.200")
    assert not loaded.refused.address("5.45.65.1")


def test_the_do_not_probe_list_means_a_host_and_its_subdomains_and_no_longer_name() -> None:
    refused = DoNotProbe(["ok.ru"], [])
    names = {"ok.ru": True, "m.ok.ru": True, "book.ru": False, "m.book.ru": False, "ru": False}
    assert {name: refused.name(name) for name in names} == names


def test_a_citizen_lab_list_is_read_and_its_risk_is_seen(tmp_path: Path) -> None:
    text = (
        "url,category_code,category_description,date_added,source,notes\n"
        "https://news.example/,NEWS,News Media,2020-01-01,x,\n"
        "http://gov.example/,GOVT,Government,2020-01-01,x,\n"
    )
    loaded = load([written(tmp_path, text, "by.csv")])
    assert loaded.risk == "high"
    assert "NEWS" in loaded.whys[0]
    assert {one.role for one in loaded.targets if not one.control} == {"news", "govt"}
    said = mistakes(tmp_path, text + "nothing,NEWS,,,,\n", "by.csv")
    assert said[0].startswith(f"{tmp_path / 'by.csv'}:4: url:")


def test_a_list_above_low_risk_is_never_default() -> None:
    listed, said = toml.read("x", LIST.replace("country", 'default = true\nrisk = "high"\ncountry'))
    assert listed is None
    assert "cannot be default" in said[0]


def test_the_schema_describes_every_shipped_list(keepiton: Command) -> None:
    """Editors get the schema that the loader holds lists against."""
    import tomllib  # noqa: PLC0415

    printed = json.loads(keepiton("targets", "check", "--schema").stdout)
    assert printed == TargetList.model_json_schema()
    for name in available():
        text = (SHIPPED_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
        data = json.loads(json.dumps(tomllib.loads(text), default=str))
        jsonschema.validate(data, printed)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"title": "x", "target": [{"id": "x", "urll": "y"}]}, printed)


def test_shipped_lists_keep_their_provenance_and_levels() -> None:
    """Every row says whose it is, from where it makes sense, whence it comes and when checked."""
    default = load([])
    assert default.risk == "low"
    assert not default.notes
    for name in available():
        listed, said = toml.read(
            name, (SHIPPED_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
        )
        assert not said
        assert listed
        for target in listed.target:
            assert target.source, target.id
            assert target.checked, target.id
            assert target.confidence in ("high", "medium"), target.id
            assert target.role != "other", target.id
            assert not default.refused.target(target), target.id
            assert not any(map(is_bogon, target.addresses)), target.id
            if target.control:
                assert target.expect or target.query, target.id
        risky = name.split("/")[-1] in ("independent-media", "civil-society", "circumvention")
        assert (listed.risk == "high") == risky, name
    kinds = {one.control for one in default.targets}
    assert kinds == {"foreign", "domestic", None}
    domains = {one.id for one in default.targets}
    assert not domains & {
        one.id for one in load(["by/independent-media"]).targets if not one.control
    }


def test_a_second_country_is_a_second_folder(tmp_path: Path) -> None:
    folder = tmp_path / "zz"
    folder.mkdir()
    written(folder, LIST, "operator.toml")
    loaded = load([str(folder)])
    assert [one.id for one in loaded.targets if not one.control] == ["one"]


def test_the_default_lists_are_never_those_of_the_current_folder(
    keepiton: Command, tmp_path: Path
) -> None:
    (tmp_path / "by").mkdir()
    written(tmp_path / "by", LIST, "evil.toml")
    shown = keepiton("targets", "list").stdout
    assert "one.example" not in shown
    assert "dns1.tld.becloudby.com" in shown
    assert "one.example" in keepiton("targets", "list", "./by").stdout


def test_what_is_no_text_or_never_ends_is_a_mistake(tmp_path: Path) -> None:
    binary = tmp_path / "list.txt"
    binary.write_bytes(b"good.example\n\xff\xfe\n")
    with pytest.raises(UserError, match=r"list\.txt:2: not UTF-8"):
        load([str(binary)])
    endless = tmp_path / "endless.txt"
    endless.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"endless\.txt: larger than 10 MiB"):
        load([str(endless)])
    with pytest.raises(UserError, match="stdin: larger than 10 MiB"):
        load(["-"], lambda size: b"x" * size)


def test_check_and_list_show_and_validate(keepiton: Command, tmp_path: Path) -> None:
    shown = keepiton("targets", "list")
    assert shown.returncode == 0
    assert "dns1.tld.becloudby.com" in shown.stdout
    assert keepiton("targets", "check").stdout.endswith("no mistakes found\n")
    bad = keepiton("targets", "check", written(tmp_path, LIST + "x = 1\n"))
    assert bad.returncode == 2
    assert "list.toml:8" in bad.stderr
    assert keepiton("probe", written(tmp_path, LIST + "x = 1\n")).returncode == 2
    assert not (tmp_path / "data").exists()


@given(st.text(max_size=300))
def test_no_text_breaks_the_readers(text: str) -> None:
    """Garbage gives mistakes, never a traceback."""
    try:
        load(["-"], lambda _: text.encode())
    except UserError as exc:
        said = str(exc)
        assert said
    toml.read("x.toml", text)


@given(st.text(alphabet="abc.-бел:/@[]0123456789%?", max_size=60))
def test_one_spelling_is_a_fixed_point(text: str) -> None:
    for spell in (host_name, web_url):
        try:
            once = spell(text)
        except ValueError:
            continue
        assert spell(once) == once


def test_a_byte_order_mark_does_not_hide_the_format() -> None:
    text = "\ufeffurl,category_code,category_description\nhttps://gov.example/,GOVT,\n"
    assert load(["-"], lambda _: text.encode()).risk == "medium"


def test_fingerprints_go_with_the_countries_of_the_lists(tmp_path: Path) -> None:
    ids = {one.id for one in load(["by"]).fingerprints}
    assert {"a1-mininfo", "beltelecom-address", "mts-dns"} <= ids
    assert {one.id for one in load([str(listing(tmp_path, ""))]).fingerprints} == ids
    assert load([str(listing(tmp_path, 'country = "zz"'))]).fingerprints == ()
    assert not any("fingerprints" in name for name in available())


def listing(folder: Path, head: str) -> Path:
    path = folder / "one.toml"
    path.write_text(f'title = "x"\n{head}\n[[target]]\nid = "t"\nurl = "https://t.example/"\n')
    return path


@pytest.mark.parametrize("head", ["", "url,category_code\n"])
def test_a_list_that_is_too_long_is_a_mistake_in_one_line(tmp_path: Path, head: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(head + "".join(f"https://n{one}.example/\n" for one in range(20_001)))
    with pytest.raises(UserError, match=r"list.txt:1: more than 20000 targets; split the file$"):
        load([str(path)])


def test_long_names_and_urls_are_targets_with_a_short_id(tmp_path: Path) -> None:
    host = ".".join(["x" * 60] * 4)
    path = tmp_path / "list.txt"
    path.write_text(f"{host}:80\nhttps://x.example/{'a' * 300}\nhttps://x.example/{'a' * 301}\n")
    first, *rest = [one for one in load([str(path)]).targets if not one.control]
    assert first.host == host
    assert [len(one.id) for one in (first, *rest)] == [200, 200, 200]
    assert len({one.id for one in rest}) == 2
    path.write_text(f"https://x.example/{'a' * 2000}\n")
    with pytest.raises(UserError, match=r"list.txt:1: .*: longer than 2000 characters$"):
        load([str(path)])
