"""Every hook has its section in docs/hooks.md, its test, and an example that runs."""

import argparse
import ast
import functools
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import httpx
import msgspec
import pluggy
import pytest
from recado_core import InboundMessage, hookspecs
from recado_core.testing import CheckConformance, ProviderConformance, SinkConformance

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "hooks.md"
TEXT = PAGE.read_text(encoding="utf-8")


def find_hooks():
    """Return the hooks as pluggy knows them."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return {name for name in vars(manager.hook) if not name.startswith("_")}


def find_sections():
    """Return the text of every section that is named after a hook, by its name."""
    parts = re.split(r"^## `(\w+)`$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def find_tests(folder):
    """Return the names of all test functions below a folder."""
    found = set()
    for path in folder.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
    return found


@functools.cache
def run_blocks(section):
    """Execute the Python blocks of a section in a module of their own."""
    module = ModuleType(f"recado_hooks_page_{section}")
    sys.modules[module.__name__] = module  # where msgspec looks up what annotations name
    start = TEXT.index(f"## `{section}`")
    for block in re.findall(r"(?ms)^```python\n(.*?)^```$", find_sections()[section]):
        above = TEXT[: TEXT.index(block, start)].count("\n")  # an error names the page's line
        exec(compile("\n" * above + block, PAGE, "exec"), vars(module))  # noqa: S102  # our own
    return module


HOOKS = sorted(find_hooks())


def test_hooks_are_found():
    assert "register_providers" in HOOKS


def test_every_hook_has_its_section_and_every_section_its_hook():
    assert set(find_sections()) == set(HOOKS)


def test_every_hook_is_in_the_table_of_the_page():
    for hook in HOOKS:
        assert f"| [`{hook}`](#{hook}) |" in TEXT


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook):
    assert [
        name for name in find_tests(ROOT / "tests" / "core") if name.startswith(f"test_{hook}_")
    ]


@pytest.mark.parametrize("hook", HOOKS)
def test_section_tells_what_the_hook_is_for_when_it_is_called_and_what_it_returns(hook):
    section = find_sections()[hook]
    for word in ("**For** ", "**Called** ", "**Returns** "):
        assert word in section


def test_arguments_of_a_hook_are_explained():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for hook in HOOKS:
        for argument in getattr(manager.hook, hook).spec.argnames:
            assert f"\n| `{argument}` | " in find_sections()[hook]


class Cli:
    def __init__(self):
        self.parsers = {}

    def add_command(self, *path, summary):
        self.parsers[path] = argparse.ArgumentParser(description=summary)
        return self.parsers[path]


@pytest.mark.parametrize("hook", HOOKS)
def test_example_registers_something(hook):
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(run_blocks(hook))
    manager.check_pending()
    cli = Cli()
    arguments = {"cli": cli} if hook == "register_commands" else {}
    (registered,) = getattr(manager.hook, hook)(**arguments) or [cli.parsers]
    assert registered


def test_example_command_runs(capsys):
    cli = Cli()
    run_blocks("register_commands").register_commands(cli)
    arguments = cli.parsers["address",].parse_args(["(11) 90000-0001"])
    assert arguments.run(arguments) == 0
    assert capsys.readouterr().out == "+5511900000001\n"


def test_no_block_is_left_out():
    run = [text.count("```python") for text in find_sections().values()]
    assert all(run)
    assert sum(run) == TEXT.count("```python")


class TestProvider(ProviderConformance):
    (provider_type,) = run_blocks("register_providers").register_providers()
    settings: ClassVar = {"token": "a-token-of-nobody"}

    def accepted(self, batch):
        return httpx.Response(200, json={"id": f"x-{batch.messages[0].id}"})


class TestFullProvider(TestProvider):
    page = run_blocks("register_providers")
    provider_type = page.reporting
    operations_told: ClassVar = {
        "usage": (
            page.Span(first=date(2026, 1, 1), last=date(2026, 1, 2)),
            [
                httpx.Response(200, json={"day": "2026-01-01", "sent": 7}),
                httpx.Response(200, json={"day": "2026-01-02", "sent": 0}),
            ],
            page.Usage(
                days=(
                    page.Day(day=date(2026, 1, 1), sent=7),
                    page.Day(day=date(2026, 1, 2), sent=0),
                )
            ),
        )
    }

    def replies_told(self):
        replies = [{"id": f"r-{n}", "sender": "+5511900000001", "text": "Sim 👍"} for n in (1, 2)]
        told = [
            InboundMessage(provider_ref=reply["id"], sender=reply["sender"], text=reply["text"])
            for reply in replies
        ]
        pages = [{"replies": replies[:1], "next": 2}, {"replies": replies[1:]}]
        return [httpx.Response(200, json=page) for page in pages], told

    def suppressed(self, _entries):
        return httpx.Response(204)

    def unsuppressed(self, _entries):
        return httpx.Response(204)


class TestSink(SinkConformance):
    (sink_type,) = run_blocks("register_sinks").register_sinks()
    settings: ClassVar = {"url": "https://desk.example.com", "token": "a-token-of-nobody"}
    telling = "message.received"


class TestCheck(CheckConformance):
    (rule,) = run_blocks("register_checks").register_checks()

    def make_check(self, clock):
        del clock  # the rule goes by the message's time alone
        return self.rule

    def allowed(self, index):
        return self.recipient(index)

    def refused(self, index):
        return msgspec.structs.replace(self.recipient(index), address=f"+1500555{index:04d}")

    def deferred(self, index):
        return self.recipient(index, at=datetime(2026, 1, 20, 15, tzinfo=UTC))
