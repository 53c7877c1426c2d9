"""What every list is asked with: how much of it, and from where on."""

from typing import Annotated

import msgspec
from recado_core.engine.messages.messages import MAX_PAGE

PageLimit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]
"""How many items a page may have."""


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list is wanted."""

    limit: PageLimit = 50
    cursor: str | None = None
