"""The settings of a Pombo account."""

import msgspec
from recado_core import Secret


class PomboSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account's table holds beside the common keys."""

    base_url: str
    token: Secret
    signing_key: Secret
