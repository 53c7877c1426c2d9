"""The stage on which a plugin is tried before a fake vendor, and the scenes that are played."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Generic, TypeVar

import anyio
import httpx
import msgspec

from recado_core.contract import decode_setting
from recado_core.testing.disclosure import tell_error
from recado_core.testing.kit import PATIENCE, Conformance
from recado_core.testing.vendor import Answer, FakeVendor
from recado_core.testing.watch import Watch

P = TypeVar("P")

Answers = Answer | Sequence[Answer]
"""One answer for every request of a call, or one after the other; the last one stays."""


class Trial(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """A plugin's object before one vendor, and what is seen of it."""

    plugin: P
    vendor: FakeVendor
    watch: Watch


class Scene(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """One call, and what the vendor answers to it."""

    name: str
    call: Callable[[P], Awaitable[object]]
    answers: Answers
    fails: bool = False


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a scene: the error's texts, the requests, the plugin's ``repr``."""

    name: str
    fails: bool
    watch: Watch
    requests: list[httpx.Request]
    shown: str
    error: str = ""
    raw: str = ""

    def texts(self) -> list[tuple[str, str]]:
        """Return what a person or a log may read, and where."""
        logs = [(f"{self.name}: a log record", text) for text in self.watch.logs]
        return [*logs, (f"{self.name}: the error", self.error), (f"{self.name}: repr", self.shown)]


class Stage(Conformance, Generic[P]):
    """What is tried with settings, a client and a vendor: providers and sinks."""

    settings: ClassVar[Mapping[str, Any]] = {}
    """The plugin's settings as in TOML, every ``Secret`` among them; secrets of 8+ characters."""

    reserved_keys: ClassVar[frozenset[str]]
    """Keys of the plugin's table that the gateway keeps to itself."""

    _seen: ClassVar[dict[type, list[Played]]] = {}

    @property
    @abstractmethod
    def settings_type(self) -> type[msgspec.Struct]:
        """Return the plugin's settings Struct."""

    @abstractmethod
    def make_context(self, http: httpx.AsyncClient) -> msgspec.Struct:
        """Return what the plugin's object is made of."""

    @abstractmethod
    def make_plugin(self, http: httpx.AsyncClient) -> P:
        """Return the plugin's object, with this client."""

    @abstractmethod
    def scenes(self) -> Iterator[Scene[P]]:
        """Yield everything that can happen between the plugin and its vendor."""

    @abstractmethod
    def addresses(self) -> list[str]:
        """Return the addresses that the scenes carry."""

    def read_settings(self, **more: object) -> msgspec.Struct:
        """Return the settings as the gateway reads them."""
        table = {**self.settings, **more}
        return msgspec.convert(table, self.settings_type, strict=False, dec_hook=decode_setting)

    def make_watch(self) -> Watch:
        """Return what will see everything that the plugin does."""
        return Watch(self.settings_type.__module__.partition(".")[0])

    @asynccontextmanager
    async def facing(self, answers: Answers) -> AsyncIterator[Trial[P]]:
        """Give the plugin's object, watched, before a vendor that gives these answers."""
        vendor = FakeVendor(*(answers if isinstance(answers, Sequence) else (answers,)))
        async with vendor.client() as http:
            watch = self.make_watch()
            with watch.on(), anyio.fail_after(PATIENCE):
                yield Trial(plugin=self.make_plugin(http), vendor=vendor, watch=watch)

    async def play(self) -> list[Played]:
        """Play every scene, once for all tests of the class, and return what was seen."""
        mine = type(self)
        if mine not in self._seen:
            self._seen[mine] = [await self._play(scene) for scene in self.scenes()]
        return self._seen[mine]

    async def _play(self, scene: Scene[P]) -> Played:
        error = raw = ""
        async with self.facing(scene.answers) as trial:
            try:
                await scene.call(trial.plugin)
            except Exception as raised:  # noqa: BLE001  # whatever it is, other tests judge its class
                error, raw = tell_error(raised), str(getattr(raised, "raw", ""))
        return Played(
            name=scene.name,
            fails=scene.fails,
            watch=trial.watch,
            requests=trial.vendor.requests,
            shown=f"{trial.plugin!r} {trial.plugin}",
            error=error,
            raw=raw,
        )
