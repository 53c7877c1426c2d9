"""How a fault is put into the toy."""

import msgspec
from recado_core import (
    SendError,
)
from toy_provider import TOY, ToyProvider, ToyReceiver


def toy(provider=ToyProvider, receiver=ToyReceiver, **changes):
    return msgspec.structs.replace(TOY, create=provider, create_receiver=receiver, **changes)


def able(**capabilities):
    return msgspec.structs.replace(TOY.capabilities, **capabilities)


def changed(results, **fields):
    return [msgspec.structs.replace(result, **fields) for result in results]


def mistaking(wrong, *codes, **fields):
    """Return a provider that reports another error for these codes."""

    class Mistaking(ToyProvider):
        async def send(self, batch):
            try:
                return await super().send(batch)
            except SendError as error:
                if error.code in codes:
                    raise wrong(error.text, code=error.code, raw=error.raw, **fields) from error
                raise

    return Mistaking
