"""DMARC: the record, the walk up the tree, and which policy it comes to."""

from collections.abc import Callable
from typing import Any

import checkdmarc.dmarc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import dmarc
from probes.dmarc import Config, Record, is_dmarc, parse, walk
from probes.observation import Observation, Seen, Unseen, Why
from probes.resolver import Absent, Answer, Found, NotAsked

DOWN = NotAsked(Why.TIMEOUT, "192.0.2.53:53 did not answer within 3 s")
RUA = ("mailto:d@acme.test",)


def asking(world: dict[str, Any], asked: list[str] | None = None):
    """An `ask` over a literal world: domain to its DMARC texts, or "name TYPE" to anything; else there is nothing."""

    async def ask(name: str, rdtype: str) -> Answer:
        if asked is not None:
            asked.append(name)
        held = world.get(name.removeprefix("_dmarc.") if rdtype == "TXT" else f"{name} {rdtype}")
        if isinstance(held, NotAsked):
            return held
        if held is None:
            return Absent(nxdomain=True)
        records = held if isinstance(held, tuple) else (held,)
        return Found(tuple(text.encode("latin-1") for text in records))

    return ask


async def readings(world: dict[str, Any], domain: str = "acme.test") -> dict[str, Any]:
    answer = await dmarc.examine(domain, asking(world))
    assert isinstance(answer, Seen)
    return dict(answer.readings)


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("v=DMARC1", True),
        ("v=DMARC1;p=none", True),
        ("V = DMARC1 ; p=none", True),
        ("v=dmarc1; p=none", False),
        ("v=DMARC1 p=none", False),
        ("v=DMARC10; p=none", False),
        (" v=DMARC1; p=none", False),
        ("p=none; v=DMARC1", False),
    ],
)
def test_what_is_a_dmarc_record(text: str, yes: bool) -> None:
    assert is_dmarc(text) is yes


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("v=DMARC1; p=reject", Record("reject")),
        ("v=DMARC1;P = Quarantine ;", Record("quarantine")),
        (
            "v=DMARC1; sp=none; np=reject; p=quarantine; psd=n; t=y; adkim=s; aspf=s; x=1; fo=1:d",
            Record("quarantine", "none", "reject", "n", True, "s", "s"),
        ),
        (
            "v=DMARC1; p=none; rua=mailto:d@acme.test!10m , https://r.test/x,mailto:broken, nonsense",
            Record("none", rua=("mailto:d@acme.test", "https://r.test/x")),
        ),
        (
            "v=DMARC1; p=reject; pct=50; rf=afrf; ri=3600",
            Record("reject", notes=tuple(f"{name}= is history since RFC 9989" for name in ("pct", "rf", "ri"))),
        ),
        (
            "v=DMARC1; p=reject; adkim=x; psd=maybe; foo; =1",
            Record(
                "reject",
                notes=(
                    "'foo' is not a tag",
                    "'=1' is not a tag",
                    "psd=maybe is none of u, y, n",
                    "adkim=x is none of r, s",
                ),
            ),
        ),
        ("v=DMARC1; rua=mailto:d@acme.test", Record(rua=RUA, notes=("it has no p= tag",))),
        ("v=DMARC1", Record(faults=("it has no p= tag",))),
        ("v=DMARC1; rua=mailto:d", Record(faults=("it has no p= tag",))),
        ("v=DMARC1; p=blocked", Record(faults=("p=blocked is none of none, quarantine, reject",))),
        ("v=DMARC1; p=", Record(faults=("p= is none of none, quarantine, reject",))),
        ("v=DMARC1; rua=mailto:d@acme.test; p", Record(rua=RUA, faults=("p= is none of none, quarantine, reject",))),
        ("v=DMARC1; p=reject; sp=no", Record("reject", faults=("sp=no is none of none, quarantine, reject",))),
        ("v=DMARC1; p=reject; p=none", Record("reject", faults=("p= occurs twice",))),
        ("v=DMARC1; p=reject\xe9", Record(faults=("p= is none of none, quarantine, reject",))),
    ],
)
def test_a_record_is_read(text: str, record: Record) -> None:
    assert parse(text) == record


@given(st.text(st.characters(max_codepoint=255), max_size=120))
def test_no_text_raises(text: str) -> None:
    record = parse("v=DMARC1;" + text)
    assert record.p in ("", *dmarc.POLICIES)
    assert record.applied(record.policy(below=True)) in ("", *dmarc.POLICIES)


