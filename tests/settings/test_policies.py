"""The shipped policy, and what a user's file changes in it."""

import tomllib
from pathlib import Path

import pytest

from deliverd.core.detector import STEPS
from deliverd.core.reach import FEEDBACK
from deliverd.model import Counts, Standing
from deliverd.policy import DetectorRule, Policy
from deliverd.settings_policies import load_default_policies

SHIPPED = Path(__file__).parents[2] / "config" / "policy.toml"


@pytest.fixture
def default() -> Policy:
    return load_default_policies()["default"]


def test_every_threshold_is_written_down(default):
    written = tomllib.loads(SHIPPED.read_text())["default"]
    assert written.keys() == Policy.model_fields.keys()
    tables = {name: (written[name], Policy.model_fields[name].annotation) for name in _TABLES}
    steps = DetectorRule.model_fields.keys() - {"feedback"}
    tables |= {name: (written["detector"][name], DetectorRule.model_fields[name].annotation) for name in steps}
    for name, (table, kind) in tables.items():
        assert table.keys() == kind.model_fields.keys(), name


def test_every_threshold_has_its_source_and_its_day(default):
    """Those in tables have keys for it, the others a comment above them."""
    guards = (default.watch, default.throttle, default.pause, default.published, default.authentication)
    for guard in (*guards, default.detector.notify, default.detector.throttle, default.detector.pause):
        assert guard.source
        assert guard.date.startswith("2026-")
    comment, cited = "", {}
    for line in SHIPPED.read_text().partition("[default]")[2].partition("[default.watch]")[0].splitlines():
        if line.startswith("#"):
            comment += line
        elif "=" in line:
            cited[line.partition(" ")[0]] = comment
        else:
            comment = ""
    assert cited.keys() == {name for name in Policy.model_fields if name not in _TABLES}
    assert all("Source:" in comment and "2026-" in comment for comment in cited.values())


_TABLES = {"watch", "throttle", "pause", "detector", "published", "authentication"}


def test_the_shipped_numbers(default):
    assert [(g.rate, g.complaints) for g in (default.watch, default.throttle, default.pause)] == [
        (0.0005, 1),
        (0.0008, 3),
        (0.003, 5),
    ]
    assert default.published.rates == (0.0008, 0.001, 0.003)
    assert default.published.complaints == 3
    rule = default.authentication
    assert (rule.confirmations, rule.grace_hours, rule.then) == (2, 72, Standing.THROTTLED)
    assert (default.window_days, default.throttle_fraction, default.clean_sends) == (7, 0.5, 2900)
    assert default.ramp == (0.1, 0.25, 0.5, 1.0)


def test_the_shipped_detector_is_the_one_that_is_measured(default):
    """benchmarks/detector.py measures STEPS: the same, but that people write budgets in a few digits."""
    rule = default.detector
    assert set(rule.feedback) == FEEDBACK
    for given, step in zip((rule.notify, rule.throttle, rule.pause), STEPS, strict=True):
        assert (given.tolerated, given.alternatives) == (step.tolerated, step.alternatives)
        assert given.complaints == step.complaints
        assert given.false_actions_per_domain_year == pytest.approx(step.false_actions, rel=0.002)


@pytest.mark.parametrize(("guard", "sent"), [("watch", 2_000), ("throttle", 3_750), ("pause", 1_666)])
def test_a_threshold_is_a_percentage_that_is_reached_not_passed(default, guard, sent):
    """`rate_percent = 0.08` is 0.08 %, the ratio 0.0008: 3 of 3,750 reach it exactly, 3 of 3,751 do not."""
    guard = getattr(default, guard)
    assert Counts(sent=sent, complained=guard.complaints).complaint_rate >= guard.rate
    below = Counts(sent=round(guard.complaints / guard.rate) + 1, complained=guard.complaints)
    assert below.complaint_rate < guard.rate


@pytest.mark.parametrize("percent", ["0.05", "0.08", "0.1", "0.3", "0.07", "0.29", "1.1", "33"])
def test_a_percentage_from_toml_is_the_very_ratio_that_counting_gives(loaded, small, percent):
    """0.08 / 100 as floats is 0.0008 by luck and 0.29 / 100 is not 0.0029: read as a decimal, it always is."""
    own = f'[policies.own]\nbase = "default"\npause = {{ rate_percent = {percent} }}\n'
    own += f"throttle = {{ rate_percent = {percent} }}\nwatch = {{ rate_percent = {percent} }}\n"
    complaints = int(percent.replace(".", ""))
    sends = 100 * 10 ** len(percent.partition(".")[2])
    rate = loaded(small + own).policies["own"].pause.rate
    assert rate == Counts(sent=sends, complained=complaints).complaint_rate


def test_clean_sends_is_where_the_likelihood_ratio_reaches_ten(default):
    from math import exp

    assert exp((0.0010 - 0.0002) * default.clean_sends) >= 10 > exp((0.0010 - 0.0002) * (default.clean_sends - 50))


