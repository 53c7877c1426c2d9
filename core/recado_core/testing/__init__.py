"""The conformance kit: a plugin's tests subclass it."""

import pytest

ROOMS = (
    "capabilities",
    "check",
    "conduct",
    "declarations",
    "kit",
    "operations",
    "provider_stage",
    "replies",
    "sending",
    "sink",
    "suppression",
    "webhooks",
)
"""Modules that assert: pytest must rewrite them, before anything imports them."""

pytest.register_assert_rewrite(*(f"{__name__}.{room}" for room in ROOMS))

from recado_core.testing.check import CheckConformance  # noqa: E402  # only now are asserts rewritten
from recado_core.testing.clock import Clock  # noqa: E402  # as above
from recado_core.testing.provider import ProviderConformance  # noqa: E402  # as above
from recado_core.testing.samples import (  # noqa: E402  # as above
    make_batch,
    make_event,
    make_id,
    make_message,
)
from recado_core.testing.sink import SinkConformance  # noqa: E402  # as above
from recado_core.testing.vendor import FakeVendor  # noqa: E402  # as above

__all__ = [
    "CheckConformance",
    "Clock",
    "FakeVendor",
    "ProviderConformance",
    "SinkConformance",
    "make_batch",
    "make_event",
    "make_id",
    "make_message",
]
