"""How every plugin must behave, whatever its vendor answers."""

from recado_core.testing.disclosure import (
    SHORTEST_SECRET,
    find_credentials,
    find_numbers,
    find_secrets,
    find_shown,
)
from recado_core.testing.stage import P, Stage
from recado_core.testing.vendor import FakeVendor


class ConductTests(Stage[P]):
    """One request, no waiting, no client of its own, nothing shown: over every scene."""

    async def test_failure_ends_after_one_request(self) -> None:
        """The engine decides about another try, after asking what became of this one."""
        failed = [played for played in await self.play() if played.fails]
        counts = {p.name: len(p.requests) for p in failed if len(p.requests) != 1}
        assert not counts, "requests made where one was due"

    async def test_plugin_never_sleeps(self) -> None:
        """A plugin that waits keeps the messages of everyone behind it."""
        sleeps = {p.name: p.watch.sleeps for p in await self.play() if p.watch.sleeps}
        assert not sleeps, "seconds slept"

    async def test_plugin_uses_only_the_client_it_was_given(self) -> None:
        """Another client would ignore the account's time limit, proxy and closing."""
        seen = {p.name: p.watch.clients + p.watch.connections for p in await self.play()}
        others = {name: found for name, found in seen.items() if found}
        assert not others, "clients and connections of its own"

    async def test_no_secret_is_shown(self) -> None:
        """Logs, errors and ``repr`` are read by people who must not know the secrets."""
        secrets = find_secrets(self.read_settings())
        short = [name for name, text in secrets.items() if len(text) < SHORTEST_SECRET]
        assert not short, f"the kit needs secrets of {SHORTEST_SECRET} characters or more"
        played = await self.play()
        texts = [text for p in played for text in p.texts()]
        texts += [(f"{p.name}: the raw answer", p.raw) for p in played]
        texts.append(("repr(settings)", repr(self.read_settings())))
        sent = find_credentials(request for p in played for request in p.requests)
        assert not find_shown(texts, secrets | sent | self.own_secrets())
        async with FakeVendor().client() as http:
            context = [("repr(context)", repr(self.make_context(http)))]
        assert not find_shown(context, secrets)

    async def test_no_whole_number_is_shown(self) -> None:
        """A log is kept longer, and read by more people, than a message."""
        texts = [text for p in await self.play() for text in p.texts()]
        assert not find_numbers(texts, self.addresses())

    def own_secrets(self) -> dict[str, str]:
        """Return the secrets that the kit itself has given to the plugin."""
        return {}
