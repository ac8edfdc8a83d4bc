"""What could not be undone stands nowhere in the code that touches platforms: not as a word that could be sent."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deliverd import platforms

FILES = sorted(Path(platforms.__path__[0]).glob("*.py"))
FORBIDDEN = re.compile(
    r"STOPPED"  # Smartlead: a campaign for good
    r"|admin/bounce"  # KumoMTA: the mail that is queued
    r"|envelopes"  # Mailgun: the mail that is queued
    r"|[Tt]erminate"  # SparkPost: a subaccount for good
    r"|\b(un)?archive\b"  # Postmark: a stream, after 45 days
    r"|subaccounts/delete|subusers/[^ ]*\bdelete"
)


def sendable(tree: ast.AST) -> Iterator[str]:
    """Every text in the code that is no docstring."""
    texts = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            yield node.value


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_no_irreversible_verb(path: Path) -> None:
    found = [text for text in sendable(ast.parse(path.read_text(encoding="utf-8"))) if FORBIDDEN.search(text)]
    assert not found


@pytest.mark.parametrize("verb", ["STOPPED", "/api/admin/bounce/v1", "terminated", "/archive", "/v3/a/envelopes"])
def test_the_search_finds_them(verb: str) -> None:
    code = f'def f():\n    """terminated"""\n    return f"{{1}}{verb}"\n'
    assert [text for text in sendable(ast.parse(code)) if FORBIDDEN.search(text)] == [verb]