@given(
    st.lists(
        st.sampled_from(
            [
                "p=none",
                "p=reject",
                "sp=quarantine",
                "np=none",
                "t=y",
                "psd=n",
                "adkim=s",
                "pct=5",
                "x=1",
                "p=blocked",
                "sp=no",
            ]
        ),
        min_size=1,
        max_size=5,
        unique=True,
    )
)
def test_tags_are_judged_as_checkdmarc_judges_them(tags: list[str]) -> None:
    # A missing p= is left to the tables above: checkdmarc takes it as p=none even without rua (RFC 9989 4.10.1).
    text = "; ".join(["v=DMARC1", *sorted(tags)])
    record = parse(text)
    try:
        told = checkdmarc.dmarc.parse_dmarc_record(text, "acme.test")["tags"]
    except checkdmarc.dmarc.InvalidDMARCTagValue:
        assert record.faults
    except checkdmarc.dmarc.InvalidDMARCTag:
        assert any("twice" in fault for fault in record.faults)
    else:
        if "p=" in text.replace("sp=", "").replace("np=", ""):
            assert record.faults == ()
            assert (record.p, record.policy(below=True)) == (told["p"]["value"], told["sp"]["value"])
            assert record.policy(below=True, exists=False) == told["np"]["value"]


@pytest.mark.parametrize(
    ("text", "itself", "below", "gone"),
    [
        ("p=reject", "reject", "reject", "reject"),
        ("p=reject; sp=none", "reject", "none", "none"),
        ("p=none; np=reject", "none", "none", "reject"),
        ("p=none; sp=quarantine; np=reject", "none", "quarantine", "reject"),
        ("sp=reject", "", "", ""),
        ("sp=reject; rua=mailto:d@acme.test", "none", "none", "none"),
        ("p=reject; sp=oops; rua=mailto:d@acme.test", "none", "none", "none"),
    ],
)
def test_the_policy_is_chosen(text: str, itself: str, below: str, gone: str) -> None:
    record = parse(f"v=DMARC1; {text}")
    assert (record.policy(below=False), record.policy(below=True)) == (itself, below)
    assert record.policy(below=True, exists=False) == gone


def test_the_test_flag_takes_a_step_down() -> None:
    record = Record("reject", testing=True)
    assert [record.applied(policy) for policy in ("reject", "quarantine", "none", "")] == [
        "quarantine",
        "none",
        "none",
        "",
    ]
    assert Record("reject").applied("reject") == "reject"


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("test", "test"),
        ("acme.test", "acme.test test"),
        ("a.mail.acme.test", "a.mail.acme.test mail.acme.test acme.test test"),
        ("1.2.3.4.5.6.7.8", "1.2.3.4.5.6.7.8 2.3.4.5.6.7.8 3.4.5.6.7.8 4.5.6.7.8 5.6.7.8 6.7.8 7.8 8"),
        ("a.b.c.1.2.3.4.5.6.7", "a.b.c.1.2.3.4.5.6.7 1.2.3.4.5.6.7 2.3.4.5.6.7 3.4.5.6.7 4.5.6.7 5.6.7 6.7 7"),
    ],
)
def test_the_walk(domain: str, names: str) -> None:
    assert " ".join(walk(domain)) == names
    assert len(walk(domain)) <= dmarc.MAX_LABELS


DEEP = "a.mail.acme.test"


