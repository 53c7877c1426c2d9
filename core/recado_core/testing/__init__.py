"""The conformance kit: a plugin's tests subclass it."""

import pytest

for _room in (
    "capabilities",
    "conduct",
    "declarations",
    "kit",
    "sending",
    "webhooks",
):
    pytest.register_assert_rewrite(f"{__name__}.{_room}")

from recado_core.testing.clock import Clock  # noqa: E402  # only now are asserts rewritten
from recado_core.testing.provider import ProviderConformance  # noqa: E402  # as above
from recado_core.testing.samples import make_batch, make_id, make_message  # noqa: E402  # as above
from recado_core.testing.vendor import FakeVendor  # noqa: E402  # as above

__all__ = [
    "Clock",
    "FakeVendor",
    "ProviderConformance",
    "make_batch",
    "make_id",
    "make_message",
]
