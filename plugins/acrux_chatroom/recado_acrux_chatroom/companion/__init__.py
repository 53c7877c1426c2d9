"""What Odoo's RPC adds to ChatRoom's webhook: questions, notes, and a second way in.

It is optional, and its user needs no more than ChatRoom's basic rights. Every call is made in a
thread and has a time limit; whatever goes wrong ends as a ``SendError``, of which the class says
what to do.
"""

from recado_core import AddressError, ConfigurationError, PermanentSendError
from recado_core.addresses import digits, normalise_number
from recado_core.sinks import Finding

from recado_acrux_chatroom import wire
from recado_acrux_chatroom.companion.client import DEADLINE, Connection
from recado_acrux_chatroom.companion.conversations import bring_message, has_message, write_line
from recado_acrux_chatroom.companion.partners import write_note
from recado_acrux_chatroom.companion.probe import Subject, look
from recado_acrux_chatroom.companion.redaction import redact_all
from recado_acrux_chatroom.settings import Settings

__all__ = ["Companion"]


class Companion:
    """Odoo's RPC for one sink.

    Args:
        settings: The sink's, with a table ``rpc``.
        name: The sink's.
        url: The public address at which the gateway answers Odoo, where it is known.
        deadline: Seconds that one question or note may take.
    """

    def __init__(
        self, settings: Settings, name: str, *, url: str | None = None, deadline: float = DEADLINE
    ) -> None:
        if settings.rpc is None:
            raise ConfigurationError(f"sinks.{name}.rpc: missing")
        self._subject = Subject(settings=settings, name=name, url=url)
        self._uuid = settings.connector_uuid.reveal()
        self._odoo = Connection(
            settings.odoo_url,
            settings.rpc,
            lambda text: redact_all(text, settings),
            deadline=deadline,
        )

    async def probe(self) -> list[Finding]:
        """Return what the operator should know of this Odoo; changes nothing, raises no error."""
        return await look(self._odoo, self._subject)

    async def has_message(self, number: str, msgid: str) -> bool:
        """Say whether a person's conversation holds a message of this id.

        Raises:
            SendError: Odoo can't be asked.
        """
        _, digits_ = _read_number(number)
        return await self._odoo.run(lambda odoo: has_message(odoo, self._uuid, digits_, msgid))

    async def new_message(self, message: wire.Message) -> None:
        """Bring a person's message into its conversation, as the webhook would.

        ChatRoom knows no repeats here either.

        Raises:
            SendError: It did not take it, or may not have.
        """
        await self._odoo.run(lambda odoo: bring_message(odoo, self._uuid, message))

    async def note(self, number: str, text: str) -> None:
        """Write a note into the chatter of the contact that has this number, and link it.

        Nothing is written where no contact has it, or several that do not belong together.

        Raises:
            SendError: It was not written, or may not have been.
        """
        address, digits_ = _read_number(number)
        await self._odoo.run(lambda odoo: write_note(odoo, self._uuid, address, digits_, text))

    async def info(self, number: str, msgid: str | None, text: str) -> None:
        """Write a line for agents into a person's conversation.

        Nothing is written where there is no such conversation. With a ``msgid`` the line is about
        that message and begins with it, is written once, and not at all where ChatRoom does not
        have the message.

        Raises:
            SendError: It was not written, or may not have been.
        """
        _, digits_ = _read_number(number)
        await self._odoo.run(lambda odoo: write_line(odoo, self._uuid, digits_, msgid, text))


def _read_number(number: str) -> tuple[str, str]:
    """Return a number with its plus and without, or raise ``PermanentSendError``."""
    try:
        address = normalise_number(f"+{number.removeprefix('+')}", "BR")
    except AddressError as error:
        raise PermanentSendError(
            f"ChatRoom takes no such number: {error}", code="address"
        ) from error
    return address, digits(address)
