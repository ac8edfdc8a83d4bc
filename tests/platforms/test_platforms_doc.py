"""docs/platforms.md is what the adapters declare."""

import subprocess
import sys
from pathlib import Path

from deliverd.platforms.registry import PLATFORMS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_adapters_declare() -> None:
    done = subprocess.run([sys.executable, str(DOCS / "platforms.py"), "--check"], timeout=60, check=False)
    assert done.returncode == 0, "docs/platforms.md is out of date: run python docs/platforms.py"


def test_every_kind_has_a_row() -> None:
    page = (DOCS / "platforms.md").read_text(encoding="utf-8")
    assert not [kind for kind in PLATFORMS if f"\n| {kind} |" not in page]
