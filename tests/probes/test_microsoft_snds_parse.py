"""Rows of SNDS: those that open clients hold, every spelling of a rate, and whatever else there may be."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probes.microsoft_snds_parse import Broken, Row, Table, Unreadable, merge, parse
from probes.observation import Seen

TODAY = datetime(2026, 11, 22, tzinfo=UTC).date()
CSV = "application/octet-stream"

# Rows of undersfx/sndslib's tests, anonymised by its author, and of Vexa's documents.
OLD = b"""\
1.1.1.0,12/31/2019 8:00 AM,9/29/2020 9:00 PM,14129,14129,13025,GREEN,< 0.1%,9/29/2020 8:07 AM,9/29/2020 12:03 PM,41,,,\r
1.1.1.1,12/31/2019 9:00 PM,9/29/2020 9:00 PM,47386,47386,47384,YELLOW,< 0.1%,9/28/2020 9:08 PM,9/29/2020 8:09 PM,40,,,\r
"""
NEW = b"""\
192.0.2.10,9/11/2026 8:00 AM,9/12/2026 8:00 AM,422,409,422,GREEN,< 0.1%,,,,,@example.com,\r
198.51.100.7,9/11/2026 8:00 AM,9/12/2026 8:00 AM,1200,1100,1300,YELLOW,0.4%,9/11/2026 8:00 AM,9/12/2026 8:00 AM,3,\
mail.example.com,sender@example.com,"quoted, with a comma"\r
"""


def line(**changed: str) -> bytes:
    """A good row, in which some columns are other ones."""
    fields = {
        "ip": "192.0.2.10",
        "start": "11/20/2026 8:00 AM",
        "end": "11/21/2026 8:00 AM",
        "rcpt": "422",
        "data": "409",
        "recipients": "422",
        "filter": "GREEN",
        "rate": "< 0.1%",
        "trap_start": "",
        "trap_end": "",
        "traps": "",
        "helo": "mail.acme.com",
        "mail_from": "@acme.com",
        "comments": "",
    }
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow((fields | changed).values())
    return out.getvalue().encode()


def read(body: bytes) -> Table:
    return parse(body, CSV, TODAY)


def only(body: bytes) -> Row:
    table = read(body)
    assert len(table.rows) == 1 and not table.broken, table
    return table.rows[0]


def reason(body: bytes) -> str:
    """What is wrong with a row that stands behind a good one."""
    table = read(line(ip="192.0.2.99") + body)
    assert len(table.rows) == 1
    (broken,) = table.broken
    assert broken.line == 2
    return broken.reason


def test_rows_as_microsoft_writes_them() -> None:
    first, second = read(OLD).rows
    assert (first.ip, first.day, second.day) == ("1.1.1.0", "2019-12-31", "2019-12-31")
    assert first.readings == {
        "activity_start": "2019-12-31T08:00",
        "activity_end": "2020-09-29T21:00",
        "rcpt_commands": 14129,
        "data_commands": 14129,
        "message_recipients": 13025,
        "trap_hits": 41,
        "filter_result": "green",
        "complaint_rate_low": 0.0,
        "complaint_rate_high": 0.001,
        "complaint_rate_text": "< 0.1%",
        "trap_start": "2020-09-29T08:07",
        "trap_end": "2020-09-29T12:03",
    }
    assert second.readings["filter_result"] == "yellow"


def test_rows_of_the_new_portal() -> None:
    first, second = read(NEW).rows
    assert not {"trap_hits", "trap_start", "sample_helo", "comments"} & first.readings.keys()
    assert first.readings["sample_mail_from"] == "@example.com"
    assert second.readings["complaint_rate_low"] == second.readings["complaint_rate_high"] == 0.004
    assert second.readings["comments"] == "quoted, with a comma"


def test_no_rows_is_a_quiet_day() -> None:
    assert read(b"") == read(b"\r\n") == read(b"\xef\xbb\xbf") == Table()


@pytest.mark.parametrize("ending", [b"\r\n", b"\n", b""])
def test_line_ends_and_a_mark_at_the_beginning(ending: bytes) -> None:
    body = b"\xef\xbb\xbf" + line(comments="last").rstrip() + ending
    assert only(body).readings["comments"] == "last"


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("< 0.1%", 0.0, 0.001),
        ("<0.1%", 0.0, 0.001),
        ("<  0.1 %", 0.0, 0.001),
        ("0.4%", 0.004, 0.004),
        ("0.7%", 0.007, 0.007),
        ("0%", 0.0, 0.0),
        ("0", 0.0, 0.0),
        ("0.0", 0.0, 0.0),
        ("100%", 1.0, 1.0),
        ("None", None, None),
        ("", None, None),
    ],
)
def test_the_complaint_rate_is_an_interval(text: str, low: float | None, high: float | None) -> None:
    readings = only(line(rate=text)).readings
    assert readings.get("complaint_rate_low") == low and readings.get("complaint_rate_high") == high
    assert readings.get("complaint_rate_text") == (text if low is not None else None)


@pytest.mark.parametrize("text", ["0.5", "0.0005", "101%", "< 0%", "-1%", "0,4%", "nan%", "> 0.1%", "%", "٤%"])
def test_a_rate_that_could_mean_two_things_is_refused(text: str) -> None:
    assert reason(line(rate=text)).endswith("is not a complaint rate")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("1/2/2026 12:00 AM", "2026-01-02T00:00"),
        ("1/2/2026 12:30 PM", "2026-01-02T12:30"),
        ("01/02/2026 1:05 PM", "2026-01-02T13:05"),
        ("1/2/2026 9:00:00 AM", "2026-01-02T09:00"),
    ],
)
def test_the_hours_of_a_clock_with_twelve(text: str, iso: str) -> None:
    assert only(line(start=text)).readings["activity_start"] == iso


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ip": "192.0.2.256"}, '"192.0.2.256" is not an address'),
        ({"ip": "IP Address"}, "is not an address"),
        ({"ip": ""}, '"" is not an address'),
        ({"start": ""}, '"" is not a time'),
        ({"start": "20/11/2026 8:00 AM"}, "is not a time"),
        ({"start": "11/20/2026 0:00 AM"}, "is not a time"),
        ({"start": "11/20/2026 13:00 PM"}, "is not a time"),
        ({"start": "11/20/2026 8:60 AM"}, "is not a time"),
        ({"start": "2026-11-20T08:00"}, "is not a time"),
        ({"end": "11/19/2026 8:00 AM"}, "ends before it begins"),
        ({"start": "11/24/2026 8:00 AM", "end": "11/24/2026 9:00 AM"}, "still to come"),
        ({"rcpt": "1,200"}, "is not a count (rcpt_commands)"),
        ({"data": "-1"}, "is not a count"),
        ({"recipients": "4.5"}, "is not a count"),
        ({"traps": "many"}, "is not a count (trap_hits)"),
        ({"filter": "BLUE"}, "is not a filter result"),
        ({"trap_start": "11/20/2026 8:00 AM"}, '"" is not a time'),
        ({"comments": "\x1b[2J" + "x" * 9_000, "rate": "\x1b[2Jx"}, '"[2Jx" is not a complaint rate'),
    ],
)
def test_a_row_that_does_not_hold_is_told_and_no_other_suffers(changed: dict[str, str], words: str) -> None:
    assert words in reason(line(**changed))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"192.0.2.10,11/20/2026 8:00 AM,11/21/2026 8:00 AM,422\r\n", "4 columns instead of 14"),
        (line().rstrip() + b",more\r\n", "15 columns instead of 14"),
        (b'192.0.2.10,"never closed\r\n', "it is not CSV"),
        (line().replace(b"mail.acme", b"mail\xff"), "it is not text"),
    ],
)
def test_what_is_not_14_columns_of_text_is_no_row(body: bytes, words: str) -> None:
    assert reason(body) == words


def test_a_stray_quote_swallows_no_row_after_it() -> None:
    stray = line().replace(b"mail.acme.com", b'"mail.acme.com')
    table = read(stray + line(ip="192.0.2.11") + stray + line(ip="192.0.2.12"))
    assert [row.ip for row in table.rows] == ["192.0.2.11", "192.0.2.12"]
    assert [broken.line for broken in table.broken] == [1, 3]


def test_the_address_of_a_broken_row_is_kept_where_it_can_be_read() -> None:
    table = read(line() + line(ip="192.0.2.11", rate="0.5") + b"192.0.2.12\r\n")
    assert [broken.ip for broken in table.broken] == ["192.0.2.11", ""]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!doctype html><title>Sign in</title>", CSV),
        (b"\r\n  <html>", CSV),
        (b"\xef\xbb\xbf<html>", "text/csv"),
        (b"", "text/html; charset=utf-8"),
        (line(), "Text/HTML"),
        (b"\x00\xff\xfe garbage", CSV),
        (b'[{"ipAddress": "192.0.2.10"}]', "application/json"),
        (b"IP,Activity,End\r\n", "text/csv"),
    ],
)
def test_what_is_no_data_at_all_is_unreadable(body: bytes, kind: str) -> None:
    with pytest.raises(Unreadable):
        parse(body, kind, TODAY)


def test_the_answers_of_several_days_are_put_together_each_row_once() -> None:
    again = read(line() + line(ip="192.0.2.11"))
    whole = merge([read(line()), again, Table(broken=(Broken(3, "", "odd"),))])
    assert [(row.ip, row.day) for row in whole.rows] == [("192.0.2.10", "2026-11-20"), ("192.0.2.11", "2026-11-20")]
    assert whole.broken == (Broken(3, "", "odd"),)


def test_of_two_rows_that_differ_neither_is_believed() -> None:
    whole = merge([read(line() + line(filter="RED") + line(ip="192.0.2.11"))])
    assert [row.ip for row in whole.rows] == ["192.0.2.11"]
    assert whole.broken == (Broken(0, "192.0.2.10", "two rows for 2026-11-20 that differ"),)


FIELD = st.one_of(
    st.sampled_from(["", "None", "GREEN", "< 0.1%", "0.4%", "12", "192.0.2.1", "::1", "9/11/2026 8:00 AM", '"', "<"]),
    st.text(max_size=12),
)


@given(st.lists(st.lists(FIELD, min_size=13, max_size=15).map(",".join), max_size=4).map("\r\n".join))
@example(",".join(["192.0.2.1", "1/1/0001 1:00 AM", "1/1/9999 1:00 AM", *[""] * 11]))
def test_any_text_is_rows_or_refused(text: str) -> None:
    _held(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200), st.sampled_from([CSV, "text/html", "", "text/csv; charset=x"]))
def test_any_bytes_are_rows_or_refused(body: bytes, kind: str) -> None:
    _held(body, kind)


@given(st.binary(max_size=6), st.integers(0, 150), st.integers(0, 8))
def test_a_good_row_spoilt_anywhere_is_read_or_refused(noise: bytes, at: int, gone: int) -> None:
    good = line()
    _held(line(ip="192.0.2.99") + good[:at] + noise + good[at + gone :])


def _held(body: bytes, kind: str = CSV) -> None:
    try:
        table = merge([parse(body, kind, TODAY)])
    except Unreadable as fault:
        assert str(fault).isprintable() and len(str(fault)) < 200
        return
    for row in table.rows:
        assert Seen(row.readings) and len(row.day) == 10
        low, high = row.readings.get("complaint_rate_low", 0.0), row.readings.get("complaint_rate_high", 0.0)
        assert isinstance(low, float) and isinstance(high, float) and 0 <= low <= high <= 1


def test_empty_lines_are_no_rows() -> None:
    table = read(line() + b"\r\n  \r\n" + line(ip="192.0.2.11"))
    assert len(table.rows) == 2 and not table.broken
