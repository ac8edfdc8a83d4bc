"""The contract of `deliverd.platforms.base.Platform`: cases that hold for every adapter, against a peer that can fail.

An adapter takes part by a `Harness` (the adapter, and a hand on its peer) and `Traits` (which cases make sense);
test_contract.py lists them and runs every case that applies; one that does not apply is not made, so none is skipped.
"""

import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

import pytest

from deliverd.model import Action, Intent, Lever, Limit, SendState
from deliverd.platforms.base import (
    Denied,
    Gone,
    Platform,
    PlatformError,
    RateLimited,
    Refused,
    Unavailable,
)

RUNNING = Limit(SendState.RUNNING)
PAUSED = Limit(SendState.PAUSED)
THROTTLED = Limit(SendState.THROTTLED, 100)
RETRY_AFTER_SECONDS = 7


class Trouble(Enum):
    """What a peer can be made to do."""

    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    CONFLICT = auto()
    UNPROCESSABLE = auto()
    RATE_LIMITED = auto()
    BROKEN = auto()
    SILENT = auto()
    LATE = auto()
    HTML = auto()
    ERROR_INSIDE = auto()
    LIES = auto()
    ANOTHER_DOMAIN = auto()
    NO_STATE = auto()
    REDIRECT = auto()
    HUGE = auto()
    TELLS_THE_SECRET = auto()


ERRORS: dict[Trouble, type[PlatformError]] = {
    Trouble.UNAUTHORIZED: Denied,
    Trouble.FORBIDDEN: Denied,
    Trouble.NOT_FOUND: Gone,
    Trouble.CONFLICT: Refused,
    Trouble.UNPROCESSABLE: Refused,
    Trouble.RATE_LIMITED: RateLimited,
    Trouble.BROKEN: Unavailable,
    Trouble.SILENT: Unavailable,
    Trouble.HTML: Unavailable,
    Trouble.ERROR_INSIDE: Refused,
    Trouble.ANOTHER_DOMAIN: Unavailable,
    Trouble.NO_STATE: Unavailable,
    Trouble.REDIRECT: Refused,
    Trouble.HUGE: Unavailable,
    Trouble.TELLS_THE_SECRET: Refused,
}
"""What an adapter makes of each trouble, reading as well as acting. LATE and LIES have cases of their own."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What there is to test: whether the adapter acts, throttles, can tell who set a lever; the peer's troubles."""

    acts: bool = True
    throttles: bool = True
    tells_author: bool = True
    unknown_fields: bool = True
    troubles: frozenset[Trouble] = field(default_factory=frozenset)


class Harness(Protocol):
    """An adapter that talks to a peer which stands at RUNNING, and a hand on that peer, past the adapter."""

    platform: Platform
    lever: Lever
    missing: Lever
    canaries: tuple[str, ...]

    def fail(self, trouble: Trouble, times: int | None = None) -> None:
        """From now on the peer fails so: `times` times (None: until healed)."""

    def heal(self) -> None:
        """The peer works again."""

    def add_unknown_fields(self) -> None:
        """From now on the peer's answers hold fields that nobody knows."""

    def truth(self) -> Limit:
        """What the lever is really at."""

    def person_sets(self, limit: Limit) -> None:
        """Somebody moves the lever in the platform's own console."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One that takes part in the contract."""

    open: Callable[[Path], AbstractContextManager[Harness]]
    traits: Traits = field(default_factory=Traits)


def intent(lever: Lever, limit: Limit, number: int = 1) -> Intent:
    action = Action(lever, limit, RUNNING, RUNNING, "acme.com", desired_id=41, reason="3 complaints in 900 messages")
    return Intent(number, action, 1, datetime(2026, 11, 22, 12, tzinfo=UTC))


async def a_pause_is_done_and_read_back(at: Harness) -> None:
    await at.platform.apply(intent(at.lever, PAUSED))
    assert at.truth() == PAUSED
    assert (await at.platform.read(at.lever)).limit == PAUSED


async def a_pause_twice_is_as_good_as_once(at: Harness) -> None:
    await at.platform.apply(intent(at.lever, PAUSED, 1))
    await at.platform.apply(intent(at.lever, PAUSED, 2))
    assert at.truth() == (await at.platform.read(at.lever)).limit == PAUSED


async def a_pause_is_lifted(at: Harness) -> None:
    await at.platform.apply(intent(at.lever, PAUSED, 1))
    await at.platform.apply(intent(at.lever, RUNNING, 2))
    assert at.truth() == (await at.platform.read(at.lever)).limit == RUNNING


async def what_deliverd_set_is_by_deliverd(at: Harness) -> None:
    await at.platform.apply(intent(at.lever, PAUSED))
    assert (await at.platform.read(at.lever)).by == "deliverd"


async def a_throttle_is_set_and_read_back(at: Harness) -> None:
    await at.platform.apply(intent(at.lever, THROTTLED))
    assert at.truth() == (await at.platform.read(at.lever)).limit == THROTTLED


async def a_throttle_that_cannot_be_is_refused(at: Harness) -> None:
    assert SendState.THROTTLED not in at.platform.capabilities.states
    with pytest.raises(Refused):
        await at.platform.apply(intent(at.lever, THROTTLED))
    assert at.truth() == RUNNING


async def a_persons_pause_is_seen_as_theirs(at: Harness) -> None:
    at.person_sets(PAUSED)
    actual = await at.platform.read(at.lever)
    assert actual.limit == PAUSED
    assert actual.by != "deliverd"


async def a_persons_lift_is_seen(at: Harness) -> None:
    at.person_sets(PAUSED)
    at.person_sets(RUNNING)
    assert (await at.platform.read(at.lever)).limit == RUNNING


