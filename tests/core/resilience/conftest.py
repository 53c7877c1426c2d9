"""A worker that looks again soon, so that trouble passes quickly."""

import pytest
from recado_core.engine import runtime
from recado_core.engine.dispatch import dispatcher
from recado_core.engine.receive import webhooks
from recado_core.engine.store import database


@pytest.fixture
def hurried(monkeypatch):
    """Let the worker's loops look again after a twentieth of a second, also when a round failed."""
    monkeypatch.setattr(database, "AWAY", 0.05)
    monkeypatch.setattr(dispatcher, "IDLE", 0.05)
    monkeypatch.setattr(webhooks, "AWAY", 0.05)
    monkeypatch.setattr(runtime, "TICK", 0.05)
    monkeypatch.setattr(runtime, "BEAT", 0.05)
