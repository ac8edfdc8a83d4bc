"""`deliverd init` and `deliverd config validate`."""

from pathlib import Path

from deliverd.settings import starter_text
from peers.commands import House, call, run


def test_init_writes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    ran = run("init", cwd=tmp_path)
    written = tmp_path / "deliverd.toml"
    assert (ran.code, ran.err) == (0, "")
    assert "deliverd config validate deliverd.toml" in ran.out
    assert written.read_text() == starter_text()
    assert written.stat().st_mode & 0o777 == 0o600


def test_init_overwrites_only_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    path.chmod(0o644)
    refused = call("init", str(path))
    assert refused.code == 64
    assert refused.err == f"deliverd: {path} is there already; --force overwrites it\n"
    assert path.read_text() == "mine"
    assert call("init", str(path), "--force").code == 0
    assert path.read_text() == starter_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_init_says_why_it_cannot_write(tmp_path: Path) -> None:
    ran = call("init", str(tmp_path / "nowhere" / "deliverd.toml"))
    assert ran.code == 64
    assert "cannot be written: No such file or directory" in ran.err


def test_init_does_not_write_through_a_dangling_link(tmp_path: Path) -> None:
    link, target = tmp_path / "deliverd.toml", tmp_path / "elsewhere.toml"
    link.symlink_to(target)
    assert call("init", str(link)).code == 64
    assert not target.exists()


def test_validate_counts_what_there_is(house: House) -> None:
    ran = call("config", "validate", str(house.config))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"OK: 3 domains, 1 owner, 1 platform account, 1 policy in {house.config}\n"
    assert house.call("config", "validate").out == ran.out


def test_validate_as_json(house: House, tmp_path: Path) -> None:
    ran = house.call("config", "validate", "--json")
    assert ran.json == {
        "ok": True,
        "file": str(house.config),
        "domains": 3,
        "owners": 1,
        "platforms": 1,
        "policies": 1,
    }
    bad = tmp_path / "bad.toml"
    bad.write_text('[web]\nlisten = "nowhere"\nlissten = "x"\n')
    ran = call("config", "validate", str(bad), "--json")
    assert (ran.code, ran.json["ok"]) == (78, False)
    assert {fault["place"] for fault in ran.json["faults"]} == {"web.listen", "web.lissten"}
    assert {"file", "place", "found", "expected", "hint", "line"} == set(ran.json["faults"][0])


def test_secrets_come_from_files_and_variables_and_are_never_shown(house: House, tmp_path: Path) -> None:
    house.config.write_text(house.config.read_text().replace("secret = ", "# secret = "))
    secret = "whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWlt"
    path = str(house.config)
    assert call("config", "validate", path).code == 78
    assert call("config", "validate", path, DELIVERD_PLATFORMS__MAIL__SECRET=secret).code == 0
    (tmp_path / "credentials").mkdir()
    credential = tmp_path / "credentials" / "platforms__mail__secret"
    credential.write_text(f"{secret}\n")
    assert call("config", "validate", path, CREDENTIALS_DIRECTORY=str(credential.parent)).code == 0
    broken = call("config", "validate", path, DELIVERD_PLATFORMS__MAIL__SECRET="geheim-" + secret)
    assert broken.code == 78
    assert "Z2VoZWlt" not in broken.err and "geheim" not in broken.err
