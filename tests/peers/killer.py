"""An own sender that kills its caller at a moment of its choice: the platform knows best when it has been called."""

from collections.abc import Callable

from starlette.responses import Response

from peers.own_sender import OwnSender

Kill = Callable[[], None]


class Killer(OwnSender):
    """An own sender that kills its caller once, at a moment of its choice."""

    moment: str = ""
    kill: Kill = staticmethod(lambda: None)

    def at(self, moment: str, kill: Kill) -> None:
        self.moment, self.kill = moment, kill

    def _obey(self, domain, order):  # type: ignore[no-untyped-def]
        posted = any(call.method == "POST" for call in self.calls)
        now = "called" if order is not None else ("read back" if posted else "looked")
        if self.moment == f"before {now}":
            self._strike()
            return Response(status_code=503)
        answer = super()._obey(domain, order)
        if self.moment == f"after {now}":
            self._strike()
        return answer

    def _strike(self) -> None:
        self.moment = ""
        self.kill()
