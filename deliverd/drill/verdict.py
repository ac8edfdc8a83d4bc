"""Was the domain protected? Pure: a story in, a verdict in words out. Each scenario names the checks it stands on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deliverd.drill.diary import What
from deliverd.drill.story import Story
from deliverd.model import Limit, Mode, Outcome, SendState, Standing

RUNNING = Limit(SendState.RUNNING)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that should hold, whether it does, and what was found, in words."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Protected when every check holds."""

    checks: tuple[Check, ...]

    @property
    def protected(self) -> bool:
        return all(check.ok for check in self.checks)


Checker = Callable[[Story], Check]


def judge(story: Story, checkers: Sequence[Checker]) -> Verdict:
    """The verdict over all checks of a scenario."""
    return Verdict(tuple(checker(story) for checker in checkers))


def held_back(story: Story) -> Check:
    """The platform itself shows the victim paused, or throttled with its limit used up, by deliverd."""
    lane, stopped = story.lane, story.first(What.EXHAUSTED, story.victim)
    if lane.author != "deliverd" or lane.limit == RUNNING:
        return Check(False, f"{lane.domain} is {lane.limit} at the platform{_only_written_down(story)}")
    if lane.limit.state is SendState.THROTTLED and not stopped:
        return Check(False, f"{lane.domain} is {lane.limit} at the platform, and its mail is still leaving")
    after = ", and the day's limit is used up" if stopped and lane.limit.state is SendState.THROTTLED else ""
    return Check(True, f"{lane.domain} is {lane.limit} at the platform, by deliverd{after}")


def confirmed(story: Story) -> Check:
    """deliverd read the victim's present state back from the platform, and wrote that down."""
    state = story.lane.limit.state
    result = story.confirmed(state) if state is not SendState.RUNNING else None
    if result is None:
        return Check(False, f"no act that holds {story.victim} back is confirmed")
    return Check(True, f"the {_noun(state)} was read back from the platform and is confirmed")


def owner_told(story: Story) -> Check:
    """The owner has an alert that says how the victim stands, and that the platform confirmed it."""
    result = story.confirmed(story.lane.limit.state)
    state = story.lane.limit.state.value.upper()
    endings = (f"{state}, confirmed by the platform", ": confirmed by the platform now")
    told = [one for one in story.mails if story.victim in one.subject and one.subject.endswith(endings)]
    mail = next((one for one in told if result and one.at >= result.at), None)
    if mail is None:
        return Check(False, f"no alert tells the owner that {story.victim} is held back, confirmed by the platform")
    return Check(True, f'the owner was told: "{mail.subject}"')


def others_untouched(story: Story) -> Check:
    """Nothing was ever moved at the platform for a domain that nothing is wrong with."""
    names = {lane.domain for lane in story.others}
    moved = {lane.domain for lane in story.others if lane.limit != RUNNING or lane.author == "deliverd"}
    moved |= {intent.action.domain for intent, _ in story.acts} & names
    if moved:
        return Check(False, f"{_listed(moved)} was touched, though nothing is wrong with it")
    return Check(True, f"{_listed(names)} were not touched")


def told_unconfirmed(story: Story) -> Check:
    """While the platform refused, the owner was paged that the pause does not hold."""
    refused, mail = story.first(What.REFUSED, story.victim), story.mail(story.victim, "UNCONFIRMED")
    if refused is None:
        return Check(False, "the platform was never told to pause, so it refused nothing")
    if mail is None:
        return Check(False, "the platform refused the pause, and no page says that it is UNCONFIRMED")
    return Check(True, f'the owner was paged: "{mail.subject}"')


def kept_trying(story: Story) -> Check:
    """Refused pauses were tried again until one held."""
    pauses = [act for act in story.acts if act[0].action.limit.state is SendState.PAUSED]
    failed = sum(1 for _, result in pauses if result and result.outcome is not Outcome.CONFIRMED)
    if not failed or story.confirmed(SendState.PAUSED) is None:
        return Check(False, f"{failed} pauses did not hold, and none of the {len(pauses)} tried is confirmed")
    return Check(True, f"{failed} pauses did not hold; deliverd kept trying, and attempt {failed + 1} is confirmed")


def claimed_no_more(story: Story) -> Check:
    """No alert called the pause confirmed before the platform had really done it."""
    done = story.confirmed(SendState.PAUSED)
    early = story.mail(story.victim, "PAUSED, confirmed")
    if early and (done is None or early.at < done.at):
        return Check(False, "an alert called the pause confirmed before it was")
    return Check(True, "no alert called the pause confirmed before it was")


def confirmed_by_second_look(story: Story) -> Check:
    """The failure of DKIM was believed on a second look, not on the first."""
    needed = story.policy.authentication.confirmations
    found = [one for one in story.decisions if one.domain == story.victim and one.rule == "authentication-dkim"]
    if not found:
        return Check(False, f"deliverd decided nothing about the DKIM key of {story.victim}")
    looks = int(found[0].evidence.get("failures", 0))
    if looks < needed:
        return Check(False, f"decided after {looks} looks at the DKIM key; the policy asks for {needed}")
    return Check(True, f"the DKIM key was seen missing {looks} times before anything was decided")


def told_of_dkim(story: Story) -> Check:
    """The owner has an alert about the victim that names DKIM."""
    mail = next((one for one in story.mails if story.victim in one.subject and "DKIM" in one.body), None)
    if mail is None:
        return Check(False, "no alert tells the owner that the DKIM key is gone")
    return Check(True, f'the owner was told: "{mail.subject}"')


def after_the_grace(story: Story) -> Check:
    """Once the grace is over, the platform shows what the policy asks for, confirmed."""
    then = story.policy.authentication.then
    if then.rank < Standing.THROTTLED.rank:
        return Check(True, f'the policy asks for no more than "{then}" when authentication fails')
    state = SendState.PAUSED if then is Standing.PAUSED else SendState.THROTTLED
    lane, result = story.lane, story.confirmed(state)
    if lane.limit.state is not state or result is None:
        return Check(False, f"{lane.domain} is {lane.limit} at the platform, not {then}{_only_written_down(story)}")
    return Check(True, f"after the grace {lane.domain} is {lane.limit} at the platform, confirmed")


def told_blind(story: Story) -> Check:
    """For each domain, the owner was told that deliverd can no longer see."""
    untold = {lane.domain for lane in story.lanes if story.mail(lane.domain, "blind") is None}
    if untold:
        return Check(False, f"no alert says that deliverd is blind to {_listed(untold)}")
    return Check(True, f"the owner was told that deliverd is blind to all {len(story.lanes)} domains")


def nothing_moved_in_the_dark(story: Story) -> Check:
    """Since the sources fell silent, nothing was loosened and nothing was tightened."""
    dark = story.first(What.TROUBLE)
    if dark is None:
        return Check(False, "the sources never fell silent")
    decided = [one for one in story.decisions if one.at > dark.at and one.standing is not one.previous]
    asked = [one for one in story.diary if one.what is What.UNANSWERED]
    if decided:
        one = decided[0]
        return Check(
            False, f"{one.domain} went from {one.previous} to {one.standing} without anything having been seen"
        )
    if asked:
        return Check(False, f"{asked[0].domain}: {asked[0].text}")
    return Check(True, f"nothing was loosened and nothing paused; {story.victim} is still {story.lane.limit}")


def _only_written_down(story: Story) -> str:
    return "" if story.mode is Mode.ENFORCE else f'; mode "{story.mode}" does not act by itself'


def _noun(state: SendState) -> str:
    return {SendState.PAUSED: "pause", SendState.THROTTLED: "throttle"}.get(state, state.value)


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))
