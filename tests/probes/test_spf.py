"""SPF: the grammar with the place of each fault, the tree with its limits, and the record seen by a real resolver."""

import ipaddress
from collections.abc import Callable
from typing import Any

import checkdmarc.spf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import spf
from probes.observation import Observation, Seen, Unseen, Why
from probes.resolver import Absent, Answer, Found, NotAsked
from probes.spf_record import Record, SpfSyntaxFault, Term, expand, is_spf, parse

World = dict[tuple[str, str], Answer]


def asking(world: dict[str, Any]):
    """An `ask` over a literal world: name to TXT text(s), or "name TYPE" to records; anything else does not exist."""

    async def ask(name: str, rdtype: str) -> Answer:
        held = world.get(name if rdtype == "TXT" else f"{name} {rdtype}")
        if isinstance(held, NotAsked):
            return held
        if held is None:
            return Absent(nxdomain=not any(key.split(" ")[0] == name for key in world))
        records = held if isinstance(held, tuple) else (held,)
        return Found(tuple(text.encode("latin-1") if rdtype == "TXT" else text for text in records))

    return ask


async def readings(world: dict[str, Any]) -> dict[str, Any]:
    answer = await spf.examine("acme.test", asking(world))
    assert isinstance(answer, Seen)
    return dict(answer.readings)


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("v=spf1", True),
        ("V=SPF1 -all", True),
        ("v=spf10 -all", False),
        ("v=spf1-all", False),
        ("v=spf1\t-all", False),
        (" v=spf1", False),
    ],
)
def test_what_is_meant_as_spf(text: str, yes: bool) -> None:
    assert is_spf(text) is yes


def test_every_term_is_read() -> None:
    record = parse(
        "v=spf1  ip4:192.0.2.1 ip4:192.0.2.77/24 ip6:2001:db8::1 ip6:2001:db8::/32 a -a/0 ?a//64 ~a:b.test/24//64 "
        "mx mx:c.test include:d.test exists:%{ir}.e.test. ptr ptr:f.test ~ALL include:never.test redirect=g.test "
        "exp=h.test x-y.z_1=%{d}%%%_%- op= "
    )
    assert record.mechanisms == (
        Term("ip4", network=ipaddress.IPv4Network("192.0.2.1/32")),
        Term("ip4", network=ipaddress.IPv4Network("192.0.2.0/24")),
        Term("ip6", network=ipaddress.IPv6Network("2001:db8::1/128")),
        Term("ip6", network=ipaddress.IPv6Network("2001:db8::/32")),
        Term("a"),
        Term("a", "-", prefixes=(0, 128)),
        Term("a", "?", prefixes=(32, 64)),
        Term("a", "~", "b.test", prefixes=(24, 64)),
        Term("mx"),
        Term("mx", value="c.test"),
        Term("include", value="d.test"),
        Term("exists", value="%{ir}.e.test."),
        Term("ptr"),
        Term("ptr", value="f.test"),
    )
    assert (record.all, record.redirect) == ("~", "")
    assert record.modifiers == (
        Term("redirect", value="g.test"),
        Term("exp", value="h.test"),
        Term("x-y.z_1", value="%{d}%%%_%-"),
        Term("op"),
    )


