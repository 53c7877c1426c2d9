"""The kit watches Python's own event loop, as it runs in an author's repository."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"
