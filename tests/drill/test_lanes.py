"""The drill's mail: volumes, complaints, limits, and the history it begins with."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from deliverd.drill.lanes import Campaign, Event, Ids, Lane, Share
from deliverd.model import SendState

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def run(lane: Lane, seconds: float, ids: Ids | None = None) -> list[Event]:
    """So many seconds of the drill in ticks of a tenth, and a while after for the complaints to arrive."""
    ids, events = ids or Ids(), []
    for tick in range(round(seconds * 10)):
        events += lane.tick(NOON + timedelta(seconds=tick / 10), 0.1, ids, Random(1))
    return events + list(lane._due(NOON + timedelta(seconds=seconds + 5), ids, Random(1)))


def total(events: list[Event], kind: str) -> int:
    return sum(event.get("count", 1) for event in events if event["type"] == kind)


def at(event: Event, name: str) -> datetime:
    return datetime.fromisoformat(event[name])


@pytest.mark.parametrize(("ratio", "step", "steps"), [(0.1, 1, 1000), (0.0002, 7, 100_000), (1.0, 0.25, 400)])
def test_a_share_is_exact_in_the_long_run(ratio: float, step: float, steps: int) -> None:
    share = Share(ratio)
    assert sum(share.of(step) for _ in range(steps)) == int(ratio * step * steps + 1e-6)


def test_a_second_stands_for_a_minute() -> None:
    assert total(run(Lane("a.test", 1440), 60), "sent") == 60


def test_every_message_meets_one_fate() -> None:
    events = run(Lane("a.test", 1_440_000), 20)
    assert total(events, "sent") == total(events, "delivered") + total(events, "bounced") == 20_000


def test_no_tick_reports_a_count_under_one() -> None:
    events = run(Lane("a.test", 1440 * 60), 60)
    assert min(event.get("count", 1) for event in events) == 1
    assert total(events, "bounced") > 20


def test_healthy_mail_is_complained_about_at_two_in_ten_thousand() -> None:
    assert total(run(Lane("a.test", 1_440_000), 20), "complained") == 4


def test_a_campaign_is_sent_at_its_pace_and_complained_about_at_its_rate() -> None:
    lane = Lane("a.test", 0, campaign=Campaign(2500, 1000, 0.02))
    events = run(lane, 2)
    assert total(events, "sent") == lane.left_since_bad == 2000
    assert total(run(lane, 2), "sent") == 500
    assert lane.first_bad_at == NOON


def test_complaints_belong_to_the_instant_their_message_was_sent() -> None:
    lane = Lane("a.test", 0, campaign=Campaign(1000, 1000, 0.1))
    complaints = [event for event in run(lane, 3) if event["type"] == "complained"]
    assert len(complaints) == 100
    assert all(at(event, "sent_at") < at(event, "at") and event["feedback_type"] == "abuse" for event in complaints)
    assert all(event["recipient_domain"] and event["message_id"].endswith("@a.test") for event in complaints)


def test_a_paused_lane_sends_nothing() -> None:
    lane = Lane("a.test", 1_000_000, state=SendState.PAUSED, campaign=Campaign(1000, 1000, 0.1))
    assert run(lane, 3) == []


def test_a_throttled_lane_stops_at_its_daily_limit_exactly() -> None:
    lane = Lane("a.test", 40_000, campaign=Campaign(60_000, 1000, 0.02), sent_today=100)
    lane.state, lane.daily_limit = SendState.THROTTLED, 2_345
    assert total(run(lane, 5), "sent") == 2_245
    assert lane.sent_today == 2_345
    assert lane.room == 0


def test_spoiled_mail_counts_from_its_first_message() -> None:
    lane = Lane("a.test", 1_440_000)
    run(lane, 1)
    assert (lane.first_bad_at, lane.left_since_bad) == (None, 0)
    lane.spoiled = True
    run(lane, 1)
    assert (lane.first_bad_at, lane.left_since_bad) == (NOON, 1000)


def test_a_day_of_history_is_hourly_healthy_and_ends_where_told() -> None:
    lane, ids = Lane("a.test", 24_000), Ids()
    whole = list(lane.day(NOON - timedelta(days=2), NOON, ids, Random(1)))
    assert total(whole, "sent") == 24_000
    assert total(whole, "complained") in (4, 5)
    half = list(lane.day(NOON - timedelta(hours=12), NOON, ids, Random(1)))
    assert total(half, "sent") == 12_000
    assert all(at(event, "at") < NOON for event in whole + half)


def test_no_two_events_share_an_id() -> None:
    ids = Ids()
    lanes = [Lane("a.test", 1_440_000), Lane("b.test", 720_000)]
    events = [event for lane in lanes for event in run(lane, 5, ids)]
    assert max(Counter(event["id"] for event in events).values()) == 1


def test_runs_of_one_seed_are_alike() -> None:
    first, second = (run(Lane("a.test", 0, campaign=Campaign(1000, 1000, 0.1)), 3) for _ in range(2))
    assert first == second