def test_a_redirect_counts_where_there_is_no_all() -> None:
    assert parse("v=spf1 redirect=g.test a") == Record((Term("a"),), "g.test", "", (Term("redirect", value="g.test"),))
    assert parse("v=spf1") == Record(())


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("v=spf1 inculde:a.test", 8),
        ("v=spf1 -all foo", 13),
        ("v=spf1 include:", 16),
        ("v=spf1 include", 15),
        ("v=spf1 include/24", 15),
        ("v=spf1 all:a.test", 11),
        ("v=spf1 exists:%{z}.a.test", 15),
        ("v=spf1 exists:%{c}.a.test", 15),
        ("v=spf1 exists:%{d0}.a.test", 15),
        ("v=spf1 exists:a%.test", 16),
        ("v=spf1 exists:%", 15),
        ("v=spf1 a:\xe9.test", 10),
        ("v=spf1 a:b\t.test", 11),
        ("v=spf1 ip4", 11),
        ("v=spf1 ip4:", 12),
        ("v=spf1 ip4:192.0.2.300", 12),
        ("v=spf1 ip4:192.0.2.01", 12),
        ("v=spf1 ip4:192.0.2.0/99", 22),
        ("v=spf1 ip4:192.0.2.0/", 22),
        ("v=spf1 ip4:192.0.2.0/024", 22),
        ("v=spf1 ip4:192.0.2.0/255.255.255.0", 22),
        ("v=spf1 ip4:2001:db8::1", 12),
        ("v=spf1 ip6:192.0.2.1", 12),
        ("v=spf1 ip6:2001:db8::/129", 23),
        ("v=spf1 ip6:fe80::1%eth0", 12),
        ("v=spf1 a/33", 9),
        ("v=spf1 a/", 9),
        ("v=spf1 a/24/64", 12),
        ("v=spf1 a:b.test/24//129", 16),
        ("v=spf1 mx:b.test/24/", 11),
        ("v=spf1 a:localhost", 10),
        ("v=spf1 a:b.123", 10),
        ("v=spf1 a:b.-x", 10),
        ("v=spf1 a:", 10),
        ("v=spf1 -redirect=a.test", 8),
        ("v=spf1 redirect=a.test redirect=b.test", 24),
        ("v=spf1 exp=a.test  EXP=b.test", 20),
        ("v=spf1 redirect=", 17),
        ("v=spf1 x=%", 10),
        ("v=spf1 =x", 8),
        ("v=spf1 --all", 8),
        ("v=spf1 all\n", 11),
    ],
)
def test_a_fault_has_its_place(text: str, position: int) -> None:
    with pytest.raises(SpfSyntaxFault) as fault:
        parse(text)
    assert fault.value.position == position
    assert str(fault.value).startswith(f"at character {position}: ")


@given(st.text(st.characters(max_codepoint=255), max_size=120))
def test_no_text_raises_anything_but_a_syntax_fault(text: str) -> None:
    try:
        assert isinstance(parse("v=spf1 " + text), Record)
    except SpfSyntaxFault as fault:
        assert 8 <= fault.position <= len("v=spf1 " + text) + 1


ENDS = ["-all", "~all", "redirect=d.test"]
GOOD = ["a", "mx", "a:b.test", "include:c.test", "ip4:192.0.2.0/24", "ip6:2001:db8::/32", "exists:%{i}.e.test", "a/24"]
BAD = ["ip4:300.1.1.1", "inclde:x.test", "a:", "exists:%{q}.x", "mx:f.test/40"]
ODD = ["mx:f.test/8//64", "x=1", "ptr", "include:acme.test", "include:b.test", "redirect=a.test"]


# No terms behind `all`: checkdmarc does not read them, while RFC 7208 4.6 wants the whole record well written.
@given(st.lists(st.sampled_from(GOOD + BAD), min_size=1, max_size=6, unique=True), st.sampled_from(ENDS))
def test_syntax_is_judged_as_checkdmarc_judges_it(terms: list[str], end: str) -> None:
    text = " ".join(["v=spf1", *terms, end])
    try:
        parse(text)
    except SpfSyntaxFault:
        ours = False
    else:
        ours = True
    assert ours is _checkdmarc_parses(text)


def _checkdmarc_parses(text: str) -> bool:
    """What the oracle says of the syntax alone: a resolver that knows nothing makes it fail on DNS, not on syntax."""
    try:
        checkdmarc.spf.parse_spf_record(text, "acme.test", resolver=_Nothing())
    except checkdmarc.spf.SPFSyntaxError:
        return False
    except checkdmarc.spf.SPFError:
        return True
    return True


