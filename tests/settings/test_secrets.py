"""No secret is ever printed, wherever it stands and whatever else is wrong with it."""

import logging
import pickle
import traceback

import pytest
from pydantic import SecretStr, ValidationError, field_validator

from deliverd.settings import changes
from deliverd.settings_faults import reading
from probes.config import Secret, Strict

CANARY = "c4n4ry-of-the-mine"

WHOLE = f"""
[store]
url = "postgresql+psycopg://deliverd:{CANARY}@localhost/deliverd"
[owners.growth]
channels = ["mailto://user:{CANARY}@mail.example.com"]
[platforms.mail]
kind = "webhook"
secret = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
control_url = "https://sender.example.com/deliverd"
[platforms.aws]
kind = "ses"
region = "eu-west-1"
access_key_id = "{CANARY}"
secret_access_key = "{CANARY}"
[domains."acme.com"]
owner = "growth"
platform = "mail"
"""

WHSEC = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"

SPOILT = [
    ("url = ", "url = 'mysql://u:CANARY@h/d' # "),
    ("url = ", "url = { file = 'CANARY', more = 'CANARY' } # "),
    ("url = ", "url = ['CANARY'] # "),
    ("url = ", "ulr = 'CANARY'\nurl = "),
    ("[store]", "[sotre]"),
    ("[store]\nurl = ", "store = 'CANARY' # "),
    ("channels = ", "channels = 'mailto://u:CANARY@h' # "),
    ("channels = ", "channels = ['CANARY'] # "),
    ("channels = ", "channels = [['CANARY']] # "),
    ("channels = ", "channels = { a = 'CANARY' } # "),
    ("channels = ", "chanels = ['CANARY'] # "),
    ("[owners.growth]\nchannels = ", "[owners]\ngrowth = 'json://CANARY' # "),
    ("secret = ", "secret = 'CANARY' # "),
    ("secret = ", "secret = 'whsec_CANARY' # "),
    ("secret = ", "secret = ['CANARY'] # "),
    ("secret = ", "secret = { fiel = 'CANARY' } # "),
    ("secret = ", "secert = 'CANARY' # "),
    ("secret = ", "secret = 20261122 # "),
    ("control_url = ", "control_url = 'https://u:CANARY@h:port/' # "),
    ("control_url = ", "control_url = 'ftp://CANARY' # "),
    ("access_key_id = ", "access_key_id = 3 # "),
    ("access_key_id = ", "access_key = 'CANARY' # "),
    ('kind = "ses"', 'kind = "sess"'),
    ('kind = "ses"', 'kind = "json://u:CANARY@h"'),
    ("secret_access_key = ", "secret_access_key = nan # "),
    ('owner = "growth"', "owner = 'mailto://u:CANARY@h'"),
    ('owner = "growth"', "owner = { file = 'CANARY' }"),
    ("[domains", "secret = 'CANARY'\n[domains"),
    ("[domains", "[log]\nlevel = 'json://CANARY'\n[domains"),
    ("[domains", "= 'CANARY'\n[domains"),
    ("[domains", "x = 'CANARY\n[domains"),
    ("[domains", 'x = """CANARY\n[domains'),
    ("[domains", "secret = 'CANARY'\nsecret = 'CANARY'\n[domains"),
]


def spoil(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new.replace("CANARY", CANARY), 1)


def shown(error: BaseException) -> str:
    """Everything that a log, a terminal or a crash report might make of an error."""
    text = "".join(traceback.format_exception(error))
    for link in (error, error.__cause__, error.__context__):
        text += f"{link} {link!r} {getattr(link, 'args', '')}"
    return text


@pytest.mark.parametrize(("old", "new"), SPOILT, ids=[new for _, new in SPOILT])
def test_an_error_holds_no_secret(failing, old, new):
    error = failing(spoil(old, new))
    for text in (shown(error), repr(error.faults), pickle.dumps(error.faults).decode("latin-1")):
        assert CANARY not in text
        assert WHSEC not in text
        assert "20261122" not in text
    assert error.__context__ is None


@pytest.mark.parametrize("key", ["STORE__URL", "STORE__ULR", "OWNERS__GROWTH__CHANNELS", "PLATFORMS__MAIL__SECRET",
                                 "PLATFORMS__MAIL__SECERT", "PLATFORMS__AWS", "PLATFORMS__NEW__SECRET", "STOER__URL",
                                 "PLATFORMS__AWS__KIND__X", "OWNERS__GROWTH"])  # fmt: skip
@pytest.mark.parametrize(
    "value", [CANARY, f'["{CANARY}"', f'{{"a": "{CANARY}"}}', f'"{CANARY}"', f"whsec_{CANARY}\udcff"]
)
def test_an_error_about_a_variable_or_a_secret_file_holds_no_secret(failing, tmp_path, key, value):
    assert CANARY not in shown(failing(WHOLE, {f"DELIVERD_{key}": value}))
    if key == "STOER__URL":
        return
    directory = tmp_path / "secrets"
    directory.mkdir()
    (directory / key.lower()).write_bytes(value.encode("utf-8", "surrogateescape"))
    assert CANARY not in shown(failing(WHOLE, {}, (directory,)))


class Careless(Strict):
    """A table whose check repeats what it was given, as another's code might."""

    password: Secret

    @field_validator("password")
    @classmethod
    def _check(cls, password: SecretStr) -> SecretStr:
        raise ValueError(f"something better than {password.get_secret_value()}")


def test_a_check_that_repeats_a_secret_is_not_repeated():
    with pytest.raises(ValidationError) as caught:
        Careless(password=CANARY)
    found, expected, hint = reading(Careless, caught.value.errors()[0])
    assert found == "a string (not shown)"
    assert CANARY not in expected + hint
    assert "the reason is not shown" in expected


def test_settings_that_hold_print_no_secret(loaded, caplog):
    settings = loaded(WHOLE)
    logging.getLogger("test").error("%s %r", settings, settings)
    texts = [repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump()), caplog.text]
    for text in texts:
        assert CANARY not in text
        assert WHSEC not in text
        assert "**********" in text


def test_the_secrets_themselves_are_there(loaded):
    """The canary is really in the settings, so that the tests above can fail."""
    settings = loaded(WHOLE)
    for secret in (
        settings.store.url,
        settings.owners["growth"].channels[0],
        settings.platforms["aws"].access_key_id,
        settings.platforms["aws"].secret_access_key,
    ):
        assert isinstance(secret, SecretStr)
        assert CANARY in secret.get_secret_value()


def test_a_changed_secret_is_only_said_to_have_changed(loaded):
    before, after = loaded(WHOLE), loaded(WHOLE.replace(CANARY, "other"))
    assert changes(before, after) == (
        "store.url changed",
        "owners.growth.channels changed",
        "platforms.aws.access_key_id changed",
        "platforms.aws.secret_access_key changed",
    )
