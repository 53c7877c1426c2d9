"""What the plugin is used for, scene by scene, each with what comes of it.

A scene returns named parts. ``usual`` is what they are as a rule. ``unsent`` and ``refused`` are
those that are otherwise where no message gets through, or no call at all: ``FAILS`` stands there
for the failure that the switch causes, ``IN_DOUBT`` for that of a call that changes something. The
parts whose names begin with "told" are what webhooks have brought, those with "vendor" what is so
at the vendor's.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

FAILS, IN_DOUBT = "FAILS", "IN_DOUBT"


class Scene(NamedTuple):
    play: Callable[..., Awaitable[dict[str, Any]]]
    usual: dict[str, Any]
    unsent: dict[str, Any]
    refused: dict[str, Any]


SCENES = {}


def scene(usual, unsent=None, refused=None):
    """Register a scene; what ``refused`` does not name is as in ``unsent``."""

    def register(play):
        SCENES[play.__name__] = Scene(play, usual, unsent or {}, (unsent or {}) | (refused or {}))
        return play

    return register


def magic(ending, area=11):
    """Return a phone that chooses how its message ends; see SIMULATOR.md."""
    return f"+55{area}9999000{ending:02d}"


PLAIN = "+5521900000001"
INVALID = "rejected as invalid: Telefone inválido"
BLACKLISTED = 'suppressed as blacklist: Kolmeya lists it under "blacklist"'
UNDISTURBED = 'suppressed as not_disturb: Kolmeya lists it under "not_disturb"'
DUPLICATE = 'rejected as duplicate: Kolmeya lists it under "duplicates"'