def test_a_policy_changes_some_keys_of_its_base(loaded, small, default, file):
    own = '[policies.own]\nbase = "default"\nwindow_days = 14\n[policies.own.pause]\nrate_percent = 0.2\n'
    policies = loaded(small + own).policies
    assert policies["default"] == default
    changed = policies["own"]
    assert (changed.window_days, changed.pause.rate, changed.pause.complaints) == (14, 0.002, 5)
    assert changed.watch == default.watch


def test_a_changed_threshold_does_not_go_by_the_source_of_the_old_one(loaded, small, default, file):
    own = '[policies.own]\nbase = "default"\n[policies.own.pause]\nrate_percent = 0.2\n'
    pause = loaded(small + own).policies["own"].pause
    assert pause.source == f"{file}, over policy default ({default.pause.source}, {default.pause.date})"
    assert pause.date == "not stated"
    cited = loaded(small + own + "source = 'our board'\ndate = 2026-11-01\n").policies["own"].pause
    assert (cited.source, cited.date) == ("our board", "2026-11-01")
    same = loaded(small + own.replace("0.2", "0.30")).policies["own"].pause
    assert same == default.pause


def test_a_step_of_the_detector_changes_by_itself(loaded, small, default, file):
    own = '[policies.own]\nbase = "default"\n[policies.own.detector.pause]\nfalse_actions_per_domain_year = 0.1\n'
    changed, shipped = loaded(small + own).policies["own"].detector, default.detector
    assert (changed.feedback, changed.notify, changed.throttle) == (shipped.feedback, shipped.notify, shipped.throttle)
    assert changed.pause.false_actions_per_domain_year == 0.1
    assert changed.pause.alternatives == shipped.pause.alternatives
    assert changed.pause.source == f"{file}, over policy default ({shipped.pause.source}, {shipped.pause.date})"
    other = loaded(small + '[policies.own]\nbase = "default"\ndetector = { feedback = ["yahoo"] }\n').policies["own"]
    assert other.detector == shipped.model_copy(update={"feedback": ("yahoo",)})


def test_a_policy_with_the_name_of_a_shipped_one_starts_from_it(loaded, small, default):
    changed = loaded(small + "[policies.default]\nwindow_days = 3\n").policies["default"]
    assert changed == default.model_copy(update={"window_days": 3})
    again = loaded(small + "[policies.default]\nbase = 'default'\nwindow_days = 3\n").policies["default"]
    assert again == changed


def test_a_base_may_have_a_base(loaded, small):
    own = "[policies.a]\nbase = 'b'\nwindow_days = 2\n[policies.b]\nbase = 'default'\nclean_sends = 9\n"
    policy = loaded(small + own).policies["a"]
    assert (policy.window_days, policy.clean_sends) == (2, 9)


def test_a_policy_without_a_base_stands_alone(failing, small):
    faults = failing(small + "[policies.own]\nwindow_days = 2\n").faults
    assert {fault.place for fault in faults} == {f"policies.own.{name}" for name in _TABLES}


def test_a_policy_on_a_broken_base_is_not_blamed_for_it(failing, small):
    (fault,) = failing(small + "[policies.a]\nbase = 'b'\n[policies.b]\nbase = 'c'\n").faults
    assert fault.place == "policies.b.base"


def test_published_thresholds_may_not_fall_and_want_three_complaints(failing, small):
    own = '[policies.own]\nbase = "default"\n[policies.own.published]\n'
    (fault,) = failing(small + own + "watch_percent = 0.2\n").faults
    assert "a milder step may not need a higher rate" in f"{fault.found} {fault.expected}"
    (fault,) = failing(small + own + "complaints = 2\n").faults
    assert fault.place == "policies.own.published.complaints"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ("throttle = { tolerated_percent = 0.04 }", "must not fall from notify"),
        ("pause = { complaints = 2 }", "must not fall from notify"),
        ("pause = { false_actions_per_domain_year = 3 }", "must not rise from notify"),
        ("pause = { alternatives_percent = [0.0807, 1.0] }", "must rise, from at least 1 %"),
        ("pause = { alternatives_percent = [1.0, 0.5] }", "must rise, from at least 1 %"),
        ("pause = { alternatives_percent = [] }", "at least 1"),
        ("pause = { tolerated_percent = 0 }", "greater than 0"),
        ("pause = { tolerated_percent = 0.04, alternatives_percent = [51] }", "50"),
        ("pause = { false_actions_per_domain_year = 0 }", "0.0001"),
        ("throttle = { complaints = 1 }\npause = { complaints = 2 }", "fewer than 3 complaints"),
    ],
)
def test_a_detector_that_makes_no_sense(failing, small, changed, says):
    faults = failing(small + f'[policies.own]\nbase = "default"\n[policies.own.detector]\n{changed}\n').faults
    assert any(says in f"{fault.found} {fault.expected}" for fault in faults), faults