class _Nothing:
    """A resolver of dnspython's kind that finds no name at all."""

    nameservers = ("192.0.2.1",)
    timeout = lifetime = 1.0

    def resolve(self, *_: object, **__: object) -> None:
        import dns.resolver

        raise dns.resolver.NXDOMAIN


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("%{d}", "mail.acme.test"),
        ("%{o}.x", "acme.test.x"),
        ("%{d2}", "acme.test"),
        ("%{d9r}", "test.acme.mail"),
        ("%{dr}", "test.acme.mail"),
        ("%{d1r}.x", "mail.x"),
        ("%{D}", "mail.acme.test"),
        ("a%%b%_c%-.test", "a%b c%20.test"),
        ("%{l-}.test", "a.b+c.test"),
        ("%{L+-}.test", "a.b.c.test"),
        ("%{i}.test", None),
        ("%{l}.%{h}.test", None),
        (".".join(["x" * 60] * 5) + ".test", ".".join(["x" * 60] * 4) + ".test"),
        ("x" * 300, "x" * 300),
    ],
)
def test_macros_are_expanded(spec: str, name: str | None) -> None:
    values = {"d": "mail.acme.test", "o": "acme.test", "l": "a-b+c"}
    assert expand(spec, values) == name


CHAIN = {f"c{n}.test": f"v=spf1 include:c{n + 1}.test -all" for n in range(20)} | {"c20.test": "v=spf1 -all"}


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        ({}, {"code": "no-record", "detail": "acme.test does not exist"}),
        ({"acme.test A": "192.0.2.1"}, {"code": "no-record", "detail": "acme.test has no TXT record"}),
        ({"acme.test": ("hello", "v=spf10")}, {"code": "no-record", "detail": "none of 2 TXT records is SPF"}),
        (
            {"acme.test": ("v=spf1 a -all", "v=spf1 mx ~all\x1b", "x")},
            {
                "code": "multiple-records",
                "detail": "2 SPF records",
                "records": ("v=spf1 a -all", "v=spf1 mx ~all\\x1b"),
            },
        ),
        (
            {"acme.test": "v=spf1 ipv4:1.2.3.4 ~all"},
            {
                "code": "syntax",
                "detail": "at character 8: there is no mechanism 'ipv4'",
                "record": "v=spf1 ipv4:1.2.3.4 ~all",
                "position": 8,
            },
        ),
        (
            {"acme.test": "v=spf1 ip4:192.0.2.1 -all"},
            {"code": "ok", "detail": "", "record": "v=spf1 ip4:192.0.2.1 -all", "all": "-", "lookups": 0, "voids": 0},
        ),
    ],
)
async def test_the_record_itself(world: dict[str, Any], expected: dict[str, Any]) -> None:
    assert await readings(world) == expected


