"""Series of other projects: what is read of each format, what is refused, and how it is said."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.compare import MAX_BYTES, MAX_SERIES, READERS, read
from keepiton.compare.values import MAX_POINTS
from keepiton.report.types import ExternalSeries

HERE = Path(__file__).parent / "data" / "others"
"""Files in the published shapes, written by hand for these tests; the figures are invented."""
FILES = tuple(sorted(HERE.iterdir()))
START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def written(folder: Path, content: object) -> Path:
    """Write bytes or text as they are, and anything else as JSON."""
    path = folder / "file"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def mistake(folder: Path, content: object) -> str:
    path = written(folder, content)
    with pytest.raises(UserError) as raised:
        read(path)
    said = str(raised.value)
    assert said.startswith(f"{path}:")
    assert "\n" not in said
    return said.removeprefix(f"{path}:")


def signals(*series: object) -> dict[str, object]:
    return {"type": "signals", "error": None, "data": [list(series)]}


def signal(**changes: object) -> dict[str, object]:
    one = {"entityType": "country", "entityCode": "BY", "datasource": "bgp", "subtype": ""}
    return {**one, "from": 1_767_225_600, "step": 300, "values": [1, 2], **changes}


def counts(day: object, **changes: object) -> dict[str, object]:
    zero = dict.fromkeys(("anomaly_count", "confirmed_count", "failure_count"), 0)
    return {**zero, "ok_count": 1, "measurement_count": 1, "measurement_start_day": day, **changes}


def aggregation(*rows: object) -> dict[str, object]:
    return {"v": 0, "dimension_count": 1, "result": list(rows)}


def traffic(times: list[object], values: list[object], name: str = "serie_0") -> dict[str, object]:
    return {"success": True, "result": {name: {"timestamps": times, "values": values}, "meta": {}}}


def values(series: ExternalSeries) -> list[float | None]:
    return [value for _, value in series.points]


def starts(series: ExternalSeries) -> list[float]:
    return [(at - START).total_seconds() for at, _ in series.points]


def test_each_format_has_a_file_here_and_is_known_by_its_content() -> None:
    sources = {one.source for path in FILES for one in read(path)}
    assert sources == {"IODA", "OONI", "Cloudflare Radar"}
    assert len(sources) == len(READERS)


def test_ioda_gives_a_series_for_each_data_source_with_nulls_as_no_data() -> None:
    """What holds tables instead of numbers is left out."""
    bgp, gtr = read(HERE / "ioda.json")
    assert (bgp.source, bgp.name, bgp.step_s) == ("IODA", "bgp, country BY", 5 * MINUTE)
    assert values(bgp) == [7000, 7001, 6990, 120, None, 7000]
    assert starts(bgp) == [at * 5 * MINUTE for at in range(6)]
    assert (gtr.name, gtr.step_s) == ("gtr WEB_SEARCH, country BY", 30 * MINUTE)


def test_ooni_gives_share_and_number_of_measurements_for_each_group() -> None:
    """The share is of those that could be judged: OONI's own failures are not the path's."""
    share, number, other, _ = read(HERE / "ooni.json")
    assert (share.source, share.name) == ("OONI", "ok share, probe_asn 6697")
    assert (values(share), starts(share)) == ([0.75, None], [0, DAY])
    assert (number.name, values(number)) == ("measurements, probe_asn 6697", [100, 3])
    assert (other.name, values(other), other.step_s) == ("ok share, probe_asn 25106", [1], DAY)


def test_ooni_csv_by_the_hour_is_read_with_its_gaps() -> None:
    share, number = read(HERE / "ooni.csv")
    assert (share.name, number.name) == ("ok share", "measurements")
    assert (values(share), values(number)) == ([0.75, 1, None], [4, 2, 1])
    assert (starts(share), share.step_s) == ([2 * HOUR, 3 * HOUR, 7 * HOUR], HOUR)


def test_radar_json_and_csv_say_the_same() -> None:
    """CSV begins names with a capital; a shorter series beside a longer one ends earlier."""
    for file, names in (
        ("radar.json", ["belarus", "serie_1"]),
        ("radar.csv", ["Belarus", "Serie_1"]),
    ):
        one, other = found = read(HERE / file)
        assert [series.name for series in found] == names
        assert one.source == "Cloudflare Radar"
        assert (values(one), values(other)) == ([0.871752, 1, 0.02], [0.5, None])
        assert (starts(one), one.step_s) == ([0, HOUR, 2 * HOUR], HOUR)


def test_points_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    times: list[object] = ["2026-01-03", "2026-01-01", "2026-01-02T01:00:00+01:00"]
    (one,) = read(written(tmp_path, traffic(times, [3, 1, 2])))
    assert (values(one), starts(one)) == ([1, 2, 3], [0, DAY, 2 * DAY])


def test_a_byte_order_mark_and_space_before_it_do_not_hide_the_format(tmp_path: Path) -> None:
    for path in FILES:
        content = b"\xef\xbb\xbf" + path.read_bytes()
        assert read(written(tmp_path, content)) == read(path)


def test_names_are_safe_for_a_terminal(tmp_path: Path) -> None:
    (one,) = read(written(tmp_path, signals(signal(entityCode="B\x1b[2J\u202eY" + "x" * 300))))
    assert one.name == clean(one.name)
    assert one.name.startswith("bgp, country B\N{REPLACEMENT CHARACTER}[2J")


DAYS = ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (signals(signal(values=[1, float("nan")])), "data[0][0].values[1]: not a number up to"),
        (signals(signal(values=[1, 10**400])), "data[0][0].values[1]: not a number up to"),
        (signals(signal(values=[1, True])), "data[0][0].values[1]: not a number up to"),
        (signals(signal(values=[1, {}])), "data[0][0].values[1]: not a number up to"),
        (signals(signal(values=[1, "x"])), "data[0][0].values[1]: not a number up to"),
        (signals(signal(values=2)), "data[0][0]: not a series"),
        (signals("x"), "data[0][0]: not a series"),
        ({"type": "signals", "data": [{}]}, "data[0]: not a list of series"),
        (signals(signal(step=0)), "data[0][0].step: a number from 1 to"),
        (signals(signal(step=None)), "data[0][0].step: a number from 1 to"),
        (signals(signal(**{"from": 1e12})), "data[0][0].from: a number from"),
        (signals(signal(step=3e7, values=[1] * 99)), "data[0][0].values: its last time: a number"),
        (signals(signal(values=[[{}]])), "1: holds no series; ask the source for another place"),
        (signals(*[signal()] * 21), "1: holds 21 series, more than 20; ask the source for fewer"),
        (
            {"type": "signals", "error": "no \x1b such", "data": None},
            'error: IODA says "no \N{REPLACEMENT CHARACTER} such"; correct the request',
        ),
        (
            {"type": "outages.events", "error": None, "data": []},
            'type: "outages.events"; download "signals/raw" instead',
        ),
        (aggregation(), "1: holds no series; ask the source for another place or time"),
        (aggregation({"ok_count": 1}), "result[0]: no measurement_start_day; ask for axis_x="),
        (aggregation("x"), "result[0]: no measurement_start_day; ask for axis_x="),
        ({"v": 0, "result": {"ok_count": 1}}, "result: no measurement_start_day; ask for axis_x="),
        (aggregation(counts(DAYS[0])), "measurement_start_day: a single point in time; ask"),
        (
            aggregation(counts(DAYS[0]), counts(DAYS[0])),
            "result[1]: measurement_start_day: stands twice",
        ),
        (aggregation(counts(20260101)), "result[0]: measurement_start_day: not a time such as"),
        (aggregation(counts("0001-01-01")), "result[0]: measurement_start_day: not a time such as"),
        (aggregation(counts(DAYS[0], ok_count=-1)), "result[0]: ok_count: a number from 0 to"),
        (aggregation(counts(DAYS[0], ok_count=None)), "result[0]: ok_count: a number from 0 to"),
        (aggregation(counts(DAYS[0], domain=[])), "result[0]: domain: neither text nor a number"),
        (
            aggregation(*(counts(day, domain=f"{at}.example") for at in range(11) for day in DAYS)),
            "1: holds 22 series, more than 20; ask the source for fewer",
        ),
        ({"v": 0, "msg": "Invalid\n"}, 'msg: OONI says "Invalid\N{REPLACEMENT CHARACTER}";'),
        ({"v": 0, "error": "Invalid"}, 'msg: OONI says "Invalid"; correct the request'),
        ("anomaly_count,ok_count\n1,2\n", "2: no measurement_start_day; ask for axis_x="),
        ("measurement_start_day,anomaly_count\n2026,1\n", "2: measurement_start_day: not a time"),
        ({"success": False, "errors": []}, "success: Cloudflare answered with an error; correct"),
        (traffic([*DAYS], [1]), "result.serie_0: more times than values, or fewer; download"),
        (traffic(["x"], [1]), "result.serie_0[0]: not a time such as"),
        (traffic(["2026-01-01T00:00:00.5Z"], [1]), "result.serie_0[0]: not a time"),
        (traffic([DAYS[0], DAYS[0]], [1, 1]), "serie_0: 2026-01-01T00:00:00.000Z stands twice"),
        (traffic([DAYS[0]], [1]), "serie_0: a single point in time; ask the source for a longer"),
        (traffic([], [], "\x1b"), "\N{REPLACEMENT CHARACTER}: a single point in time"),
        (
            {"success": True, "result": {"summary_0": {"desktop": "58.2"}}},
            'result.summary_0: no "timestamps" and "values"; download a traffic time series',
        ),
        ("X timestamps,X mobile\n2026-01-01,1\n", '1: no column "X values"; download a traffic'),
        ("X timestamps,X values\n2026-01-01,1\n,1\n", "3: X: not a time such as"),
        ("X timestamps,X values\n2026-01-01,inf\n", "2: X: not a number up to"),
        ("X timestamps,X values\n2026-01-01,1\n2026-01-02\n", "3: 1 columns instead of 2; down"),
        ('X timestamps,X values\n2026-01-01,"1\n', "2: not whole CSV (unexpected end of data)"),
        ("X values,X values\n", "1: two columns of one name; download the file again"),
        ("<html>\n", "1: of no known kind; what is read: IODA signals (JSON), OONI aggregation"),
        ([1], "1: of no known kind; what is read: IODA signals (JSON), OONI aggregation"),
        (" \n", "1: empty; ask the source for another place or time"),
        (b"a\nb\n\xff\xd8", "3: not UTF-8 text; give the file as it was downloaded"),
        ('{"v": 0,\n"result": [', "2: not whole JSON (Expecting value); download the file again"),
        ("[" * 100_000, "1: nested too deeply; download the file again"),
        ("[" + "1" * 5000 + "]", "1: holds a number that is too long; download the file again"),
    ],
)
def test_each_mistake_names_the_place_and_the_remedy(
    tmp_path: Path, content: object, said: str
) -> None:
    assert mistake(tmp_path, content).startswith(said)


def test_what_cannot_be_read_or_is_too_large_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: cannot be read: No such file"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        read(tmp_path)
    said = mistake(tmp_path, b" " * (MAX_BYTES + 1))
    assert said == " larger than 10 MiB; ask the source for a shorter time"


def test_the_longest_series_is_read_and_a_longer_one_is_a_mistake(tmp_path: Path) -> None:
    (one,) = read(written(tmp_path, signals(signal(values=[1] * MAX_POINTS))))
    assert len(one.points) == MAX_POINTS
    said = mistake(tmp_path, signals(signal(values=[1] * (MAX_POINTS + 1))))
    assert said == "bgp, country BY: more than 100000 points; ask the source for a shorter time"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("others")


def gives(path: Path) -> tuple[tuple[ExternalSeries, ...], str]:
    try:
        return read(path), ""
    except UserError as exc:
        return (), str(exc)


def holds(path: Path) -> None:
    """Check that a file is refused in one line, or gives what a drawing may rely on."""
    found, said = gives(path)
    if said:
        assert said.startswith(f"{path}:")
        assert said == clean(said, 10_000)
        return
    assert 0 < len(found) <= MAX_SERIES
    for one in found:
        assert one.name == clean(one.name)
        assert one.step_s >= 1
        assert 0 < len(one.points) <= MAX_POINTS
        assert all(at.utcoffset() == timedelta(0) for at, _ in one.points)
        assert all(2000 <= at.year <= 2100 for at, _ in one.points)
        assert all(before < after for (before, _), (after, _) in pairwise(one.points))
        assert all(value is None or abs(value) <= 1e15 for _, value in one.points)


UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""What else the machine does must not fail them."""