@pytest.mark.parametrize(
    ("world", "domain", "code", "policy", "found_at"),
    [
        ({}, "acme.test", "missing", None, None),
        ({"acme.test": "hello"}, "acme.test", "missing", None, None),
        ({"acme.test": "v=DMARC1; p=reject"}, "acme.test", "ok", "reject", "acme.test"),
        ({"acme.test": ("hello", "v=DMARC1; p=none")}, "acme.test", "monitor-only", "none", "acme.test"),
        ({"acme.test": "v=DMARC1; p=quarantine; t=y"}, "acme.test", "monitor-only", "quarantine", "acme.test"),
        ({"acme.test": "v=DMARC1; p=reject; t=y"}, "acme.test", "ok", "reject", "acme.test"),
        ({"acme.test": "v=DMARC1; pct=100"}, "acme.test", "invalid", None, "acme.test"),
        ({"acme.test": "v=DMARC1; p=x; rua=mailto:d@acme.test"}, "acme.test", "invalid", "none", "acme.test"),
        ({"acme.test": "v=DMARC1; rua=mailto:d@acme.test"}, "acme.test", "monitor-only", "none", "acme.test"),
        ({"acme.test": "v=dmarc1; p=reject"}, "acme.test", "invalid", None, None),
        ({"acme.test": ("v=DMARC1; p=none", "v=DMARC1; p=reject")}, "acme.test", "multiple-records", None, "acme.test"),
        # Its own record counts before any above it, and sp= is not for the domain itself.
        (
            {DEEP: "v=DMARC1; p=none; sp=reject", "acme.test": "v=DMARC1; p=reject"},
            DEEP,
            "monitor-only",
            "none",
            DEEP,
        ),
        ({"acme.test": "v=DMARC1; p=reject; sp=quarantine"}, DEEP, "ok", "quarantine", "acme.test"),
        # Above it, the fewest labels count (RFC 9989 4.10.2), unless psd=n stops the walk.
        ({"mail.acme.test": "v=DMARC1; p=none", "acme.test": "v=DMARC1; p=reject"}, DEEP, "ok", "reject", "acme.test"),
        (
            {"mail.acme.test": "v=DMARC1; p=none; psd=n", "acme.test": "v=DMARC1; p=reject", "test": DOWN},
            DEEP,
            "monitor-only",
            "none",
            "mail.acme.test",
        ),
        # psd=y: one label below it counts, else the public suffix's own record.
        (
            {"test": "v=DMARC1; p=reject; psd=y", "acme.test": "v=DMARC1; p=none"},
            DEEP,
            "monitor-only",
            "none",
            "acme.test",
        ),
        ({"test": "v=DMARC1; p=reject; psd=y", "mail.acme.test": "v=DMARC1; p=none"}, DEEP, "ok", "reject", "test"),
        ({"test": "v=DMARC1; p=reject; sp=none; psd=y"}, "acme.test", "monitor-only", "none", "test"),
        ({"acme.test": "v=DMARC1; p=reject; psd=y", "test": DOWN}, "acme.test", "ok", "reject", "acme.test"),
        # Several records above are passed over while another one applies.
        (
            {"mail.acme.test": ("v=DMARC1; p=none", "v=DMARC1; p=reject"), "acme.test": "v=DMARC1; p=reject"},
            DEEP,
            "ok",
            "reject",
            "acme.test",
        ),
        (
            {"acme.test": ("v=DMARC1; p=none", "v=DMARC1; p=reject")},
            DEEP,
            "multiple-records",
            None,
            "acme.test",
        ),
        # np= is for domains that do not exist.
        (
            {"acme.test": "v=DMARC1; p=reject; np=none"},
            DEEP,
            "monitor-only",
            "none",
            "acme.test",
        ),
        ({"acme.test": "v=DMARC1; p=reject; np=none", f"{DEEP} MX": "10 mx"}, DEEP, "ok", "reject", "acme.test"),
    ],
)
async def test_which_policy_applies(
    world: dict[str, Any], domain: str, code: str, policy: str | None, found_at: str | None
) -> None:
    seen = await readings(world, domain)
    assert (seen["code"], seen.get("policy"), seen.get("found_at")) == (code, policy, found_at)
    assert seen["detail"] or code in ("ok", "monitor-only")


@pytest.mark.parametrize(
    "world",
    [
        {"acme.test": DOWN},
        {"test": DOWN},
        {"mail.acme.test": DOWN, "acme.test": "v=DMARC1; p=reject"},
        {"acme.test": "v=DMARC1; p=reject; np=none", f"{DEEP} A": DOWN},
        {"acme.test": "v=DMARC1; p=reject; np=none", f"{DEEP} MX": DOWN},
    ],
)
async def test_a_name_that_cannot_be_asked_makes_the_whole_unseen(world: dict[str, Any]) -> None:
    assert await dmarc.examine(DEEP, asking(world)) == Unseen(Why.TIMEOUT, DOWN.detail)


async def test_no_more_is_asked_than_needed() -> None:
    asked: list[str] = []
    world = {"acme.test": "v=DMARC1; p=reject; sp=none; np=none"}
    await dmarc.examine("acme.test", asking(world, asked))
    await dmarc.examine("x.acme.test", asking(world, asked))
    assert asked == ["_dmarc.acme.test", "_dmarc.x.acme.test", "_dmarc.acme.test", "_dmarc.test"]


async def test_a_near_miss_is_shown_where_it_stands() -> None:
    seen = await readings({"acme.test": " V=DMARC1 p=none\x1b"})
    assert seen["detail"] == (
        "does not start with v=DMARC1; and is ignored: ' V=DMARC1 p=none\\x1b' at _dmarc.acme.test"
    )


async def test_a_real_name_server(serve: Callable[..., Any], resolving: Callable[..., Any], now: Any) -> None:
    record = "v=DMARC1; p=reject; sp=quarantine; rua=mailto:d@acme.test"
    server = serve({"acme.test": f'_dmarc IN TXT "{record[:20]}" "{record[20:]}"\nmail IN A 192.0.2.1\n', "test": ""})
    told = await dmarc.observe("mail.acme.test", Config(), resolving(server.nameserver), now)
    seen = {
        "code": "ok",
        "detail": "",
        "record": record,
        "found_at": "acme.test",
        "policy": "quarantine",
        "applied": "quarantine",
        "p": "reject",
        "sp": "quarantine",
        "psd": "u",
        "adkim": "r",
        "aspf": "r",
        "rua": RUA,
        "testing": False,
    }
    assert told == (Observation("dmarc", "mail.acme.test", now, Seen(seen)),)
