from decimal import Decimal

import msgspec
import pytest
from recado_core import (
    AccountError,
    Capabilities,
    ConfigurationError,
    ProviderType,
    Secret,
    TransientSendError,
)
from recado_core.engine.failures import NotFoundError, UnsupportedError
from recado_core.engine.plugins import load_plugins
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import AccountSettings, EngineSettings, RouteSettings
from recado_core.testing import Clock

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


class CarrierSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account at this carrier must and may say."""

    token: Secret
    segment: int = 1


@pytest.fixture
def make_engine(sqlite_url):
    """Make an engine, not open yet, with accounts at a carrier that has settings of its own."""

    def make(accounts, *, made=None, capabilities=None, **settings):
        plugins = load_plugins([])
        plugins.provider_types["carrier"] = ProviderType(
            id="carrier",
            channels=frozenset({"sms"}),
            settings=CarrierSettings,
            capabilities=capabilities or Capabilities(max_batch=100, concurrency=2, rate="10/s"),
            create=[].append if made is None else made.append,
        )
        configured = {
            name: AccountSettings(**{"provider": "carrier", "own": {"token": "s3cret"}} | fields)
            for name, fields in accounts.items()
        }
        return Engine(
            EngineSettings(database=sqlite_url, accounts=configured, **settings),
            plugins,
            now=Clock().now,
        )

    return make


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"provider": "pigeon"}, r"accounts\.main\.provider: .*'pigeon'; there is carrier"),
        ({"own": {}}, r"accounts\.main: .*token"),
        ({"own": {"token": "s3cret", "segment": "x"}}, r"accounts\.main: .*segment"),
        ({"own": {"token": "s3cret", "colour": 1}}, r"accounts\.main\.colour: unknown key"),
        ({"batch_size": 0}, r"accounts\.main\.batch_size: must be from 1 to 100"),
        ({"batch_size": 101}, r"accounts\.main\.batch_size: must be from 1 to 100"),
        ({"rate": "fast"}, r"accounts\.main\.rate: "),
        ({"price": Decimal("NaN")}, r"accounts\.main\.price: must be a number"),
        ({"price": Decimal("-0.01")}, r"accounts\.main\.price: must be from 0 to 1000000, not -"),
        ({"price": Decimal("1000000.1")}, r"accounts\.main\.price: must be from 0 to 1000000"),
        ({"price": Decimal("0.0800001")}, r"accounts\.main\.price: must have at most 6 decimals"),
        ({"balance_threshold": Decimal("inf")}, r"accounts\.main\.balance_threshold: must be a"),
        ({"balance_threshold": Decimal(5)}, r"accounts\.main\.balance_threshold: .* no balance"),
    ],
)
async def test_a_wrong_account_is_an_error_that_names_the_key(make_engine, fields, text):
    with pytest.raises(ConfigurationError, match=text) as caught:
        make_engine({"main": fields})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("route", "text"),
    [
        ({"accounts": []}, r"routes\[1\]\.accounts: name at least one"),
        ({"accounts": ["main", "other"]}, r"routes\[1\]\.accounts: there is no account 'other'"),
        ({"accounts": ["main"], "channel": "fax"}, r"routes\[1\]\.channel: .*'fax'.*there is sms"),
        ({"accounts": ["main"], "weights": [1, 1]}, r"routes\[1\]\.weights: "),
        ({"accounts": ["main"], "weights": [0]}, r"routes\[1\]\.weights: "),
        ({"accounts": ["main", "main"], "weights": [2, -1]}, r"routes\[1\]\.weights: "),
    ],
)
async def test_a_wrong_route_is_an_error_that_names_the_key(make_engine, route, text):
    routes = [RouteSettings(accounts=["main"]), RouteSettings(**route)]
    with pytest.raises(ConfigurationError, match=text):
        make_engine({"main": {}}, routes=routes)


async def test_a_route_leads_only_to_accounts_that_carry_its_channel(sqlite_url):
    plugins = load_plugins([])
    plugins.channels["letter"] = plugins.channels["sms"]
    plugins.provider_types["carrier"] = ProviderType(
        id="carrier",
        channels=frozenset({"sms"}),
        settings=CarrierSettings,
        capabilities=Capabilities(),
        create=lambda _: None,
    )
    settings = EngineSettings(
        database=sqlite_url,
        accounts={"main": AccountSettings(provider="carrier", own={"token": "s3cret"})},
        routes=[RouteSettings(accounts=["main"], channel="letter")],
    )
    with pytest.raises(ConfigurationError, match=r"routes\[0\]\.accounts: main carries no letter"):
        Engine(settings, plugins)


async def test_a_provider_is_made_of_its_account(make_engine):
    made = []
    engine = make_engine(
        {"main": {"timeout": 7.0, "own": {"token": "s3cret", "segment": 109}}, "other": {}},
        made=made,
        public_url="https://gateway.example.com/",
        default_region="PT",
        timezone="Europe/Lisbon",
    )
    await engine.open()
    main, other = made
    assert (main.account, other.account) == ("main", "other")
    assert (main.settings.token.reveal(), main.settings.segment) == ("s3cret", 109)
    assert "s3cret" not in repr(main.settings)
    assert (main.region, main.timezone) == ("PT", "Europe/Lisbon")
    assert main.webhook_url == "https://gateway.example.com" + engine.accounts.webhook_path("main")
    assert main.http.timeout.read == 7.0
    assert main.http is not other.http
    assert not main.http.is_closed
    await engine.close()
    assert main.http.is_closed
    assert other.http.is_closed


async def test_without_a_public_address_a_provider_gets_no_webhook_address(make_engine):
    made = []
    engine = make_engine({"main": {}}, made=made)
    await engine.open()
    assert made[0].webhook_url is None
    await engine.close()


async def test_an_accounts_settings_lower_what_its_provider_can(make_engine):
    accounts = {"plain": {}, "slow": {"batch_size": 7, "concurrency": 1, "rate": "1/60s"}}
    engine = make_engine(accounts)
    await engine.open()
    plain, slow = await engine.accounts.list()
    assert (plain.batch_size, plain.concurrency, plain.rate) == (100, 2, "10/s")
    assert (slow.batch_size, slow.concurrency, slow.rate) == (7, 1, "1/60s")
    assert (plain.name, plain.provider, plain.channels) == ("plain", "carrier", ["sms"])
    await engine.close()


@on_sqlite
async def test_a_webhook_token_is_made_once_and_kept(open_house):
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        paths = {house.engine.accounts.webhook_path(name) for name in ("main", "other")}
    assert len(paths) == 2
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        assert {house.engine.accounts.webhook_path(name) for name in ("main", "other")} == paths
    assert all(len(path.rsplit("/", 1)[1]) >= 32 for path in paths)


@on_sqlite
async def test_a_configured_webhook_token_is_the_one_that_counts(open_house):
    async with open_house() as house:
        made = house.engine.accounts.webhook_path("main")
    async with open_house(accounts={"main": {"webhook_token": Secret("chosen")}}) as house:
        assert house.engine.accounts.webhook_path("main") == "/webhooks/main/chosen"
    async with open_house() as house:
        assert house.engine.accounts.webhook_path("main") == made


@on_sqlite
async def test_a_webhook_address_is_its_accounts_alone(open_house):
    accounts = {name: {"webhook_token": Secret(f"{name}-token")} for name in ("main", "other")}
    async with open_house(accounts=accounts) as house:
        assert house.engine.accounts.by_webhook("main", "main-token").name == "main"
        for name, token in (
            ("main", "other-token"),
            ("main", ""),
            ("main", "é"),
            ("nobody", "main-token"),
            ("nobody", "-"),
        ):
            with pytest.raises(NotFoundError) as caught:
                house.engine.accounts.by_webhook(name, token)
            assert "token" not in str(caught.value).replace("account or token", "")


async def test_a_paused_account_waits_in_every_process_until_it_is_resumed(open_house):
    async with open_house() as here, open_house() as there:
        told = await here.engine.accounts.pause("main", "balance is 0")
        assert (told.status, told.reason) == ("paused", "balance is 0")
        assert told.paused_at == here.clock.now()
        message_id = await there.accept()
        await there.settle()
        assert (await there.engine.accounts.get("main")).reason == "balance is 0"
        assert await there.status(message_id) == "queued"
        assert (await there.engine.accounts.get("main")).queued == 1
        told = await here.engine.accounts.resume("main")
        assert (told.status, told.reason, told.paused_at) == ("active", None, None)
        await there.settle()
        assert await there.status(message_id) == "sent"


@on_sqlite
async def test_a_pause_outlives_the_engine(open_house):
    async with open_house() as house:
        await house.engine.accounts.pause("main")
    async with open_house() as house:
        told = await house.engine.accounts.get("main")
        assert (told.status, told.reason) == ("paused", "paused by an operator")


@on_sqlite
async def test_readiness_names_a_paused_account_and_why(house):
    assert all(component.ok for component in await house.engine.readiness())
    await house.engine.accounts.pause("main", "balance is 0")
    (component,) = [part for part in await house.engine.readiness() if not part.ok]
    assert (component.name, component.detail) == ("account.main", "balance is 0")


@on_sqlite
async def test_an_unknown_account_is_not_found(house):
    accounts = house.engine.accounts
    for call in (accounts.get, accounts.pause, accounts.resume, accounts.verify, accounts.balance):
        with pytest.raises(NotFoundError, match="nobody"):
            await call("nobody")


@on_sqlite
async def test_what_a_provider_does_not_offer_is_not_asked_of_it(house):
    for call in (house.engine.accounts.verify, house.engine.accounts.balance):
        with pytest.raises(UnsupportedError, match="vendor of account main"):
            await call("main")


@on_sqlite
async def test_a_provider_is_asked_for_balance_and_credentials(open_house):
    async with open_house(capabilities={"balance": True, "verify_credentials": True}) as house:

        async def balance():
            return Decimal("12.34")

        async def verify_credentials():
            if house.vendor.answers:
                raise house.vendor.answers.pop()
            return "logged in"

        house.vendor.balance = balance
        house.vendor.verify_credentials = verify_credentials
        told = await house.engine.accounts.balance("main")
        assert (told.account, told.balance) == ("main", Decimal("12.34"))
        told = await house.engine.accounts.verify("main")
        assert (told.ok, told.detail) == (True, "logged in")
        for error in (AccountError("Unauthenticated.", code="401"), TransientSendError("down")):
            house.vendor.answers = [error]
            told = await house.engine.accounts.verify("main")
            assert (told.ok, told.detail) == (False, error.text)


@on_sqlite
async def test_messages_that_wait_for_a_removed_account_are_told_of(open_house, caplog):
    async with open_house(accounts={"old": {}}) as house:
        await house.accept()
        clock = house.clock
    async with open_house(accounts={"new": {}}, clock=clock) as house:
        parts = {part.name: part for part in await house.engine.readiness()}
    assert not parts["account.old"].ok
    assert "not in the configuration" in parts["account.old"].detail
    assert parts["account.new"].ok
    assert "messages wait for an account" in caplog.text