@UNTIMED
@given(st.binary(max_size=300))
def test_no_bytes_make_anything_but_a_mistake(folder: Path, content: bytes) -> None:
    holds(written(folder, content))


@UNTIMED
@given(st.sampled_from(FILES), st.integers(0, 2000), st.integers(0, 20), st.binary(max_size=20))
def test_nor_does_a_file_with_a_wound(
    folder: Path, path: Path, at: int, lost: int, instead: bytes
) -> None:
    """Truncated files among them: a file that lost all after a place."""
    content = path.read_bytes()
    holds(written(folder, content[:at] + instead + content[at + lost :]))
    holds(written(folder, content[:at]))


WORDS = (
    *("type", "signals", "data", "error", "values", "from", "step", "entityType", "entityCode"),
    *("datasource", "v", "result", "measurement_start_day", "ok_count", "probe_cc", "success"),
    *("meta", "serie_0", "timestamps", "2026-01-01", "2026-01-02T03:04:05+05:00", "9999-12-31"),
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text()
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=6)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@UNTIMED
@given(st.data())
def test_nor_does_anything_in_the_place_of_anything(folder: Path, data: st.DataObject) -> None:
    """In a file of each format one or more parts are replaced by whatever JSON can hold."""
    whole = json.loads(
        data.draw(st.sampled_from([one for one in FILES if one.suffix == ".json"])).read_text()
    )
    for _ in range(data.draw(st.integers(1, 3))):
        part = whole
        while True:
            key = data.draw(
                st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part)))
            )
            if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
                break
            part = part[key]
        part[key] = data.draw(ANYTHING)
    holds(written(folder, whole))


@UNTIMED
@given(st.lists(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=4), max_size=4))
def test_nor_does_a_table_of_anything(folder: Path, rows: list[list[str]]) -> None:
    head = "anomaly_count,measurement_start_day,X timestamps,X values\n"
    holds(written(folder, (head + "\n".join(map(",".join, rows))).encode()))
