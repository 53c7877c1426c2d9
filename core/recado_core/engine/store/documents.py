"""The documents of people (CPF): checked, and stored only as a keyed hash."""

import hashlib
import hmac
import secrets

from sqlalchemy.ext.asyncio import AsyncConnection
from stdnum.br import cpf
from stdnum.exceptions import ValidationError

from recado_core.contract import Secret
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import own_keys
from recado_core.errors import ContentError

KEY = "documents"


def read_document(text: str) -> str:
    """Return the digits of a CPF, or raise ``ContentError``; the text shows none of them."""
    fault = "is not a CPF: 11 digits, of which the last two check the others"
    try:
        digits = str(cpf.validate(text))
    except ValidationError as error:
        raise ContentError(fault) from error
    if len(set(digits)) == 1:  # such digits check each other, and are nobody's
        raise ContentError(fault)
    return digits


class Documents:
    """The hashes of documents.

    A CPF has only a thousand million values, so that a hash without a key would hide nothing. The
    key is the configuration's, or else one that is made once and kept in the database.
    """

    def __init__(self, database: Database, key: Secret | None) -> None:
        self._database = database
        self._key = key.reveal().encode() if key else b""

    async def open(self) -> None:
        """Fetch the key from the database, unless the configuration gave one."""
        if self._key:
            return

        async def work(connection: AsyncConnection) -> bytes:
            return await own_keys.keep(connection, KEY, secrets.token_bytes(32))

        self._key = await self._database.write(work)

    def hash(self, document: str) -> str:
        """Return the hash of a document's digits."""
        return hmac.new(self._key, document.encode(), hashlib.sha256).hexdigest()
