"""What goes wrong in a drill, each a few lines of data, and the checks that say whether the domain was protected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from deliverd.drill import verdict
from deliverd.drill.diary import What
from deliverd.drill.dns import Mood
from deliverd.drill.lanes import Campaign
from deliverd.drill.records import dkim_name
from deliverd.drill.story import Story
from deliverd.drill.verdict import Checker, Verdict
from deliverd.drill.world import World
from deliverd.model import SendState

VICTIM = "letters.test"

_BAD_RATE = 0.02
_PER_MINUTE = 1000
_REFUSALS = 2
_CALM = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to the world: as soon as `when` holds, or after `at_most` seconds of the drill anyway."""

    do: Callable[[World], None]
    when: Callable[[Story], bool] = lambda story: True
    at_most: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that goes wrong. `limit_seconds` is how long deliverd is given, `linger_seconds` how long its success
    must last, `stale_seconds` after how long a silent source is stale (0: longer than the drill).
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    checks: tuple[Checker, ...]
    limit_seconds: float = 60.0
    linger_seconds: float = 1.0
    stale_seconds: float = 0.0
    victim: str = VICTIM

    def protected(self, story: Story) -> Verdict:
        """Whether the domain was protected, in words."""
        return verdict.judge(story, self.checks)


def _mailing(messages: int) -> Callable[[World], None]:
    def begin(world: World) -> None:
        world.sender.lanes[VICTIM].campaign = Campaign(messages, _PER_MINUTE, _BAD_RATE)
        what = What.TROUBLE if messages == _BIG else What.NOTE
        text = f"a mailing to {messages:,} bought addresses begins, {_PER_MINUTE:,} a minute; {_BAD_RATE:.0%} complain"
        world.diary.write(what, VICTIM, text)

    return begin


def _refuse(world: World) -> None:
    world.sender.refusals = _REFUSALS


def _remove_dkim(world: World) -> None:
    world.names.remove(dkim_name(VICTIM), "TXT")
    world.sender.lanes[VICTIM].spoiled = True
    world.diary.write(What.TROUBLE, VICTIM, f"the DKIM key at {dkim_name(VICTIM)} vanishes from DNS")


def _go_dark(world: World) -> None:
    world.names.mood = Mood.SILENT
    world.sender.dark = world.feed.dark = True
    world.diary.write(What.TROUBLE, "", "DNS, the platform's control address and its event feed all fall silent")


def _throttled_and_calm(story: Story) -> bool:
    result = story.confirmed(SendState.THROTTLED)
    return result is not None and story.now - result.at > _CALM


_BIG, _SMALL = 60_000, 2_500

COMPLAINT_SPIKE = Scenario(
    "complaint-spike",
    "a mailing goes to a bought list, and people complain about it",
    (Step(_mailing(_BIG)),),
    (verdict.held_back, verdict.confirmed, verdict.owner_told, verdict.others_untouched),
)

DKIM_REMOVED = Scenario(
    "dkim-removed",
    "somebody tidies up DNS, and the DKIM key is gone",
    (Step(_remove_dkim),),
    (verdict.confirmed_by_second_look, verdict.told_of_dkim, verdict.after_the_grace, verdict.others_untouched),
)

SOURCE_GOES_DARK = Scenario(
    "source-goes-dark",
    "one domain is throttled already when every source falls silent",
    (Step(_mailing(_SMALL)), Step(_go_dark, _throttled_and_calm, at_most=12.0)),
    (verdict.told_blind, verdict.nothing_moved_in_the_dark, verdict.others_untouched),
    linger_seconds=3.0,
    stale_seconds=6.0,
)

PLATFORM_REFUSES_PAUSE = Scenario(
    "platform-refuses-pause",
    f"complaints again, and the platform answers the first {_REFUSALS} pauses with an error inside a 200",
    (Step(_refuse), Step(_mailing(_BIG))),
    (
        verdict.told_unconfirmed,
        verdict.kept_trying,
        verdict.held_back,
        verdict.confirmed,
        verdict.owner_told,
        verdict.claimed_no_more,
        verdict.others_untouched,
    ),
)

SCENARIOS: Mapping[str, Scenario] = {
    one.name: one for one in (COMPLAINT_SPIKE, DKIM_REMOVED, SOURCE_GOES_DARK, PLATFORM_REFUSES_PAUSE)
}
