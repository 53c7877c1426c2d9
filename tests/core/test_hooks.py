"""Every hook, called as the gateway calls it."""

import argparse

import pluggy
import pytest
from recado_core import hookimpl, hookspecs


def load(*plugins):
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for number, each in enumerate(plugins):
        manager.register(each, name=f"plugin {number}")
    manager.check_pending()
    return manager.hook


def plugin(hook, *registered):
    """Return a plugin that implements one hook and registers these objects."""

    def implementation():
        return list(registered)

    implementation.__name__ = hook
    return type("Plugin", (), {hook: staticmethod(hookimpl(implementation))})


def test_register_channels_collects_what_every_plugin_registers():
    first, second = plugin("register_channels", "a", "b"), plugin("register_channels", "c")
    assert load(first, second).register_channels() == [["c"], ["a", "b"]]


def test_register_providers_collects_what_every_plugin_registers():
    first, second = plugin("register_providers", "a", "b"), plugin("register_providers", "c")
    assert load(first, second).register_providers() == [["c"], ["a", "b"]]


def test_register_sinks_collects_what_every_plugin_registers():
    first, second = plugin("register_sinks", "a", "b"), plugin("register_sinks", "c")
    assert load(first, second).register_sinks() == [["c"], ["a", "b"]]


def test_register_checks_collects_what_every_plugin_registers():
    first, second = plugin("register_checks", "a", "b"), plugin("register_checks", "c")
    assert load(first, second).register_checks() == [["c"], ["a", "b"]]


def test_register_commands_hands_over_the_command_line():
    class Plugin:
        @hookimpl
        def register_commands(self, cli):
            cli.append(argparse.ArgumentParser)

    commands = []
    assert load(Plugin()).register_commands(cli=commands) == []
    assert commands == [argparse.ArgumentParser]


def test_a_hook_that_does_not_exist_is_refused():
    with pytest.raises(pluggy.PluginValidationError, match="register_nonsense"):
        load(plugin("register_nonsense"))
