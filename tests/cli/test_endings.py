"""How commands end when they cannot do what was asked: codes, words, and no traceback."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deliverd.cli import Program
from peers.commands import House, call, environment, run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["statsu"], "Did you mean 'status'"),
        (["--frobnicate"], "No such option: --frobnicate"),
        (["pause", "acme.test"], "Missing option '--reason'"),
        (["explain"], "Missing argument 'DOMAIN'"),
        (["explain", "acme.test", "--last", "x"], "Invalid value for '--last'"),
        (["explain", "acme.test", "--last", "0"], "Invalid value for '--last'"),
        (["config"], "validate"),
        (["config", "frobnicate"], "No such command"),
        (["check", "not a domain"], "not a host name"),
        (["check", "acme.test", "--nameserver", "frob"], "'frob' is not a name server"),
        (["drill", "--scenario", "complaint-spke"], 'did you mean "complaint-spike"?'),
        (["drill", "--mode", "enforced"], 'did you mean "enforce"?'),
        (["drill", "--json", "--keep"], "--keep"),
    ],
)
def test_usage_is_64(arguments: list[str], words: str) -> None:
    ran = call(*arguments)
    assert (ran.code, ran.out) == (64, "")
    assert words in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["status"],
        ["explain", "acme.test"],
        ["plan"],
        ["pause", "acme.test", "--reason", "r"],
        ["resume", "acme.test", "--reason", "r"],
        ["approve", "acme.test"],
        ["hold", "acme.test", "--reason", "r"],
        ["health"],
        ["config", "validate"],
        ["check", "acme.test"],
    ],
    ids=" ".join,
)
def test_a_bad_configuration_is_78_and_every_fault_is_told(tmp_path: Path, arguments: list[str]) -> None:
    config = tmp_path / "bad.toml"
    config.write_text(
        '[owners.growth]\nchannels = []\n[webb]\n[domains."acme.test"]\nowner = "grwth"\nplatform = "x"\n'
    )
    ran = call(*arguments, "--config", str(config))
    assert (ran.code, ran.out) == (78, "")
    assert 'did you mean "growth"?' in ran.err
    assert 'did you mean "web"?' in ran.err
    assert "owners.growth.channels" in ran.err
    assert "Traceback" not in ran.err


def test_no_configuration_at_all_is_78_and_says_where_it_was_looked_for(tmp_path: Path) -> None:
    ran = run("status", cwd=tmp_path)
    assert ran.code == 78
    assert "deliverd.toml or /etc/deliverd/deliverd.toml" in ran.err and "deliverd init" in ran.err


@pytest.mark.parametrize("where", ["before", "after", "environment", "here"])
def test_the_configuration_may_be_named_anywhere(house: House, where: str) -> None:
    path = str(house.config)
    ran = {
        "before": lambda: run("-c", path, "status", "--json", DELIVERD_CONFIG="/nowhere"),
        "after": lambda: run("-c", "/nowhere", "status", "--json", "--config", path, DELIVERD_CONFIG="/nowhere"),
        "environment": lambda: run("status", "--json", DELIVERD_CONFIG=path),
        "here": lambda: run("status", "--json", cwd=house.config.parent),
    }[where]()
    assert (ran.code, ran.err) == (2, "")
    assert len(ran.json["domains"]) == 3


@pytest.mark.parametrize("command", ["explain", "plan", "pause", "resume", "approve", "hold"])
def test_an_unknown_domain_is_64_with_the_nearest_one(house: House, command: str) -> None:
    reason = ["--reason", "r"] if command in ("pause", "resume", "hold") else []
    ran = house.call(command, "acmee.test", *reason)
    assert (ran.code, ran.out) == (64, "")
    assert ran.err == 'deliverd: "acmee.test" is not a configured domain; did you mean "acme.test"?\n'


def test_a_domain_is_known_however_it_is_spelt(house: House) -> None:
    assert house.call("explain", "ACME.test.").code == 0


def test_a_domain_that_is_like_none_is_answered_with_what_there_is(house: House) -> None:
    assert "configured: acme.test, bulk.test, quiet.test" in house.call("explain", "zzzzzz.example").err


@pytest.mark.parametrize("command", ["status", "explain acme.test", "plan", "pause acme.test --reason r"])
def test_a_store_that_is_not_there_is_2_and_is_not_made(house: House, command: str) -> None:
    database = house.config.with_name("deliverd.db")
    house.store.close()
    database.unlink()
    ran = house.call(*command.split())
    assert (ran.code, ran.out) == (2, "")
    assert f"there is no database at {database}" in ran.err and "deliverd run" in ran.err
    assert not database.exists()


def test_a_damaged_store_is_2(house: House) -> None:
    house.store.close()
    for leftover in house.config.parent.glob("deliverd.db*"):
        leftover.unlink()
    house.config.with_name("deliverd.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    ran = house.run("status")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("deliverd: the store: ") and "Traceback" not in ran.err


def test_nobody_reading_is_quiet(house: House) -> None:
    for arguments in (["--help"], ["-c", str(house.config), "status"]):
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "deliverd", *arguments]
        done = subprocess.run(
            command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, env=environment(), check=False
        )
        os.close(writer)
        assert done.stderr == ""


def test_ctrl_c_is_quiet_and_130(house: House) -> None:
    # The order is recorded, and the command waits for a daemon that seems to live and does nothing.
    code = (
        "import datetime, sys; from deliverd.store import heartbeats; from deliverd.store.writer import Store\n"
        f"store = Store.open('sqlite:///{house.config.with_name('deliverd.db')}', migrate=False)\n"
        "now = datetime.datetime.now(datetime.UTC)\n"
        "store.write_sync(lambda conn: heartbeats.beat(conn, 'x', now, {})); store.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    command = [
        sys.executable,
        "-m",
        "deliverd",
        "-c",
        str(house.config),
        "pause",
        "acme.test",
        "-r",
        "r",
        "--wait",
        "60",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    assert process.stdout.readline().startswith("acme.test: pause recorded")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")


def test_a_mistake_of_deliverds_own_is_70_and_shown_whole() -> None:
    broken = typer.Typer(cls=Program, pretty_exceptions_enable=False)

    @broken.callback()
    def root() -> None:
        """A program."""

    @broken.command()
    def stumble() -> None:
        raise KeyError("nobody expects this")

    ran = CliRunner().invoke(broken, ["stumble"])
    assert ran.exit_code == 70
    assert "KeyError: 'nobody expects this'" in ran.stderr and "mistake in deliverd" in ran.stderr


def test_on_a_terminal_help_has_lines_and_status_has_colour(house: House) -> None:
    def on_terminal(*arguments: str) -> str:
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "deliverd", *arguments]
        process = subprocess.Popen(command, stdout=slave, stderr=slave, env=environment(TERM="xterm-256color"))
        os.close(slave)
        written = b""
        try:
            while chunk := os.read(master, 65536):
                written += chunk
        except OSError:  # Linux says EIO once the last writer is gone
            pass
        os.close(master)
        process.wait(30)
        return written.decode()

    assert "╭─" in on_terminal("--help")
    shown = on_terminal("-c", str(house.config), "status")
    assert "\x1b[" in shown and "acme.test" in shown
