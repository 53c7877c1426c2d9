"""A gateway that a sink may ask: no store, no account, nothing that is sent."""

from recado_core.errors import TransientSendError
from recado_core.sinks import AccountState, SinkAnswer, SinkMessage
from recado_core.testing.samples import make_id


class FakeGateway:
    """Stands in for the gateway before a sink, and remembers what it was asked.

    Set ``refusal`` to have every message refused with this text and ``code``, ``is_down`` to have
    every call fail, ``state`` for what becomes of the account, ``known`` for the addresses of its
    conversations, and ``short`` for what links are shortened to; ``shortened`` are the addresses
    and keys that were.
    """

    def __init__(self) -> None:
        self.sent: list[SinkMessage] = []
        self.seen: list[tuple[str, str, str]] = []
        self.asked = 0
        self.refusal: str | None = None
        self.code: str | None = None
        self.is_down = False
        self.state = AccountState(ok=True, text="active")
        self.known: list[str] = []
        self.short: str | None = None
        self.shortened: list[tuple[str, str]] = []
        self._ids: dict[str, tuple[SinkMessage, str]] = {}

    async def send(self, message: SinkMessage) -> SinkAnswer:
        """Note a message under its key; one that came before gets the id that it had."""
        self._meet()
        if self.refusal is not None:
            return SinkAnswer(refusal=self.refusal, code=self.code)
        if message.key not in self._ids:
            self._ids[message.key] = (message, make_id())
            self.sent.append(message)
        first, message_id = self._ids[message.key]
        if message != first:
            return SinkAnswer(refusal="another message came under this key", code="key_reused")
        return SinkAnswer(message_id=message_id)

    async def account_state(
        self,
        account: str,  # noqa: ARG002  # as the gateway's
        channel: str = "sms",  # noqa: ARG002  # as above
    ) -> AccountState:
        """Return ``state``."""
        self._meet()
        return self.state

    async def note_read(self, account: str, address: str, channel: str = "sms") -> None:
        """Note what an agent has seen."""
        self._meet()
        self.seen.append((account, channel, address))

    async def addresses(
        self,
        account: str,  # noqa: ARG002  # as above
        limit: int,
        channel: str = "sms",  # noqa: ARG002  # as above
    ) -> list[str]:
        """Return what is ``known``."""
        self._meet()
        return self.known[:limit]

    async def shorten(self, url: str, key: str) -> str | None:
        """Return ``short``, and note what is shortened for what."""
        self._meet()
        self.shortened.append((url, key))
        return self.short

    def _meet(self) -> None:
        self.asked += 1
        if self.is_down:
            raise TransientSendError("the kit's gateway is down")
