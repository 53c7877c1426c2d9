"""One account's calls to Kolmeya: address, token, and what a failed call means.

Every call is a POST, reads included. Laravel, on which the vendor runs, may answer HTML or a
redirect to whoever does not ask for JSON.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar

import httpx
import msgspec
from recado_core import (
    AccountContext,
    AccountError,
    InDoubtError,
    SendError,
    TransientSendError,
    send_error_for,
    send_request,
)
from recado_core.http import RAW_KEPT

from recado_kolmeya.masking import hide_secrets, make_fit, name_parts, outline, secrets_of
from recado_kolmeya.refusals import UNREADABLE, read_refusal, tells_no_credit
from recado_kolmeya.settings import KolmeyaSettings, bare_token

Answer = TypeVar("Answer")


class Connection:
    """Posts to one account of Kolmeya and reads what comes back."""

    def __init__(self, context: AccountContext) -> None:
        settings: KolmeyaSettings = context.settings
        token = bare_token(settings.token)
        self.secrets = secrets_of(token, context.webhook_url or "")
        self._http = context.http
        self._root = settings.base_url.rstrip("/") + "/v1/"
        self._headers = _merge_headers(
            context.http,
            {
                "Accept": "application/json",
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
            },
        )

    async def post(self, path: str, body: msgspec.Struct | None = None) -> httpx.Response:
        """Post to a path below ``v1`` and return the answer, whatever its status.

        Raises:
            TransientSendError: No connection could be made.
            InDoubtError: No answer came.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        url = _parse_url(self._root + path)
        return await send_request(self._http, self._request(url, content))

    async def ask(self, path: str, body: msgspec.Struct | None = None) -> httpx.Response:
        """Post a question, which changes nothing: without an answer it may be asked again."""
        try:
            return await self.post(path, body)
        except InDoubtError as error:
            raise TransientSendError(error.text) from error

    def read(self, response: httpx.Response, kind: type[Answer]) -> Answer:
        """Decode the answer to a question, or raise the ``SendError`` that it means."""
        return self.read_by(response, lambda body: msgspec.json.decode(body, type=kind))

    def read_by(
        self,
        response: httpx.Response,
        read: Callable[[bytes], Answer],
        unreadable: type[SendError] = TransientSendError,
    ) -> Answer:
        """Read an answer, or raise the ``SendError`` that it means.

        Args:
            response: The answer.
            read: Makes something of its body, or raises one of ``UNREADABLE``.
            unreadable: What an answer is that nothing can be made of.
        """
        if not response.is_success:
            raise self.error_for(response)
        try:
            return read(response.content)
        except UNREADABLE as error:
            raise unreadable(
                self.tell_unreadable(response),
                code=str(response.status_code),
                raw=self.raw_of(response),
            ) from error

    def error_for(self, response: httpx.Response) -> SendError:
        """Return the ``SendError`` that a failed answer means, in the vendor's words."""
        status = response.status_code
        said = self.said_in(response)
        text = make_fit(f"HTTP {status}: {said}", self.secrets) if said else None
        raw = self.raw_of(response)
        if response.is_redirect:
            return AccountError(
                f"HTTP {status}: Kolmeya answers with a redirect; is base_url right?",
                code=str(status),
                raw=raw,
            )
        if text and tells_no_credit(said):
            return AccountError(text, code=str(status), raw=raw)
        error = send_error_for(response, text)
        error.raw = raw
        return error

    def said_in(self, response: httpx.Response) -> str:
        """Return what an answer says for a person, without secrets: what is read of it is cut."""
        return read_refusal(hide_secrets(response.text, self.secrets).encode())

    def tell_unreadable(self, response: httpx.Response) -> str:
        """Return a line on a successful answer that makes no sense, without a value of it."""
        start = f"HTTP {response.status_code} with an answer that can't be read: "
        return make_fit(start + name_parts(response.content), self.secrets)

    def raw_of(self, response: httpx.Response) -> str:
        """Return the start of a refusal for the operator; of a success, the outline alone."""
        text = outline(response.content) if response.is_success else response.text
        return make_fit(text, self.secrets, RAW_KEPT)

    def _request(self, url: httpx.URL, content: bytes) -> httpx.Request:
        """Build a request as the client does, without merging its headers and ours each time."""
        if self._http.cookies:  # which only the client adds
            return self._http.build_request("POST", url, content=content, headers=self._headers)
        timeout = {"timeout": self._http.timeout.as_dict()}
        return httpx.Request(
            "POST", url, content=content, headers=self._headers, extensions=timeout
        )


def _merge_headers(client: httpx.AsyncClient, own: Mapping[str, str]) -> httpx.Headers:
    """Return the client's headers with our own among them."""
    merged = httpx.Headers(client.headers)
    merged.update(own)
    return merged


@lru_cache(maxsize=64)  # most calls are to a few addresses
def _parse_url(url: str) -> httpx.URL:
    return httpx.URL(url)
