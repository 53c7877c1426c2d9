"""The AcruxLab ChatRoom plugin: what it registers."""

import argparse
from collections.abc import Iterable

from recado_core import CommandLine, SinkContext, SinkType, hookimpl

from recado_acrux_chatroom.events import EVENTS, lane, wants
from recado_acrux_chatroom.settings import Settings
from recado_acrux_chatroom.sink import ChatRoomSink


def create_sink(context: SinkContext) -> ChatRoomSink:
    """Make the sink, with a companion where the settings have a login for one."""
    settings: Settings = context.settings
    if settings.rpc is None:
        return ChatRoomSink(context)
    # Here and not above: without a login, nothing needs odoorpc.
    from recado_acrux_chatroom.companion import Companion  # noqa: PLC0415

    return ChatRoomSink(context, Companion(settings, context.name, url=context.url))


@hookimpl
def register_sinks() -> Iterable[SinkType]:
    """Register the one kind of sink."""
    return [
        SinkType(
            id="acrux_chatroom",
            settings=Settings,
            events=EVENTS,
            create=create_sink,
            wants=wants,
            lane=lane,
            requests=True,
            probe=True,
        )
    ]


@hookimpl
def register_commands(cli: CommandLine) -> None:
    """Add ``recado chatroom setup``."""
    # Here and not above: the gateway itself never sets a connector up.
    from recado_acrux_chatroom import command  # noqa: PLC0415

    parser = cli.add_command(
        "chatroom", "setup", summary="make or describe the connector in Odoo, and try it both ways"
    )
    command.add_arguments(parser)

    def run(args: argparse.Namespace) -> int:
        try:
            return command.run(args, lambda: cli.sinks(args, command.KIND))
        except command.WrongUseError as error:
            parser.error(str(error))

    parser.set_defaults(run=run)
