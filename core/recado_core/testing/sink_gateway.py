"""A gateway that a sink may ask: no store, no account, nothing that is sent."""

from recado_core.errors import TransientSendError
from recado_core.sinks import AccountState, SinkAnswer, SinkMessage
from recado_core.testing.samples import make_id


class FakeGateway:
    """Stands in for the gateway before a sink, and remembers what it was asked.

    Set ``refusal`` to have every message refused with this text, ``is_down`` to have every call
    fail, ``state`` for what becomes of the account, ``known`` for the addresses of its
    conversations, and ``short`` for what links are shortened to.
    """

    def __init__(self) -> None:
        self.sent: list[SinkMessage] = []
        self.seen: list[tuple[str, str, str]] = []
        self.asked = 0
        self.refusal: str | None = None
        self.is_down = False
        self.state = AccountState(ok=True, text="active")
        self.known: list[str] = []
        self.short: str | None = None
        self._ids: dict[str, str] = {}

    async def send(self, message: SinkMessage) -> SinkAnswer:
        """Note a message under its key; one that came before gets the id that it had."""
        self._meet()
        if self.refusal is not None:
            return SinkAnswer(refusal=self.refusal)
        if message.key not in self._ids:
            self._ids[message.key] = make_id()
            self.sent.append(message)
        return SinkAnswer(message_id=self._ids[message.key])

    async def account_state(self, account: str) -> AccountState:  # noqa: ARG002  # as the gateway's
        """Return ``state``."""
        self._meet()
        return self.state

    async def note_read(self, account: str, address: str, channel: str = "sms") -> None:
        """Note what an agent has seen."""
        self._meet()
        self.seen.append((account, channel, address))

    async def addresses(self, account: str, limit: int) -> list[str]:  # noqa: ARG002  # as above
        """Return what is ``known``."""
        self._meet()
        return self.known[:limit]

    async def shorten(self, url: str) -> str | None:  # noqa: ARG002  # as above
        """Return ``short``."""
        self._meet()
        return self.short

    def _meet(self) -> None:
        self.asked += 1
        if self.is_down:
            raise TransientSendError("the kit's gateway is down")