async def a_limit_that_a_person_changed_is_seen(at: Harness) -> None:
    changed = Limit(SendState.THROTTLED, 400)
    await at.platform.apply(intent(at.lever, THROTTLED))
    at.person_sets(changed)
    actual = await at.platform.read(at.lever)
    assert actual.limit == changed
    assert actual.by != "deliverd"


async def a_missing_lever_is_gone(at: Harness) -> None:
    with pytest.raises(Gone):
        await at.platform.read(at.missing)


async def a_missing_lever_cannot_be_moved(at: Harness) -> None:
    with pytest.raises(Gone):
        await at.platform.apply(intent(at.missing, PAUSED))


async def declared_levers_are_taken_as_they_are(at: Harness) -> None:
    assert await at.platform.levers("acme.com", [f"{at.lever.kind}:{at.lever.id}"]) == (at.lever,)


async def levers_of_another_kind_are_refused(at: Harness) -> None:
    for declared in ("steering-wheel:acme", f"{at.lever.kind}:", "acme.com"):
        with pytest.raises(Refused):
            await at.platform.levers("acme.com", [declared])


async def unknown_fields_are_passed_over(at: Harness) -> None:
    at.add_unknown_fields()
    at.person_sets(PAUSED)
    assert (await at.platform.read(at.lever)).limit == PAUSED


async def an_act_that_came_late_still_counts(at: Harness) -> None:
    at.fail(Trouble.LATE)
    with pytest.raises(Unavailable):
        await at.platform.apply(intent(at.lever, PAUSED))
    at.heal()
    assert at.truth() == (await at.platform.read(at.lever)).limit == PAUSED


async def an_empty_yes_is_found_out_by_reading_back(at: Harness) -> None:
    at.fail(Trouble.LIES, times=1)
    await at.platform.apply(intent(at.lever, PAUSED))
    at.heal()
    assert (await at.platform.read(at.lever)).limit == at.truth() == RUNNING


async def a_peer_that_refuses_twice_then_obeys(at: Harness) -> None:
    at.fail(Trouble.ERROR_INSIDE, times=2)
    for number in (1, 2):
        with pytest.raises(Refused):
            await at.platform.apply(intent(at.lever, PAUSED, number))
        assert at.truth() == RUNNING
    await at.platform.apply(intent(at.lever, PAUSED, 3))
    assert at.truth() == PAUSED


async def a_dry_run_touches_nothing(at: Harness) -> None:
    await at.platform.apply(intent(at.lever, PAUSED))
    await at.platform.apply(intent(at.missing, PAUSED))
    assert at.truth() == (await at.platform.read(at.lever)).limit == RUNNING


async def told_of_it(at: Harness, trouble: Trouble, call: Callable[[], Awaitable[object]]) -> None:
    """The right error, for ever a PlatformError, and no secret in anything that could be printed of it."""
    at.fail(trouble)
    with pytest.raises(PlatformError) as caught:
        await call()
    fault = caught.value
    assert type(fault) is ERRORS[trouble]
    assert str(fault)
    if isinstance(fault, RateLimited):
        assert fault.retry_after == RETRY_AFTER_SECONDS
    printed = "".join(traceback.format_exception(fault)) + repr(fault) + repr(at.platform) + repr(vars(fault))
    assert not [canary for canary in at.canaries if canary in printed]
    at.heal()
    assert (await at.platform.read(at.lever)).limit == at.truth()


Case = Callable[[Harness], Awaitable[None]]

READING: tuple[Case, ...] = (
    a_persons_pause_is_seen_as_theirs,
    a_persons_lift_is_seen,
    a_missing_lever_is_gone,
    declared_levers_are_taken_as_they_are,
    levers_of_another_kind_are_refused,
)
ACTING: tuple[Case, ...] = (
    a_pause_is_done_and_read_back,
    a_pause_twice_is_as_good_as_once,
    a_pause_is_lifted,
    a_missing_lever_cannot_be_moved,
)


def cases(traits: Traits) -> Iterator[tuple[str, Case]]:
    """Every case that applies, with its name."""
    named: list[Case] = [*READING]
    if traits.unknown_fields:
        named.append(unknown_fields_are_passed_over)
    if not traits.acts:
        named.append(a_dry_run_touches_nothing)
    else:
        named += ACTING
        named += [a_throttle_is_set_and_read_back] if traits.throttles else [a_throttle_that_cannot_be_is_refused]
        named += [a_limit_that_a_person_changed_is_seen] if traits.throttles and traits.tells_author else []
        named += [what_deliverd_set_is_by_deliverd] if traits.tells_author else []
        own = {
            Trouble.LATE: an_act_that_came_late_still_counts,
            Trouble.LIES: an_empty_yes_is_found_out_by_reading_back,
            Trouble.ERROR_INSIDE: a_peer_that_refuses_twice_then_obeys,
        }
        named += [case for trouble, case in own.items() if trouble in traits.troubles]
    yield from ((case.__name__, case) for case in named)
    for trouble in sorted(traits.troubles & ERRORS.keys(), key=lambda trouble: trouble.name):
        yield f"reading_{trouble.name.lower()}", _reading(trouble)
        if traits.acts:
            yield f"acting_{trouble.name.lower()}", _acting(trouble)


def _reading(trouble: Trouble) -> Case:
    async def case(at: Harness) -> None:
        await told_of_it(at, trouble, lambda: at.platform.read(at.lever))

    return case


def _acting(trouble: Trouble) -> Case:
    async def case(at: Harness) -> None:
        await told_of_it(at, trouble, lambda: at.platform.apply(intent(at.lever, PAUSED)))

    return case