@pytest.mark.parametrize(
    ("world", "code", "lookups", "voids", "words"),
    [
        # RFC 7208 4.6.4: include, a, mx, ptr, exists and redirect count; ip4, ip6 and all do not.
        (
            {
                "acme.test": "v=spf1 ip4:192.0.2.1 a mx include:b.test exists:c.test -all",
                "acme.test A": "192.0.2.1",
                "acme.test MX": ("10 acme.test", "20 six.test"),
                "six.test AAAA": "2001:db8::1",
                "b.test": "v=spf1 redirect=d.test",
                "c.test A": "127.0.0.2",
                "d.test": "v=spf1 ip6:2001:db8::/32 -all",
            },
            "ok",
            5,
            0,
            "",
        ),
        # What stands behind `all` is never asked, and `all` overrides a redirect.
        ({"acme.test": "v=spf1 -all a:x.test include:y.test redirect=z.test"}, "ok", 0, 0, ""),
        # Terms that depend on the sending address are counted, not followed.
        ({"acme.test": "v=spf1 exists:%{i}.x.test include:%{l}.y.test ~all"}, "ok", 2, 0, ""),
        # Those that depend on the domain alone are followed; %{d} is the domain of the record that holds it.
        (
            {
                "acme.test": "v=spf1 include:b.test ~all",
                "b.test": "v=spf1 include:%{d}.x.test include:%{o}.x.test ~all",
                "b.test.x.test": "v=spf1 ~all",
                "acme.test.x.test": "v=spf1 ~all",
            },
            "ok",
            3,
            0,
            "",
        ),
        # Ten lookups are allowed, eleven are not; the same name twice counts twice.
        ({"acme.test": "v=spf1 include:c11.test -all", **CHAIN}, "ok", 10, 0, ""),
        (
            {"acme.test": "v=spf1 include:c10.test -all", **CHAIN},
            "too-many-lookups",
            11,
            0,
            "11 lookups, at most 10 are allowed",
        ),
        (
            {
                "acme.test": "v=spf1 include:c16.test include:c16.test a:c16.test -all",
                **CHAIN,
                "c16.test A": "192.0.2.1",
            },
            "too-many-lookups",
            11,
            0,
            "11 lookups",
        ),
        # Two voids are allowed, three are not. A name with AAAA alone is no void, an empty MX is one.
        ({"acme.test": "v=spf1 a mx ~all"}, "ok", 2, 2, ""),
        (
            {"acme.test": "v=spf1 a mx exists:gone.test ~all"},
            "too-many-voids",
            3,
            3,
            "3 lookups find nothing, at most 2 may",
        ),
        ({"acme.test": "v=spf1 mx ~all", "acme.test MX": "10 gone.test"}, "ok", 1, 1, ""),
        ({"acme.test": "v=spf1 mx ~all", "acme.test MX": "0 ."}, "ok", 1, 0, ""),
        ({"acme.test": "v=spf1 exists:six.test ~all", "six.test AAAA": "2001:db8::1"}, "ok", 1, 1, ""),
        (
            {
                "acme.test": "v=spf1 mx ~all",
                "acme.test MX": tuple(f"10 mx{n}.test" for n in range(11)),
                **{f"mx{n}.test A": "192.0.2.1" for n in range(11)},
            },
            "too-many-lookups",
            1,
            0,
            "mx of acme.test names 11 hosts, at most 10 are allowed",
        ),
        # Circles.
        ({"acme.test": "v=spf1 include:ACME.test. ~all"}, "loop", 1, 0, "include of acme.test leads back to itself"),
        ({"acme.test": "v=spf1 redirect=acme.test"}, "loop", 1, 0, "redirect of acme.test leads back to itself"),
        (
            {
                "acme.test": "v=spf1 include:b.test",
                "b.test": "v=spf1 include:d.test",
                "d.test": "v=spf1 include:b.test",
            },
            "loop",
            3,
            0,
            "include of b.test leads back to itself",
        ),
        # Includes that hold no record that can be used.
        (
            {"acme.test": "v=spf1 include:gone.test ~all"},
            "bad-include",
            1,
            1,
            "include of gone.test: it has no SPF record",
        ),
        ({"acme.test": "v=spf1 redirect=b.test", "b.test": "hello"}, "bad-include", 1, 0, "redirect of b.test"),
        (
            {"acme.test": "v=spf1 include:b.test ~all", "b.test": ("v=spf1 a", "v=spf1 mx")},
            "bad-include",
            1,
            0,
            "include of b.test: it has 2 SPF records",
        ),
        (
            {"acme.test": "v=spf1 include:b.test ~all", "b.test": "v=spf1 foo"},
            "bad-include",
            1,
            0,
            "its record does not parse at character 8: there is no mechanism 'foo'",
        ),
        # ptr is a fault of the domain's own record, also behind its redirect, not of a provider's.
        ({"acme.test": "v=spf1 ptr ~all"}, "ptr", 1, 0, "acme.test uses ptr"),
        ({"acme.test": "v=spf1 redirect=b.test", "b.test": "v=spf1 ptr:x.test ~all"}, "ptr", 2, 0, "b.test uses ptr"),
        ({"acme.test": "v=spf1 include:b.test ~all", "b.test": "v=spf1 ptr ~all"}, "ok", 2, 0, ""),
        # The worst fault names the record, and the detail tells all.
        (
            {"acme.test": "v=spf1 ptr include:acme.test a:x.test a:y.test a:z.test ~all"},
            "loop",
            5,
            3,
            "leads back to itself; 3 lookups find nothing, at most 2 may; acme.test uses ptr",
        ),
    ],
)
async def test_the_tree(world: dict[str, Any], code: str, lookups: int, voids: int, words: str) -> None:
    seen = await readings(world)
    assert (seen["code"], seen["lookups"], seen["voids"]) == (code, lookups, voids)
    assert words in seen["detail"] if words else seen["detail"] == ""


