"""odoorpc, one client for one thread at a time, whatever it raises turned into a ``SendError``."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
import msgspec
import odoorpc
from recado_core import (
    AccountError,
    InDoubtError,
    SendError,
    TransientSendError,
)

from recado_acrux_chatroom.companion.faults import (
    LOGIN,
    NO_ANSWER,
    WRONG_LOGIN,
    Call,
    error_for,
    read_fault,
    right_error,
)
from recado_acrux_chatroom.companion.log import quiet_odoorpc
from recado_acrux_chatroom.companion.opener import Opener
from recado_acrux_chatroom.companion.threads import Permit, Threads
from recado_acrux_chatroom.settings import Rpc

T = TypeVar("T")

DEADLINE = 30.0
THREADS = 2

ANY_VERSION = "15.0"
"""What odoorpc asks for a version for is the way to log in, the same from 10 on. Told one, it makes
no call to find it out; what this Odoo is, ``Odoo.version`` says."""

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What odoorpc raises, unintended, over an answer that is not what it expects."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """What Odoo says of a field of a model."""

    type: str
    searchable: bool = True
    readonly: bool = False


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What Odoo says of itself."""

    server_version: str
    server_version_info: tuple[int | str, ...] = ()

    @property
    def major(self) -> int:
        """The first number of the version: 15 of ``15.0``, 17 of ``saas~17.2``."""
        digits = "".join(c if c.isdigit() else " " for c in self.server_version).split()
        return int(digits[0]) if digits else 0


