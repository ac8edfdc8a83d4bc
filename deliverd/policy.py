"""The policy: every threshold a domain is judged by, as checked tables of the configuration, each with its source."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from deliverd.model import Standing
from probes.config import Strict

Percent = Annotated[Decimal, Field(ge=0, le=100, allow_inf_nan=False)]


class RateGuard(Strict):
    """Acts when complaints / sends >= `rate_percent` **and** complaints >= `complaints`, over the policy's window."""

    rate_percent: Percent
    complaints: int = Field(ge=1)
    source: str
    date: str

    @property
    def rate(self) -> float:
        """The threshold as a ratio. Divided as a decimal, so that 0.08 % is the very float that 8 / 10_000 gives."""
        return float(self.rate_percent / 100)


class PublishedRule(Strict):
    """When a mailbox provider's own figure for a day acts: rates in percent, reached, not passed.

    Throttle and pause also want `complaints` implied: that rate of the messages the domain is known to have sent on
    that day (core/rules.py says what happens with fewer, and when they are not known).
    """

    watch_percent: Percent
    throttle_percent: Percent
    pause_percent: Percent
    complaints: int = Field(default=3, ge=3)
    source: str
    date: str

    @model_validator(mode="after")
    def _ordered(self) -> "PublishedRule":
        if not self.watch_percent <= self.throttle_percent <= self.pause_percent:
            raise ValueError("watch, throttle and pause must not fall: a milder step may not need a higher rate")
        return self

    @property
    def rates(self) -> tuple[float, float, float]:
        """The thresholds of watch, throttle and pause as ratios, divided as decimals (see RateGuard.rate)."""
        watch, throttle, pause = self.watch_percent, self.throttle_percent, self.pause_percent
        return float(watch / 100), float(throttle / 100), float(pause / 100)


class AuthenticationRule(Strict):
    """When SPF, DKIM or DMARC is seen to fail: watched once confirmed, `then` after the grace."""

    confirmations: int = Field(default=2, ge=1)
    grace_hours: float = Field(default=72, ge=0, allow_inf_nan=False)
    then: Literal[Standing.WATCH, Standing.THROTTLED, Standing.PAUSED] = Standing.THROTTLED
    source: str
    date: str


Ratio = Annotated[Decimal, Field(gt=0, le=50, allow_inf_nan=False)]
"""In percent, over 0 and up to a half of all mail."""


class DetectorStep(Strict):
    """One step of the complaint detector (docs/detector.md): how bad a rate is tolerated, and how often it may err.

    It acts when the evidence for one of the `alternatives_percent` against `tolerated_percent` reaches 365 /
    `false_actions_per_domain_year` days, and on at least `complaints`.
    """

    tolerated_percent: Ratio
    alternatives_percent: tuple[Ratio, ...] = Field(min_length=1, max_length=12)
    false_actions_per_domain_year: float = Field(ge=0.0001, le=365, allow_inf_nan=False)
    complaints: int = Field(ge=1)
    source: str
    date: str

    @model_validator(mode="after")
    def _ordered(self) -> "DetectorStep":
        least = self.tolerated * 1.01
        if any(rate < least for rate in self.alternatives) or list(self.alternatives) != sorted(set(self.alternatives)):
            raise ValueError("alternatives_percent must rise, from at least 1 % over tolerated_percent on")
        return self

    @property
    def tolerated(self) -> float:
        """The tolerated rate as a ratio, divided as a decimal (see RateGuard.rate)."""
        return float(self.tolerated_percent / 100)

    @property
    def alternatives(self) -> tuple[float, ...]:
        """The rates it is weighed against, as ratios."""
        return tuple(float(percent / 100) for percent in self.alternatives_percent)


class DetectorRule(Strict):
    """The steps of the complaint detector: notify watches, throttle throttles, pause pauses.

    `feedback` are the mailbox providers that tell of single complaints, as probes/provider.py names them; "" is mail
    whose provider the platform does not tell. Mail to nobody else is counted.
    """

    feedback: tuple[str, ...] = Field(min_length=1, max_length=64)
    notify: DetectorStep
    throttle: DetectorStep
    pause: DetectorStep

    @model_validator(mode="after")
    def _ordered(self) -> "DetectorRule":
        for milder, stricter in pairwise((self.notify, self.throttle, self.pause)):
            if stricter.tolerated_percent < milder.tolerated_percent or stricter.complaints < milder.complaints:
                raise ValueError("tolerated_percent and complaints must not fall from notify to throttle to pause")
            if stricter.false_actions_per_domain_year > milder.false_actions_per_domain_year:
                raise ValueError("false_actions_per_domain_year must not rise from notify to throttle to pause")
        if self.pause.complaints < 3:
            raise ValueError("pause.complaints is under 3: nobody is paused on fewer than 3 complaints")
        return self


class Policy(Strict):
    """The thresholds a domain is judged by (config/policy.toml, with the source and date of each)."""

    window_days: int = Field(default=7, ge=1, le=60)
    watch: RateGuard
    throttle: RateGuard
    pause: RateGuard
    detector: DetectorRule
    published: PublishedRule
    authentication: AuthenticationRule
    throttle_fraction: float = Field(default=0.5, gt=0, lt=1)
    throttle_floor_per_day: int = Field(default=20, ge=1)
    dwell_hours: float = Field(default=24, ge=0, allow_inf_nan=False)
    clean_sends: int = Field(default=2900, ge=1)
    ramp: tuple[float, ...] = (0.10, 0.25, 0.50, 1.0)
    stale_after_minutes: float = Field(default=60, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> "Policy":
        if not self.watch.rate_percent <= self.throttle.rate_percent <= self.pause.rate_percent:
            raise ValueError("watch, throttle and pause must not fall: a milder step may not need a higher rate")
        if self.pause.complaints < 3:
            raise ValueError("pause.complaints is under 3: nobody is paused on fewer than 3 complaints")
        if not self.ramp or any(not 0 < step <= 1 for step in self.ramp) or list(self.ramp) != sorted(self.ramp):
            raise ValueError("ramp must rise within (0, 1], such as [0.1, 0.25, 0.5, 1.0]")
        return self

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.window_days)

    @property
    def dwell(self) -> timedelta:
        return timedelta(hours=self.dwell_hours)

    @property
    def stale_after(self) -> timedelta:
        return timedelta(minutes=self.stale_after_minutes)


@dataclass(frozen=True, slots=True)
class Watched:
    """Since when a source is asked about a domain; `every` says how often, where the policy alone would be too strict.

    A source that is asked every six hours is not stale after one.
    """

    since: datetime
    every: timedelta = timedelta()

    def stale_after(self, policy: Policy) -> timedelta:
        """For how long an answer holds: as long as the policy says, but never for less than two rounds."""
        return max(policy.stale_after, 2 * self.every)