async def test_the_all_of_a_redirect_is_the_records_own() -> None:
    world = {"acme.test": "v=spf1 redirect=b.test", "b.test": "v=spf1 include:c.test ?all", "c.test": "v=spf1 +all"}
    assert (await readings(world))["all"] == "?"


async def test_a_tree_without_end_is_left() -> None:
    async def ask(name: str, rdtype: str) -> Answer:
        return Found((b"v=spf1 include:a.%{d} include:b.%{d} -all",))

    answer = await spf.examine("acme.test", ask)
    assert isinstance(answer, Seen)
    assert answer.readings["lookups"] == spf.STOP_AFTER
    assert f"{spf.STOP_AFTER} or more lookups" in str(answer.readings["detail"])


async def test_a_backslash_in_a_name_is_itself() -> None:
    asked: list[str] = []

    async def ask(name: str, rdtype: str) -> Answer:
        asked.append(name)
        return Found((rb"v=spf1 a:b\.c.test -all",) if rdtype == "TXT" else ("192.0.2.1",))

    await spf.examine("acme.test", ask)
    assert asked == ["acme.test", r"b\\.c.test"]


DOWN = NotAsked(Why.SERVFAIL, "down.test TXT: 192.0.2.53:53 said SERVFAIL")


@pytest.mark.parametrize(
    "world",
    [
        {"acme.test": DOWN},
        {"acme.test": "v=spf1 include:down.test ~all", "down.test": DOWN},
        {"acme.test": "v=spf1 include:b.test ~all", "b.test": "v=spf1 redirect=down.test", "down.test": DOWN},
        {"acme.test": "v=spf1 a:down.test ~all", "down.test A": DOWN},
        {"acme.test": "v=spf1 a:down.test ~all", "down.test AAAA": DOWN},
        {"acme.test": "v=spf1 exists:down.test ~all", "down.test A": DOWN},
        {"acme.test": "v=spf1 mx ~all", "acme.test MX": DOWN},
        {"acme.test": "v=spf1 mx ~all", "acme.test MX": "10 down.test", "down.test A": DOWN},
        {"acme.test": "v=spf1 include:acme.test include:down.test ~all", "down.test": DOWN},
    ],
)
async def test_a_part_that_cannot_be_asked_makes_the_whole_unseen(world: dict[str, Any]) -> None:
    assert await spf.examine("acme.test", asking(world)) == Unseen(Why.SERVFAIL, DOWN.detail)


@given(
    st.dictionaries(
        st.sampled_from([f"{name}.test" for name in "abcd"] + ["acme.test"]),
        st.lists(st.sampled_from(ENDS + GOOD + BAD + ODD), max_size=8),
    )
)
async def test_any_tree_ends_with_a_known_code(records: dict[str, list[str]]) -> None:
    world = {name: "v=spf1 " + " ".join(terms) for name, terms in records.items()}
    seen = await readings(world)
    codes = {"no-record", "syntax", "loop", "bad-include", "too-many-voids", "too-many-lookups", "ptr", "ok"}
    assert seen["code"] in codes


async def test_a_real_name_server(serve: Callable[..., Any], resolving: Callable[..., Any], now: Any) -> None:
    server = serve(
        {
            "acme.test": '@ IN TXT "v=spf1 mx include:_spf.mail" ".test -all"\n@ IN MX 10 mx\nmx IN A 192.0.2.1\n',
            "mail.test": '_spf IN TXT "v=spf1 a:gone.mail.test ip4:192.0.2.0/24 ~all"\n',
        }
    )
    told = await spf.observe("acme.test", spf.Config(), resolving(server.nameserver), now)
    record = "v=spf1 mx include:_spf.mail.test -all"
    seen = {"code": "ok", "detail": "", "record": record, "all": "-", "lookups": 3, "voids": 1}
    assert told == (Observation("spf", "acme.test", now, Seen(seen)),)
