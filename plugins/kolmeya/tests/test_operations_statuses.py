import uuid

import pytest
from recado_core import PermanentSendError

from .account import open_world


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_request_is_found_by_its_id_and_by_our_reference():
    async with open_world() as (world, account):
        stored = await world.store(11900000001, 11999900004, reference="lote-1")
        await world.advance(minutes=1)
        by_id = await account.run("status-request", id=stored["id"])
        by_reference = await account.run("status-request", reference="lote-1")
    assert account.asked == [{"id": stored["id"]}, {"reference": "lote-1"}]
    assert by_id == by_reference
    assert (by_id.id, by_id.reference, by_id.status, by_id.status_code, by_id.unreadable) == (
        stored["id"],
        "lote-1",
        "Válido",
        2,
        0,
    )
    assert [(m.id, m.reference, m.status, m.status_code) for m in by_id.messages] == [
        (stored["valids"][0]["id"], "m-1", "entregue", 3),
        (stored["valids"][1]["id"], "m-2", "Não entregue", 4),
    ]
    assert account.progress == [(1, 1)]


async def test_message_is_found_and_its_code_is_a_number():
    async with open_world() as (world, account):
        stored = await world.store(11900000001)
        await world.advance(minutes=1)
        by_id = await account.run("status-message", id=stored["valids"][0]["id"])
        by_reference = await account.run("status-message", reference="m-1")
    assert by_id == by_reference
    assert (by_id.reference, by_id.status, by_id.status_code) == ("m-1", "entregue", 3)


async def test_unknown_message_is_refused_in_kolmeyas_words():
    async with open_world() as (_, account):
        with pytest.raises(PermanentSendError, match="HTTP 404: Mensagem não encontrada"):
            await account.run("status-message", id=str(uuid.uuid4()))


@pytest.mark.parametrize(
    ("form", "words"),
    [("missing", "404: Requisição não encontrada"), ("invalid", "422: .*reference")],
)
async def test_unknown_request_is_refused_in_kolmeyas_words(form, words):
    async with open_world(unknown_request=form) as (_, account):
        with pytest.raises(PermanentSendError, match=words):
            await account.run("status-request", reference="lote-9")


async def test_unknown_request_may_also_be_told_without_messages():
    async with open_world(unknown_request="empty") as (_, account):
        state = await account.run("status-request", reference="lote-9")
    assert state.messages == []
