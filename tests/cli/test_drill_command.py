"""`deliverd drill` hands over what was asked for; what a drill does is tested with the drill."""

from pathlib import Path

from peers.commands import call


def test_a_file_that_cannot_be_rehearsed_is_2(tmp_path: Path) -> None:
    ran = call("drill", "--config", str(tmp_path / "nothing.toml"), "--once")
    assert ran.code == 2
    assert "nothing.toml" in ran.err and "Traceback" not in ran.err


def test_the_daemons_configuration_is_not_rehearsed_by_accident(tmp_path: Path) -> None:
    # Only --config of the drill itself counts; the one before the command is the daemon's.
    ran = call("--config", str(tmp_path / "nothing.toml"), "drill", "--scenario", "frobnicate")
    assert ran.code == 64
    assert "frobnicate" in ran.err
