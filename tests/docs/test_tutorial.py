"""The tutorial's Python runs as it stands, and the provider that it builds passes the kit."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import recado_twilio_stub
from recado_twilio_stub import provider, settings, webhooks, wire

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "provider-tutorial.md"


def run_blocks(name):
    """Execute every Python block, in order, in one module."""
    module = ModuleType(name)
    sys.modules[name] = module  # where msgspec looks up what annotations name
    text = TUTORIAL.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert len(blocks) == text.count("```python")
    for block in blocks:
        above = text[: block.start(1)].count("\n")  # so that an error names the tutorial's line
        code = compile("\n" * above + block[1], TUTORIAL, "exec")
        exec(code, vars(module))  # noqa: S102  # our own page
    return module


TAUGHT = run_blocks("recado_provider_tutorial")


class TestConformance(TAUGHT.TestConformance):
    """The kit, over the tutorial's provider and the plugin's payloads."""

    payloads = ROOT / "plugins" / "twilio_stub" / "tests" / "payloads"


def test_tutorial_registers_what_the_plugin_does():
    (taught,) = TAUGHT.register_providers()
    (real,) = recado_twilio_stub.register_providers()
    assert (taught.id, taught.channels) == (real.id, real.channels)
    for promise in ("max_batch", "concurrency", "lookup", "delivery_receipts", "inbound"):
        assert getattr(taught.capabilities, promise) == getattr(real.capabilities, promise)


@pytest.mark.parametrize(
    ("room", "name"),
    [
        (settings, "Settings"),
        (wire, "CreatedMessage"),
        (wire, "ErrorReply"),
        (provider, "TwilioProvider"),
        (webhooks, "TwilioReceiver"),
        (webhooks, "sign"),
    ],
)
def test_tutorial_calls_things_as_the_plugin_does(room, name):
    assert getattr(TAUGHT, name).__name__ == getattr(room, name).__name__


@pytest.mark.parametrize("table", ["STATUSES", "REFUSALS"])
def test_tables_of_the_tutorial_are_the_plugin_s_in_part(table):
    assert getattr(TAUGHT, table).items() <= getattr(wire, table).items()
