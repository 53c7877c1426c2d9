"""The configuration: where it is read from, and what may stand in it."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec
from phonenumbers import SUPPORTED_REGIONS
from recado_core.contract import Secret, decode_setting
from recado_core.engine.plugins import Plugins, load_plugins
from recado_core.engine.settings import (
    DEFAULT_BALANCE_POLL,
    DEFAULT_POLL_DELAYS,
    DEFAULT_REPLY_POLL,
    DEFAULT_RETRY_DELAYS,
    AccountSettings,
    CheckSettings,
    DoNotDisturbSettings,
    EngineSettings,
    LanguageSettings,
    LimitSettings,
    OptOutSettings,
    QuietHoursSettings,
    RouteSettings,
    ScheduleSettings,
    SuppressionSettings,
)
from recado_core.engine.store.engines import parse_url
from recado_core.errors import ConfigurationError

from recado_gateway.environment import Table, add_environment, resolve_secrets
from recado_gateway.plugin_tables import read_accounts, read_sinks
from recado_gateway.tables import (
    did_you_mean,
    read_table,
    read_value,
    refuse_unknown,
)

DEFAULT_FILE = Path("recado.toml")
SQLITE = "sqlite+aiosqlite:///"
LAST_PORT = 65535
LONGEST_TIME = 2_592_000
SHORTEST_KEY = 16


class LogLevel(StrEnum):
    """How much Recado's own modules log."""

    DEBUG = "debug"  # what a developer asks for
    INFO = "info"  # what happens to the gateway, not what happens to each message
    WARNING = "warning"  # what an operator should look at
    ERROR = "error"  # what has gone wrong


class GatewayTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[gateway]``."""

    database: str = f"{SQLITE}recado.db"
    public_url: str | None = None
    timezone: str = "America/Sao_Paulo"
    default_region: str = "BR"
    plugins: tuple[str, ...] = ()
    document_key: Secret | None = None
    retry_delays: tuple[float, ...] = DEFAULT_RETRY_DELAYS
    poll_delays: tuple[float, ...] = DEFAULT_POLL_DELAYS
    reply_poll: float = DEFAULT_REPLY_POLL
    balance_poll: float = DEFAULT_BALANCE_POLL
    host: str = "127.0.0.1"
    port: int = 8000
    log_level: LogLevel = LogLevel.INFO


class CheckTables(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tables that say who may get a message, and when."""

    suppressions: SuppressionSettings = SuppressionSettings()
    do_not_disturb: DoNotDisturbSettings = DoNotDisturbSettings()
    quiet_hours: dict[str, QuietHoursSettings] = {}
    limits: LimitSettings = LimitSettings()
    opt_out: OptOutSettings = OptOutSettings()
    checks: dict[str, CheckSettings] = {}


TABLES = ("gateway", "accounts", "routes", "sinks", "schedules", *CheckTables.__struct_fields__)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration, read and checked, with the plugins that it enables loaded.

    ``path`` is the file it came from, or None where all came from the environment and defaults.
    """

    engine: EngineSettings
    plugins: Plugins
    host: str = "127.0.0.1"
    port: int = 8000
    log_level: LogLevel = LogLevel.INFO
    path: Path | None = None

    def __repr__(self) -> str:
        return f"Settings(path={self.path!r})"  # the rest holds secrets

    def find_secrets(self) -> list[Secret]:
        """List what no line may show: every ``Secret``, and the password of the database."""
        password = parse_url(self.engine.database).password
        return [*_secrets_in(self.engine), *([Secret(password)] if password else [])]


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the configuration: the file, then the environment over it.

    Args:
        path: The file that the command line names; else ``RECADO_CONFIG`` names it, else it is
            ``recado.toml`` in the working directory, if there is one.
        environ: The environment's variables.

    Raises:
        ConfigurationError: One line that names the key and says what is wrong with it.
    """
    file = _find_file(path, environ)
    folder = file.absolute().parent if file else Path.cwd()
    tables = _read_file(file) if file else {}
    add_environment(tables, environ)
    tables = resolve_secrets(tables, "", environ, folder)
    refuse_unknown(tables, TABLES, "")
    gateway = read_table(tables.get("gateway", {}), GatewayTable, "gateway")
    _check_gateway(gateway)
    plugins = _load_enabled(gateway.plugins)
    accounts = read_accounts(tables.get("accounts", {}), plugins)
    checks = _read_checks(tables)
    return Settings(
        engine=EngineSettings(
            database=_place_database(gateway.database, folder),
            public_url=gateway.public_url.rstrip("/") if gateway.public_url else None,
            timezone=gateway.timezone,
            default_region=gateway.default_region.upper(),
            retry_delays=gateway.retry_delays,
            poll_delays=gateway.poll_delays,
            reply_poll=gateway.reply_poll,
            balance_poll=gateway.balance_poll,
            accounts=accounts,
            routes=_read_routes(tables.get("routes"), accounts, plugins),
            sinks=read_sinks(tables.get("sinks", {}), accounts, plugins),
            document_key=gateway.document_key,
            schedules=read_table(tables.get("schedules", {}), ScheduleSettings, "schedules"),
            **msgspec.structs.asdict(checks),
        ),
        plugins=plugins,
        host=gateway.host,
        port=gateway.port,
        log_level=gateway.log_level,
        path=file,
    )


