"""Reading the tables whose keys are partly a plugin's own: accounts and sinks."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from recado_core.contract import ProviderType
from recado_core.engine.plugins import Plugins
from recado_core.engine.settings import AccountSettings, SinkSettings
from recado_core.errors import ConfigurationError
from recado_core.sinks import SinkType

from recado_gateway.environment import Table
from recado_gateway.tables import (
    did_you_mean,
    hide_secrets,
    read_fields,
    read_table,
    read_value,
    refuse_unknown,
)

_is_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}").fullmatch


def read_accounts(tables: object, plugins: Plugins) -> dict[str, AccountSettings]:
    """Read ``[accounts.NAME]``, or raise ``ConfigurationError`` that names the key."""
    found = read_value(tables, dict[str, Any], "accounts")
    return {name: _read_account(name, table, plugins) for name, table in found.items()}


def read_sinks(
    tables: object, accounts: Mapping[str, AccountSettings], plugins: Plugins
) -> dict[str, SinkSettings]:
    """Read ``[sinks.NAME]``, or raise ``ConfigurationError`` that names the key.

    Args:
        tables: What the configuration holds.
        accounts: Of which a sink's own key ``account`` must name one.
        plugins: What there is.
    """
    found = read_value(tables, dict[str, Any], "sinks")
    return {name: _read_sink(name, table, accounts, plugins) for name, table in found.items()}


def _read_account(name: str, given: object, plugins: Plugins) -> AccountSettings:
    path = f"accounts.{name}"
    table = _named_table(name, given, path, "an account")
    provider: ProviderType = _kind_of(table, "provider", plugins.provider_types, path)
    shared = _shared(table, AccountSettings, provider.settings, path)
    return read_table(shared, AccountSettings, path)


def _read_sink(
    name: str, given: object, accounts: Mapping[str, AccountSettings], plugins: Plugins
) -> SinkSettings:
    path = f"sinks.{name}"
    table = _named_table(name, given, path, "a sink")
    kind: SinkType = _kind_of(table, "sink", plugins.sink_types, path)
    shared = _shared(table, SinkSettings, kind.settings, path)
    account = shared["own"].get("account")
    if account is not None and account not in accounts:
        raise ConfigurationError(
            f"{path}.account: there is no account {str(account)!r}"
            f"{did_you_mean(str(account), accounts)}"
        )
    return read_table(shared, SinkSettings, path)


def _named_table(name: str, table: object, path: str, what: str) -> Table:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: must be a table")
    if not _is_name(name):
        raise ConfigurationError(
            f"{path}: the name of {what} is letters, digits, _ and -, at most 64 of them"
        )
    return table


def _kind_of(table: Table, key: str, kinds: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401  # as kinds
    name = table.get(key)
    if name is None:
        raise ConfigurationError(f"{path}.{key}: missing")
    found = kinds.get(str(name))
    if found is None:
        raise ConfigurationError(
            f"{path}.{key}: no plugin in gateway.plugins offers the {key} {name}"
            f"{did_you_mean(str(name), kinds)}"
        )
    return found


def _shared(
    table: Table, common: type[msgspec.Struct], kind: type[msgspec.Struct], path: str
) -> dict[str, Any]:
    """Return the common keys of a table, and under ``own`` those of its plugin."""
    ours = {field.encode_name for field in msgspec.structs.fields(common)} - {"own"}
    own = {field.encode_name for field in msgspec.structs.fields(kind)}
    refuse_unknown(table, ours | own, path)
    shared = {key: value for key, value in table.items() if key in ours}
    theirs = {key: value for key, value in table.items() if key in own}
    read_table(theirs, kind, path)  # for its faults: the engine reads it again
    shared["own"] = hide_secrets(read_fields(theirs, kind, path), kind)
    return shared
