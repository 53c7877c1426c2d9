"""Kolmeya's own suppression list: ``blacklist/store`` and ``blacklist/destroy``."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from recado_core import Operation, Progress, Suppressed
from recado_core.addresses import national_digits, normalise_number

from recado_kolmeya.provider import KolmeyaProvider

Cpf = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}$(?!\n)",
        description="a CPF, with its signs or without",
    ),
]


class BlacklistEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A phone of Brazil; with ``document`` it is listed for messages to that person only."""

    phone: Annotated[str, Meta(description="E.164 or national")]
    document: Cpf | None = None

    def __post_init__(self) -> None:
        """Put both into their one form, or refuse them."""
        try:
            phone = normalise_number(self.phone, "BR")
            national_digits(phone)
        except ValueError as error:
            raise ValueError(f"phone: {error}") from None
        msgspec.structs.force_setattr(self, "phone", phone)
        if self.document is not None:
            document = re.sub("[.-]", "", self.document)
            msgspec.structs.force_setattr(self, "document", document)


class BlacklistEntries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The phones to list, or to take off the list."""

    phones: Annotated[list[BlacklistEntry], Meta(min_length=1, max_length=1000)]


class BlacklistChange(Struct, frozen=True, kw_only=True):
    """How many entries Kolmeya took; it says no more, and no call shows the list."""

    phones: int


async def store_phones(
    provider: KolmeyaProvider, request: BlacklistEntries, progress: Progress
) -> BlacklistChange:
    """Put phones on the list."""
    await provider.suppress(_entries(request))
    progress(1, 1)
    return BlacklistChange(phones=len(request.phones))


async def destroy_phones(
    provider: KolmeyaProvider, request: BlacklistEntries, progress: Progress
) -> BlacklistChange:
    """Take phones off the list."""
    await provider.unsuppress(_entries(request))
    progress(1, 1)
    return BlacklistChange(phones=len(request.phones))


def _entries(request: BlacklistEntries) -> list[Suppressed]:
    return [Suppressed(address=each.phone, document=each.document) for each in request.phones]


OPERATIONS = (
    Operation(
        name="blacklist-store",
        summary="Put phones on Kolmeya's blacklist, for everybody or for one CPF",
        request=BlacklistEntries,
        reply=BlacklistChange,
        call=store_phones,
        changes=True,
    ),
    Operation(
        name="blacklist-destroy",
        summary="Take phones off Kolmeya's blacklist",
        request=BlacklistEntries,
        reply=BlacklistChange,
        call=destroy_phones,
        changes=True,
    ),
)