def _secrets_in(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, msgspec.Struct):
        yield from _secrets_in(msgspec.structs.asdict(value))
    elif isinstance(value, Mapping):
        yield from _secrets_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _secrets_in(each)


def _find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to read; one that is named must be there, the default one need not."""
    named = path or (Path(environ["RECADO_CONFIG"]) if environ.get("RECADO_CONFIG") else None)
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not named.is_file():
        raise ConfigurationError(f"{named}: there is no such file")
    return named


def _read_file(file: Path) -> Table:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: is not TOML: {error}") from error


def _check_gateway(gateway: GatewayTable) -> None:
    parse_url(gateway.database)
    try:
        ZoneInfo(gateway.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError for a directory such as America
        hint = did_you_mean(gateway.timezone, available_timezones())
        raise ConfigurationError(
            f"gateway.timezone: there is no time zone {gateway.timezone!r}{hint}"
        ) from None
    if gateway.default_region.upper() not in SUPPORTED_REGIONS:
        raise ConfigurationError(
            f"gateway.default_region: {gateway.default_region!r} is not the two-letter code of a "
            "country with telephone numbers"
        )
    if gateway.public_url is not None:
        _check_public_url(gateway.public_url)
    if not 0 <= gateway.port <= LAST_PORT:
        raise ConfigurationError(f"gateway.port: must be from 0 to {LAST_PORT}")
    key = gateway.document_key
    if key is not None and len(key.reveal()) < SHORTEST_KEY:
        raise ConfigurationError(
            f"gateway.document_key: must have at least {SHORTEST_KEY} characters"
        )
    _check_times(gateway)


def _check_times(gateway: GatewayTable) -> None:
    bounds = f"must be from 0 to {LONGEST_TIME} seconds (30 days)"
    for name in ("retry_delays", "poll_delays"):
        if not all(0 <= delay <= LONGEST_TIME for delay in getattr(gateway, name)):
            raise ConfigurationError(f"gateway.{name}: each {bounds}")
    for name in ("reply_poll", "balance_poll"):
        if not 0 <= getattr(gateway, name) <= LONGEST_TIME:  # and nan, which TOML can write
            raise ConfigurationError(f"gateway.{name}: {bounds}; 0 is never to ask")


def _check_public_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            "gateway.public_url: must be an address such as https://gateway.example.com"
        )
    if parts.query or parts.fragment or parts.username:
        raise ConfigurationError(
            "gateway.public_url: can't hold a query, a fragment or a user, only what stands "
            "before /webhooks"
        )


def _place_database(url: str, folder: Path) -> str:
    """Make the file of a SQLite address absolute, seen from the configuration's folder."""
    if not url.startswith(SQLITE):
        return url
    name, mark, options = url.removeprefix(SQLITE).partition("?")
    return f"{SQLITE}{folder / name}{mark}{options}"


def _load_enabled(names: Iterable[str]) -> Plugins:
    try:
        return load_plugins(names)
    except ImportError as error:  # installed, and yet something that it needs is not
        raise ConfigurationError(f"gateway.plugins: {error}") from error


def _read_checks(tables: Table) -> CheckTables:
    known = CheckTables.__struct_fields__
    given = {name: table for name, table in tables.items() if name in known}
    found = read_table(given, CheckTables, "")
    if found.opt_out.enabled:
        _check_languages(found.opt_out.languages)
    return found


def _check_languages(languages: Mapping[str, LanguageSettings]) -> None:
    """Raise where nobody could opt out: a language that is given has no words but its own."""
    if not languages:
        raise ConfigurationError("opt_out.languages: name one, or set opt_out.enabled to false")
    for name, language in languages.items():
        if not language.stop:
            raise ConfigurationError(
                f"opt_out.languages.{name}.stop: name at least one word; a language that is given "
                "has none of its own accord"
            )


# ---------------------------------------------------------------- routes


def _read_routes(
    tables: object, accounts: Mapping[str, AccountSettings], plugins: Plugins
) -> list[RouteSettings]:
    if tables is None:
        return _default_routes(accounts, plugins)
    plain = read_value(tables, list[RouteSettings], "routes")
    return msgspec.convert(plain, list[RouteSettings], dec_hook=decode_setting)


def _default_routes(
    accounts: Mapping[str, AccountSettings], plugins: Plugins
) -> list[RouteSettings]:
    """Make one route for each channel: every account that carries it, in the file's order."""
    found: dict[str, list[str]] = {}
    for name, account in accounts.items():
        for channel in sorted(plugins.provider_types[account.provider].channels):
            found.setdefault(channel, []).append(name)
    return [RouteSettings(channel=channel, accounts=names) for channel, names in found.items()]
