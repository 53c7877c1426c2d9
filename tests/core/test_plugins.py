import sys

import pytest
from recado_core import ConfigurationError
from recado_core.engine.plugins import PluginNotInstalledError, installed_plugins, load_plugins

BEGINNING = """
import msgspec
from recado_core import Capabilities, OnFailure, ProviderType, SinkType, hookimpl
from recado_core.engine.channels import SmsChannel

class Settings(msgspec.Struct):
    pass

class Pigeon(SmsChannel):
    id = "pigeon"

class Weather:
    id = "weather"
    on_failure = OnFailure.ALLOW
    time_limit = 1.0

    async def check(self, recipients):
        return [None] * len(recipients)

def provider(id):
    return ProviderType(id=id, channels=frozenset({"pigeon"}), settings=Settings,
                        capabilities=Capabilities(), create=lambda context: None)

def sink(id):
    return SinkType(id=id, settings=Settings, events=frozenset(), create=lambda context: None)
"""

LOFT = """
@hookimpl
def register_channels():
    return [Pigeon()]

@hookimpl
def register_providers():
    return [provider("loft"), provider("dovecote")]

@hookimpl
def register_sinks():
    return [sink("roof")]

@hookimpl
def register_checks():
    return [Weather()]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution that offers a plugin: ``install("dist", "plugin_id", "code")``."""
    made = []

    def install_one(distribution, plugin_id, code=""):
        module = f"plugin_of_{distribution}"
        folder = tmp_path / distribution
        metadata = folder / f"{distribution}-1.2.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(f"[recado]\n{plugin_id} = {module}\n")
        (folder / f"{module}.py").write_text(BEGINNING + code)
        monkeypatch.syspath_prepend(folder)
        made.append(module)

    yield install_one
    for module in made:
        sys.modules.pop(module, None)


def test_a_plugin_brings_what_it_registers(install):
    install("birds", "loft", LOFT)
    plugins = load_plugins(["loft"])
    assert plugins.channels.keys() == {"sms", "pigeon"}
    assert plugins.provider_types.keys() == {"loft", "dovecote"}
    assert plugins.sink_types.keys() == {"roof"}
    assert [check.id for check in plugins.checks] == ["weather"]
    (told,) = plugins.installed
    assert (told.id, told.distribution, told.version) == ("loft", "birds", "1.2")
    assert (told.channels, told.providers) == (("pigeon",), ("loft", "dovecote"))
    assert (told.sinks, told.checks) == (("roof",), ("weather",))


def test_text_messages_need_no_plugin():
    plugins = load_plugins([])
    assert plugins.channels.keys() == {"sms"}
    assert (plugins.provider_types, plugins.sink_types, plugins.checks) == ({}, {}, [])
    assert plugins.installed == []


def test_what_is_not_enabled_is_not_even_imported(install):
    install("birds", "loft", LOFT)
    install("broken", "trap", "raise SystemExit")
    assert {"loft", "trap"} <= set(installed_plugins())
    assert load_plugins(["loft"]).installed[0].id == "loft"


def test_a_plugin_enabled_twice_is_loaded_once(install):
    install("birds", "loft", LOFT)
    assert len(load_plugins(["loft", "loft"]).installed) == 1


def test_a_plugin_that_is_not_installed_is_named_with_those_that_are(install):
    install("birds", "loft", LOFT)
    with pytest.raises(
        PluginNotInstalledError, match=r"gateway\.plugins: kite .*installed: .*loft"
    ):
        load_plugins(["loft", "kite"])


def test_two_distributions_may_not_claim_one_id(install):
    install("birds", "loft", LOFT)
    install("attics", "loft")
    with pytest.raises(ConfigurationError, match=r"loft is offered .* attics, birds"):
        load_plugins(["loft"])


def test_two_distributions_may_claim_one_id_that_is_not_enabled(install):
    install("birds", "loft", LOFT)
    install("attics", "loft")
    assert load_plugins([]).installed == []


def test_an_unknown_hook_is_an_error(install):
    install("birds", "loft", "@hookimpl\ndef register_provider():\n    return []\n")
    with pytest.raises(ConfigurationError, match=r"gateway\.plugins: .*register_provider"):
        load_plugins(["loft"])


def test_a_hook_with_arguments_that_nobody_gives_is_an_error(install):
    install("birds", "loft", "@hookimpl\ndef register_sinks(gateway):\n    return []\n")
    with pytest.raises(ConfigurationError, match=r"gateway\.plugins: (?s:.*)gateway"):
        load_plugins(["loft"])


def test_a_plugin_that_needs_what_is_missing_is_named(install):
    install("birds", "loft", "import a_package_that_nobody_installed\n")
    with pytest.raises(ConfigurationError, match=r"loft can't be loaded: .*that_nobody_installed"):
        load_plugins(["loft"])


@pytest.mark.parametrize(
    ("kind", "hook", "item"),
    [
        ("channel", "register_channels", "Pigeon()"),
        ("provider", "register_providers", "provider('loft')"),
        ("sink", "register_sinks", "sink('roof')"),
        ("check", "register_checks", "Weather()"),
    ],
)
def test_two_plugins_may_not_register_one_id(install, kind, hook, item):
    install("birds", "loft", LOFT)
    install("attics", "attic", f"@hookimpl\ndef {hook}():\n    return [{item}]\n")
    with pytest.raises(ConfigurationError, match=f"two plugins register the {kind} "):
        load_plugins(["loft", "attic"])


def test_no_plugin_may_replace_the_channel_that_comes_with_recado(install):
    install("birds", "loft", "@hookimpl\ndef register_channels():\n    return [SmsChannel()]\n")
    with pytest.raises(ConfigurationError, match="channel sms"):
        load_plugins(["loft"])
