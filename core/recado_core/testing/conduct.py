"""How every provider must behave, whatever its vendor answers."""

from recado_core.testing.disclosure import (
    SHORTEST_SECRET,
    find_credentials,
    find_numbers,
    find_secrets,
    find_shown,
)
from recado_core.testing.scenes import play
from recado_core.testing.stage import ProviderStage
from recado_core.testing.vendor import FakeVendor


class ConductTests(ProviderStage):
    """One request, no waiting, no client of its own, nothing shown: over every scene."""

    async def test_failure_ends_after_one_request(self) -> None:
        """The engine decides about another try, after asking what became of this one."""
        failed = [played for played in await play(self) if played.scene.fails]
        counts = {p.scene.name: len(p.requests) for p in failed if len(p.requests) != 1}
        assert not counts, "requests made where one was due"

    async def test_provider_never_sleeps(self) -> None:
        """A provider that waits keeps the messages of everyone behind it."""
        sleeps = {p.scene.name: p.watch.sleeps for p in await play(self) if p.watch.sleeps}
        assert not sleeps, "seconds slept"

    async def test_provider_uses_only_the_client_it_was_given(self) -> None:
        """Another client would ignore the account's time limit, proxy and closing."""
        others = {
            p.scene.name: p.watch.clients + p.watch.connections
            for p in await play(self)
            if p.watch.clients or p.watch.connections
        }
        assert not others, "clients and connections of its own"

    async def test_no_secret_is_shown(self) -> None:
        """Logs, errors and ``repr`` are read by people who must not know the secrets."""
        secrets = find_secrets(self.read_settings())
        short = [name for name, text in secrets.items() if len(text) < SHORTEST_SECRET]
        assert not short, f"the kit needs secrets of {SHORTEST_SECRET} characters or more"
        played = await play(self)
        texts = [text for p in played for text in p.texts()]
        async with FakeVendor().client() as http:
            context = [("repr(context)", repr(self.make_context(http)))]
        assert not find_shown([*texts, *context], secrets)
        token = self.webhook_url.rpartition("/")[2]
        sent = find_credentials(r for p in played for r in p.requests)
        assert not find_shown(texts, {"the webhook token": token} | sent)

    async def test_no_whole_number_is_shown(self) -> None:
        """A log is kept longer, and read by more people, than a message."""
        addresses = [message.to for message in self.batch().messages]
        texts = [text for p in await play(self) for text in p.texts()]
        assert not find_numbers(texts, addresses)
