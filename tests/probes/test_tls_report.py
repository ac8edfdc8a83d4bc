"""What TLS reports say is read as written: sessions by domain, failures by type, and nothing that is not a number."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.aggregate_report import Sessions, Unpackable
from probes.tls_report import MAX_POLICIES, read

SAMPLE = Path(__file__).parents[3] / "shared" / "corpora" / "dmarc" / "rfc8460.json"
RANGE = {"start-datetime": "2026-11-20T00:00:00Z", "end-datetime": "2026-11-20T23:59:59Z"}


def policy(ok: Any = 5, failed: Any = 2, domain: Any = "acme.test", details: Any = None) -> dict[str, Any]:
    summary = {"total-successful-session-count": ok, "total-failure-session-count": failed}
    found = {"policy": {"policy-type": "sts", "policy-domain": domain}, "summary": summary}
    return found if details is None else found | {"failure-details": details}


def report(*policies: Any, covers: Any = RANGE) -> bytes:
    told = {"organization-name": "Mail Inc", "report-id": "1", "date-range": covers, "policies": policies}
    return json.dumps(told).encode()


@pytest.mark.skipif(not SAMPLE.is_file(), reason="the shared corpora are not here")
def test_the_sample_of_the_rfc() -> None:
    told = read(SAMPLE.read_bytes())
    assert told is not None
    failures = (("certificate-expired", 100), ("starttls-not-supported", 200), ("validation-failure", 3))
    assert told.sessions == (Sessions("company-y.example", 5326, 303, failures),)
    assert (told.reporter, told.begin) == ("Company-X", datetime(2016, 4, 1, tzinfo=UTC))


def test_policies_and_failures() -> None:
    details = [
        {"result-type": "starttls-not-supported", "failed-session-count": 1},
        {"result-type": "starttls-not-supported", "failed-session-count": 1},
        {"result-type": "", "failed-session-count": 1},
        {"result-type": "x", "failed-session-count": 0},
        {"result-type": "x"},
        1,
    ]
    told = read(report(policy(details=details), policy(1, 0, "Mail.Acme.test."), policy(details="none")))
    assert told is not None
    assert told.sessions == (
        Sessions("acme.test", 5, 2, (("starttls-not-supported", 2),)),
        Sessions("mail.acme.test", 1, 0),
        Sessions("acme.test", 5, 2),
    )
    assert (told.domain, told.rows, told.unread) == ("acme.test", 3, 0)


@pytest.mark.parametrize(
    "broken",
    [
        1,
        {},
        policy(domain=5),
        policy(domain="no name"),
        policy(ok="5"),
        policy(ok=True),
        policy(ok=1.5),
        policy(failed=-1),
        policy(failed=10**10),
        policy(failed=None),
    ],
)
def test_a_policy_that_cannot_be_read_is_in_no_number(broken: Any) -> None:
    told = read(report(broken, policy()))
    assert told is not None
    assert (told.sessions, told.domain, told.unread) == ((Sessions("acme.test", 5, 2),), "acme.test", 1)


@pytest.mark.parametrize(
    ("covers", "begin"),
    [
        ({"start-datetime": "2026-11-20T01:00:00+01:00"}, datetime(2026, 11, 20, tzinfo=UTC)),
        ({"start-datetime": "2026-11-20T00:00:00"}, datetime(2026, 11, 20, tzinfo=UTC)),
        ({"start-datetime": "0001-01-01T00:00:00+10:00"}, None),
        ({"start-datetime": "yesterday"}, None),
        ({"start-datetime": 5}, None),
        (5, None),
    ],
)
def test_times(covers: Any, begin: datetime | None) -> None:
    told = read(report(policy(), covers=covers))
    assert told is not None
    assert (told.begin, told.end) == (begin, None)


def test_too_many_policies_are_refused() -> None:
    with pytest.raises(Unpackable, match="policies"):
        read(report(*[{}] * (MAX_POLICIES + 1)))


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)


@given(_JSON, _JSON, _JSON, _JSON, _JSON)
def test_any_values_are_read_or_left_out(ok: Any, failed: Any, domain: Any, details: Any, covers: Any) -> None:
    told = read(report(policy(ok, failed, domain, details), policy(1, 1), covers=covers))
    assert told is not None
    assert told.sessions[-1] == Sessions("acme.test", 1, 1)
    assert len(told.sessions) + told.unread == 2
