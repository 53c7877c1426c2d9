"""The Kolmeya plugin: what it registers."""

import argparse
from collections.abc import Iterable

from recado_core import CommandLine, ProviderType, hookimpl

from recado_kolmeya.operations import OPERATIONS
from recado_kolmeya.provider import CAPABILITIES, KolmeyaProvider, check_message
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.webhooks import KolmeyaReceiver


@hookimpl
def register_providers() -> Iterable[ProviderType]:
    """Register Kolmeya, which carries SMS."""
    return [
        ProviderType(
            id="kolmeya",
            channels=frozenset({"sms"}),
            settings=KolmeyaSettings,
            capabilities=CAPABILITIES,
            create=KolmeyaProvider,
            create_receiver=KolmeyaReceiver,
            check_message=check_message,
            operations=OPERATIONS,
        )
    ]


@hookimpl
def register_commands(cli: CommandLine) -> None:
    """Add ``recado simulate kolmeya``."""
    # Here and not above: the gateway itself never needs the simulator.
    from recado_kolmeya.simulator import command  # noqa: PLC0415

    parser = cli.add_command("simulate", "kolmeya", summary="answer like Kolmeya")
    command.add_arguments(parser)

    def run(args: argparse.Namespace) -> int:
        try:
            command.switches_from(args)
        except ValueError as error:
            parser.error(str(error))
        return command.run(args, cli.serve)

    parser.set_defaults(run=run)
