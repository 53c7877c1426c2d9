"""Recado's plugin for Pombo."""

from collections.abc import Iterable

from recado_core import Capabilities, ProviderType, hookimpl

from pombo_sms.provider import PomboProvider
from pombo_sms.settings import PomboSettings
from pombo_sms.webhooks import PomboReceiver


@hookimpl
def register_providers() -> Iterable[ProviderType]:
    """Register the one kind of provider."""
    return [
        ProviderType(
            id="pombo",
            channels=frozenset({"sms"}),
            settings=PomboSettings,
            capabilities=Capabilities(max_batch=100, concurrency=2),
            create=PomboProvider,
            create_receiver=PomboReceiver,
        )
    ]
