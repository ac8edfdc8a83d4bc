"""Plant faults in deliverd/core, one at a time, and count how many the tests of the core catch.

    .venv/bin/python benchmarks/mutants.py [--jobs 2] [--only plan.py] [--show]

A fault is one comparison, constant, boolean operator, sign or return changed in the syntax tree (never a text or a
docstring: words are not decisions). Each is tried in a process of its own against tests/core; a fault that breaks the
import, fails a test or hangs is caught. Exit status 1 when fewer than 95 % are caught.
"""

import argparse
import ast
import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = Path("deliverd/core")
GOAL = 0.95
TIMEOUT = 60.0
OPTIONS = ["-x", "-q", "-c", os.devnull, "--rootdir=.", "--import-mode=importlib", "--assert=plain", "-W", "ignore"]
OPTIONS += ["-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin"]

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.LShift: ast.RShift,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted fault: the file, the line, what was changed, and the whole source with the change."""

    file: str
    line: int
    change: str
    source: str


def mutants(path: Path) -> Iterator[Mutant]:
    """Every fault that can be planted in one file, one at a time."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for index, node in enumerate(_decisions(tree)):
        for choice, new in enumerate(_faults(node)):
            copy = deepcopy(tree)
            original = list(_decisions(copy))[index]
            replacement = list(_faults(original))[choice]
            changed = ast.fix_missing_locations(_Swap(original, replacement).visit(copy))
            change = f"{ast.unparse(node)}  ->  {ast.unparse(new)}"
            yield Mutant(path.name, getattr(node, "lineno", 0), change, ast.unparse(changed))


def _decisions(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that may be changed, in a stable order; annotations and decorators decide nothing."""
    skipped = {id(part) for node in ast.walk(tree) for field in _undecided(node) for part in ast.walk(field)}
    for node in ast.walk(tree):
        if id(node) not in skipped and any(True for _ in _faults(node)):
            yield node


def _undecided(node: ast.AST) -> Iterator[ast.AST]:
    parts = [getattr(node, name, None) for name in ("annotation", "returns")]
    parts += [getattr(node, "decorator_list", None), node.values if isinstance(node, ast.JoinedStr) else None]
    for part in parts:
        yield from part if isinstance(part, list) else [part] if part else []


def _faults(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for operator in COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.copy_location(ast.Compare(node.left, [operator()], node.comparators), node)
    elif isinstance(node, ast.BoolOp):
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield ast.copy_location(ast.BoolOp(other, node.values), node)
        for left_out in range(len(node.values)):
            rest = node.values[:left_out] + node.values[left_out + 1 :]
            yield rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield ast.copy_location(ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right), node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        value = (not node.value) if isinstance(node.value, bool) else node.value + 1
        yield ast.copy_location(ast.Constant(value), node)
    elif isinstance(node, ast.IfExp):
        yield ast.copy_location(ast.IfExp(node.test, node.orelse, node.body), node)
    elif isinstance(node, ast.Return) and ast.unparse(node) not in ("return", "return None"):
        yield ast.copy_location(ast.Return(ast.Constant(None)), node)


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.old:
            return self.new
        visited: ast.AST = super().visit(node)
        return visited


def _copy(place: Path) -> None:
    """A copy of what the tests of the core need, so that nobody's editing meanwhile is mistaken for a fault."""
    for name in ("deliverd", "probes", "tests"):
        ignore = shutil.ignore_patterns("__pycache__", "*.db")
        shutil.copytree(ROOT / name, place / name, ignore=ignore, symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", place)


def _run(mutant: Mutant | None) -> None:
    """In a process of its own: run the tests with the fault (None: without any) in place; its status is pytest's."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    likely = []
    if mutant:
        name = f"deliverd.core.{mutant.file.removesuffix('.py')}"
        module = ModuleType(name)
        sys.modules[name] = module
        exec(compile(mutant.source, mutant.file, "exec"), vars(module))
        setattr(importlib.import_module("deliverd.core"), name.rpartition(".")[2], module)
        likely = [test for test in [f"tests/core/test_{mutant.file}"] if Path(test).exists()]
    for tests in ([likely] if likely else []) + [["tests/core"]]:
        if status := int(pytest.main([*tests, *OPTIONS])):
            os._exit(status)
    os._exit(0)


@dataclass(slots=True)
class _Attempt:
    mutant: Mutant | None
    process: BaseProcess
    until: float

    def over(self) -> bool:
        if self.process.is_alive() and time.monotonic() > self.until:
            self.process.kill()
            self.process.join()
        return not self.process.is_alive()


def survivors(planted: Sequence[Mutant | None], jobs: int) -> list[Mutant | None]:
    """The faults that no test noticed."""
    waiting, running, alive = list(planted), list[_Attempt](), list[Mutant | None]()
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            process = multiprocessing.get_context("fork").Process(target=_run, args=(mutant,))
            process.start()
            running.append(_Attempt(mutant, process, time.monotonic() + TIMEOUT))
        done = [attempt for attempt in running if attempt.over()]
        running = [attempt for attempt in running if attempt not in done]
        alive += [attempt.mutant for attempt in done if attempt.process.exitcode == 0]
        time.sleep(0.01)
    return alive


def tried(planted: Sequence[Mutant], jobs: int) -> list[Mutant]:
    """The survivors, tried in a copy. Raises SystemExit when the tests do not even pass without a fault."""
    with tempfile.TemporaryDirectory() as name:
        _copy(Path(name))
        os.chdir(name)
        sys.path[:0] = [name, f"{name}/tests"]
        sys.dont_write_bytecode = True
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        for heavy in ("hypothesis", "core.builders"):
            importlib.import_module(heavy)
        for module in [module for module in sys.modules if module.startswith(("deliverd.core", "core"))]:
            del sys.modules[module]
        if survivors([None], 1) != [None]:
            raise SystemExit("the tests of the core fail as they are: no fault was planted")
        return [mutant for mutant in survivors(planted, jobs) if mutant]


def main() -> int:
    """Plant, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", action="append", default=[], help="a file of deliverd/core; may be repeated")
    parser.add_argument("--show", action="store_true", help="list the faults without trying them")
    options = parser.parse_args()
    files = [path for path in sorted((ROOT / CORE).glob("*.py")) if not options.only or path.name in options.only]
    planted = [mutant for path in files for mutant in mutants(path)]
    if options.show:
        for mutant in planted:
            print(f"{mutant.file}:{mutant.line}  {mutant.change}")
        return 0
    alive = tried(planted, options.jobs)
    for path in files:
        mine, left = ([row for row in rows if row.file == path.name] for rows in (planted, alive))
        if mine:
            print(f"{path.name:<14}{len(mine) - len(left):>4} of {len(mine):>4} caught")
    for mutant in alive:
        print(f"survived: {mutant.file}:{mutant.line}  {mutant.change}")
    share = 1 - len(alive) / max(1, len(planted))
    print(f"{len(planted) - len(alive)} of {len(planted)} planted faults caught: {share:.1%}, {GOAL:.0%} wanted")
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
