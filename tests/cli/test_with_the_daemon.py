"""The commands beside a real daemon and a sender that really answers: what a person does in an afternoon."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from peers.commands import House, environment


@pytest.fixture
def daemon(house: House) -> Iterator[House]:
    command = [sys.executable, "-m", "deliverd", "run", "--config", str(house.config)]
    log = house.config.with_name("log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
    try:
        for _ in range(300):
            if house.call("health").code == 0 and house.call("status", "--json").json["daemon"]["alive"]:
                break
            assert process.poll() is None, house.config.with_name("log").read_text()
            time.sleep(0.1)
        yield house
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        log.close()


def test_an_afternoon(daemon: House) -> None:
    house = daemon
    assert house.call("health").out == f"ready: 127.0.0.1:{house.port}\n"

    paused = house.call("pause", "acme.test", "--reason", "list bought", "--wait", "30")
    assert (paused.code, paused.err) == (0, "")
    assert paused.out.splitlines()[-1] == "acme.test: done, confirmed by the platform."
    assert (house.sender.domains["acme.test"].state, house.sender.domains["acme.test"].author) == ("paused", "deliverd")

    status = house.call("status", "--json")
    assert status.code == 1
    assert status.json["daemon"]["alive"] is True
    (first, *others) = status.json["domains"]
    assert (first["domain"], first["standing"], first["confirmed"]) == ("acme.test", "paused", True)
    assert {other["standing"] for other in others} == {"healthy"}
    assert house.call("plan", "acme.test").out == "1 of 1 domain: nothing to do.\n"

    resumed = house.call("resume", "acme.test", "--reason", "list cleaned", "--wait", "30", "--json")
    assert (resumed.code, resumed.json["stage"]) == (0, "done")
    assert resumed.json["decision"]["standing"] == "recovering"
    assert house.sender.domains["acme.test"].state == "throttled"

    explained = house.call("explain", "acme.test").out
    assert explained.index("ordered resume: list cleaned") < explained.index("ordered pause: list bought")
    assert explained.count(": confirmed at ") == 2

    # Another daemon on the same store is refused, and told so in words.
    second = house.run("run")
    assert second.code == 2
    assert second.err.startswith("deliverd: the store: ") and "Traceback" not in second.err
