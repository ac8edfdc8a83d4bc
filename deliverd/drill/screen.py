"""Prints a drill: lines as they come, and at the end what it took. Colours and folding on a terminal only."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from deliverd.drill.summary import Summary
from deliverd.drill.timeline import Kind, Line

_STYLES = {
    Kind.WORLD: "dim",
    Kind.SEEN: "cyan",
    Kind.DECIDED: "bold yellow",
    Kind.DONE: "bold green",
    Kind.TOLD: "magenta",
}
_NARROWEST = 40
_LEGEND = "WORLD is what happens outside; SEEN, DECIDED, DONE and TOLD are deliverd's."


class Screen:
    """Where a drill is shown. `quiet` shows nothing of it (a program reads the summary instead)."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._began: datetime | None = None
        self._shown: set[str] = set()
        self._width = 0

    def begin(self, name: str, title: str, domains: Sequence[str], policy: str, began: datetime) -> None:
        """The head of one scenario."""
        self._began, self._width = began, max(map(len, domains))
        self._shown.clear()
        self.say("")
        self.say(f"deliverd fire drill: {name}", "bold")
        self.say(f"{title[0].upper()}{title[1:]}. One second stands for one minute.")
        self.say(f"Judged by {policy}.")
        self.say(_LEGEND, "dim")
        self.say("")

    def show(self, lines: Sequence[Line]) -> None:
        """Print those of the lines that have not been printed yet."""
        for line in lines:
            if line.key not in self._shown:
                self._shown.add(line.key)
                self._print(line)

    def finish(self, summary: Summary) -> None:
        """What it took, and the verdict."""
        self.say("")
        self.say("What it took", "bold")
        width = max(len(name) for name, _ in summary.rows)
        for name, value in summary.rows:
            self.say(f"  {name:<{width}}  {value}")
        self.say("")
        for check in summary.checks:
            mark, style = ("yes", "green") if check.ok else ("NO ", "bold red")
            self._row(Text.assemble((f"  {mark}  ", style)), Text(check.text))
        self.say("")
        word, style = ("PROTECTED", "bold green") if summary.protected else ("NOT PROTECTED", "bold red")
        self.say(f"{summary.victim} was {word}.", style)

    def say(self, text: str, style: str = "") -> None:
        """One plain line."""
        self._row(Text(), Text(text, style=style))

    def _print(self, line: Line) -> None:
        seconds = (line.at - self._began).total_seconds() if self._began else 0.0
        style = "bold red" if line.bad and line.kind is not Kind.TOLD else _STYLES[line.kind]
        stamp, about = f"{seconds:+7.2f}  ", f"  {line.domain:<{self._width}}  "
        head = Text.assemble((stamp, "dim"), (f"{line.kind:<7}", style), about)
        self._row(head, Text(line.text, style="red" if line.bad else ""))

    def _row(self, head: Text, body: Text) -> None:
        """A head and a body, which is folded beside it where there is a terminal to fold for."""
        if self._quiet:
            return
        room = self._console.width - len(head)
        fold = self._console.is_terminal and room >= _NARROWEST
        first, *rest = body.wrap(self._console, room) if fold and body.plain else [body]
        self._console.print(head + first, soft_wrap=True, highlight=False)
        for line in rest:
            self._console.print(Text(" " * len(head)) + line, soft_wrap=True, highlight=False)
