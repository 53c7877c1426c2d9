"""The Twilio-shaped plugin that the tutorial explains: what it registers."""

from collections.abc import Iterable

from recado_core import Capabilities, CommandLine, ProviderType, hookimpl

from recado_twilio_stub.provider import TwilioProvider, check_message
from recado_twilio_stub.settings import Settings
from recado_twilio_stub.stub_server import add_simulator
from recado_twilio_stub.webhooks import TwilioReceiver


@hookimpl
def register_providers() -> Iterable[ProviderType]:
    """Register the one kind of provider."""
    return [
        ProviderType(
            id="twilio_stub",
            channels=frozenset({"sms"}),
            settings=Settings,
            # One message a call, and no name of ours in it that could be looked up later. Twilio
            # queues what comes faster than a sender may send, so that calls need no rate; how many
            # may run at once it does not publish, and answers 429 to those that are too many.
            capabilities=Capabilities(
                max_batch=1,
                concurrency=10,
                media=True,
                templates=True,
                balance=True,
                verify_credentials=True,
            ),
            create=TwilioProvider,
            create_receiver=TwilioReceiver,
            check_message=check_message,
        )
    ]


@hookimpl
def register_commands(cli: CommandLine) -> None:
    """Add ``recado simulate twilio_stub``."""
    add_simulator(cli)
