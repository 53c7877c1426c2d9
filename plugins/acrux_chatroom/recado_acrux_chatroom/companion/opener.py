"""The way in which odoorpc's requests leave: the same HTTP client as everywhere in Recado.

urllib, odoorpc's own, tells a connection that was never made from one that broke by no sure sign,
follows redirects, and leaves broken connections open.
"""

import io
import ssl
from functools import cache
from typing import Protocol

import httpx
from recado_core import (
    AccountError,
    InDoubtError,
    SendError,
    TransientSendError,
    UnreachableError,
    send_error_for,
)

from recado_acrux_chatroom.answers import DOWN

NOWHERE = (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED)
CONNECT_SECONDS = 10.0


class Request(Protocol):
    """What odoorpc makes of a call: a ``urllib.request.Request`` with its whole body."""

    selector: str
    data: bytes


class Opener:
    """Opens requests at one Odoo, as ``odoorpc.ODOO(opener=)`` wants it.

    Args:
        url: Odoo's base address, which may have a path.
        timeout: Seconds of silence after which an answer is given up.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(
            verify=_trusted(),
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            # Nobody closes an odoorpc client, so no connection may stay open in it.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def open(self, request: Request, timeout: float | None = None) -> io.BytesIO:  # noqa: ARG002  # odoorpc repeats what the client was made with
        """Return the body of the answer, once it is there as a whole.

        Raises:
            UnreachableError: Nothing was sent, or a proxy says that Odoo is not there.
            TransientSendError: Odoo failed; ``possibly_taken`` says whether it had begun.
            AccountError: This is no address of Odoo's RPC, or its certificate can't be trusted.
            PermanentSendError: The request was refused.
            InDoubtError: It left, and no whole answer came.
        """
        ours = self._http.build_request(
            "POST",
            self._url + request.selector,
            content=request.data,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        response = self._send(ours)
        if not response.is_success:
            raise _refusal(response)
        return io.BytesIO(response.content)

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._http.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _unsent(request, error) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise InDoubtError(
                f"no answer from {request.url.host} after sending: {type(error).__name__}"
            ) from None


def _unsent(request: httpx.Request, error: httpx.TransportError) -> SendError:
    if _is_mistrust(error):
        return AccountError(f"the certificate of {request.url.host} can't be trusted")
    return UnreachableError(f"no connection to {request.url.host}: {type(error).__name__}")


def _is_mistrust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _refusal(response: httpx.Response) -> SendError:
    error = send_error_for(response)
    error.raw = None  # a page of whatever answers there
    if response.is_redirect:
        text = "Odoo sends us to another address: `odoo_url` is not the one that it wants"
        return AccountError(text, code=error.code)
    if response.status_code in NOWHERE:
        return AccountError("nothing answers Odoo's RPC at this `odoo_url`", code=error.code)
    if response.status_code in DOWN and isinstance(error, TransientSendError):
        return UnreachableError(
            error.text,
            code=error.code,
            retry_after=error.retry_after,
            possibly_taken=error.possibly_taken,
        )
    return error


@cache
def _trusted() -> ssl.SSLContext:
    # Reading the certificate authorities takes tens of milliseconds: once for all connections.
    return httpx.create_ssl_context()