class Client:
    """One client of odoorpc, for one thread at a time; logs in when it is first needed."""

    def __init__(self, url: str, rpc: Rpc, redact: Callable[[str], str], *, timeout: float) -> None:
        quiet_odoorpc()
        address = httpx.URL(url)
        secure = address.scheme == "https"
        self._rpc = rpc
        self._redact = redact
        self._logged_in = False
        self._fields: dict[tuple[str, tuple[str, ...]], dict[str, Field]] = {}
        self._version: Version | None = None
        self._odoo = odoorpc.ODOO(
            address.host,
            protocol="jsonrpc+ssl" if secure else "jsonrpc",
            port=address.port or (443 if secure else 80),
            timeout=timeout,
            version=ANY_VERSION,
            opener=Opener(url, timeout),
        )

    def version(self) -> Version:
        """Return Odoo's version, for which nobody need log in."""
        if self._version is None:
            asked = {"service": "common", "method": "version", "args": []}
            answer = self._translate(LOGIN, lambda: self._odoo.json("/jsonrpc", asked)["result"])
            self._version = read_as(answer, Version)
        return self._version

    def fields(self, model: str, names: tuple[str, ...]) -> dict[str, Field]:
        """Return those of the named fields that the model has; asked once."""
        if (model, names) not in self._fields:
            call = Call(model=model, method="fields_get", operation="read")
            asked = {"attributes": ["type", "searchable", "readonly"]}
            answer = self.execute(call, [list(names)], asked)
            self._fields[model, names] = read_as(answer, dict[str, Field])
        return self._fields[model, names]

    def log_in(self) -> None:
        """Log in, once."""
        if self._logged_in:
            return
        rpc = self._rpc
        self._translate(
            LOGIN, lambda: self._odoo.login(rpc.database, rpc.login, rpc.password.reveal())
        )
        self._logged_in = True

    def execute(self, call: Call, args: list[Any], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401  # of any method
        """Return what a method of a model returns; None where Odoo returns nothing."""
        return self._translate(
            call, lambda: self._odoo.execute_kw(call.model, call.method, args, dict(kwargs))
        )

    def _translate(self, call: Call, do: Callable[[], Any]) -> Any:  # noqa: ANN401  # of any call
        try:
            return do()
        except odoorpc.error.RPCError as error:
            raised = self._error_for(error, call)
        except odoorpc.error.InternalError as error:
            raised = AccountError(f"odoorpc: {error}")
        except SendError as error:
            raised = error
        except UNREADABLE as error:
            raised = _unreadable(error)
        # Not from what odoorpc raised: a traceback of that shows Odoo's whole answer.
        raise (raised if call.writes else _as_read(raised)) from None

    def _error_for(self, error: odoorpc.error.RPCError, call: Call) -> SendError:
        if call is LOGIN and not error.info:
            return AccountError(WRONG_LOGIN)
        fault = read_fault(error.info)
        fault = msgspec.structs.replace(fault, message=self._redact(fault.message))
        if fault.is_access_error:
            return right_error(fault, call, granted=self._is_granted(call))
        return error_for(fault, call)

    def _is_granted(self, call: Call) -> bool:
        """Say whether the user has the right on the model, so that it lacks on a record alone."""
        asked = [call.operation, False]
        try:
            return self._odoo.execute_kw(call.model, "check_access_rights", asked) is True
        except (odoorpc.error.Error, SendError, *UNREADABLE):
            return False


class Odoo:
    """An Odoo to work with in a thread, for as long as somebody waits for what comes of it."""

    def __init__(self, client: Client, permit: Permit) -> None:
        self._client = client
        self._permit = permit

    def version(self) -> Version:
        """Return Odoo's version, for which nobody need log in."""
        self._permit.begin(writes=False)
        return self._client.version()

    def log_in(self) -> None:
        """Log in, if this has not been done."""
        self._permit.begin(writes=False)
        self._client.log_in()

    def fields(self, model: str, *names: str) -> dict[str, Field]:
        """Return those of the named fields that the model has."""
        self.log_in()
        self._permit.begin(writes=False)
        return self._client.fields(model, names)

    def read(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # of any method
        """Call a method that changes nothing."""
        return self._call("read", model, method, args, kwargs)

    def write(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # of any method
        """Call a method that changes something."""
        operation = "create" if method == "create" else "write"
        return self._call(operation, model, method, args, kwargs)

    def _call(
        self,
        operation: str,
        model: str,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401  # of any method
        self.log_in()
        call = Call(model=model, method=method, operation=operation)
        self._permit.begin(writes=call.writes)
        return self._client.execute(call, list(args), kwargs)


class Connection:
    """Work with one Odoo as one user, in threads, each of them with a client of its own.

    Args:
        url: Odoo's base address.
        rpc: Who logs in.
        redact: Takes the secrets and numbers out of what Odoo says.
        deadline: Seconds that a piece of work may take.
    """

    def __init__(
        self, url: str, rpc: Rpc, redact: Callable[[str], str], *, deadline: float = DEADLINE
    ) -> None:
        self._url = url
        self._rpc = rpc
        self._redact = redact
        self._deadline = deadline
        self._threads = Threads(THREADS, deadline)
        self._idle: deque[Client] = deque()

    async def run(self, work: Callable[[Odoo], T]) -> T:
        """Return what the work returns; raise ``SendError``, of which class says what to do."""

        def job(permit: Permit) -> T:
            client = self._take()
            result = work(Odoo(client, permit))
            self._idle.append(client)  # one that failed is not used again: it logs in anew
            return result

        return await self._threads.run(job)

    def _take(self) -> Client:
        try:
            return self._idle.pop()
        except IndexError:
            return Client(self._url, self._rpc, self._redact, timeout=self._deadline)


def read_as(answer: object, kind: type[T]) -> T:
    """Return an answer as what it must be, or raise ``TransientSendError``."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise TransientSendError(f"{NO_ANSWER} ({error})") from None


def _unreadable(error: Exception) -> InDoubtError:
    if isinstance(error, KeyError) and error.args == ("data",):
        return InDoubtError("Odoo failed, and does not say why")
    return InDoubtError(NO_ANSWER)


def _as_read(error: SendError) -> SendError:
    """Return the error of a call that can be made again without harm."""
    if isinstance(error, InDoubtError):
        return TransientSendError(error.text, code=error.code, raw=error.raw)
    if isinstance(error, TransientSendError):
        error.possibly_taken = False
    return error
