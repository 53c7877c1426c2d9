"""What lists are searched by, in the form in which it is stored."""

from recado_core.engine.failures import Fault
from recado_core.errors import AddressError

from recado_gateway.endpoints import engine_of
from recado_gateway.failures import InvalidRequestError
from recado_gateway.requests import Request

USUAL_CHANNEL = "sms"


def stored_address(request: Request, address: str, channel: str | None = None) -> str:
    """Return the form in which an address is stored: a person's, or that of an MO's sender.

    A space before it is a plus sign that nobody escaped.

    Raises:
        InvalidRequestError: It is neither a number nor a short code or name.
    """
    engine = engine_of(request)
    channels, region = engine.plugins.channels, engine.settings.default_region
    if address.startswith(" "):
        address = f"+{address[1:]}"
    medium = channels.get(channel or USUAL_CHANNEL, channels[USUAL_CHANNEL])
    try:
        return medium.normalise_address(address, region)
    except AddressError as error:
        try:
            return medium.normalise_sender_id(address, region)
        except AddressError:
            fault = Fault(pointer="/address", detail=str(error))
            raise InvalidRequestError([fault]) from error
