"""What one drill came to, from both sides: deliverd's own history, and what the world saw of it. Values only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from deliverd.drill.diary import Happening, What
from deliverd.drill.sink import AlertMail
from deliverd.model import (
    Decision,
    Intent,
    Limit,
    Mode,
    Outcome,
    Result,
    SendState,
)
from deliverd.policy import Policy
from probes.observation import Observation

Act = tuple[Intent, Result | None]


@dataclass(frozen=True, slots=True)
class LaneView:
    """How a domain stands at the platform itself, which alone knows: its switch, who set it, and what has left."""

    domain: str
    limit: Limit
    author: str
    first_bad_at: datetime | None = None
    left_since_bad: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """The whole of it, oldest first. `victim` is the domain that the scenario strikes, `lanes` all domains."""

    victim: str
    policy: Policy
    mode: Mode
    now: datetime
    lanes: Sequence[LaneView]
    decisions: Sequence[Decision] = ()
    acts: Sequence[Act] = ()
    observations: Sequence[Observation] = ()
    diary: Sequence[Happening] = ()
    mails: Sequence[AlertMail] = field(default=())

    @property
    def lane(self) -> LaneView:
        """The victim's."""
        return next(lane for lane in self.lanes if lane.domain == self.victim)

    @property
    def others(self) -> list[LaneView]:
        """The domains that nothing is wrong with."""
        return [lane for lane in self.lanes if lane.domain != self.victim]

    def first(self, what: What, domain: str | None = None) -> Happening | None:
        """The diary's first happening of a kind."""
        return next((one for one in self.diary if one.what is what and domain in (None, one.domain)), None)

    def confirmed(self, state: SendState) -> Result | None:
        """The first confirmed result that brought the victim's lever to a state."""
        acts = (act for act in self.acts if act[0].action.domain == self.victim and act[0].action.limit.state is state)
        return next((result for _, result in acts if result and result.outcome is Outcome.CONFIRMED), None)

    def mail(self, domain: str, *words: str) -> AlertMail | None:
        """The first alert about a domain whose subject holds all the words."""
        return next((one for one in self.mails if all(word in one.subject for word in (domain, *words))), None)
