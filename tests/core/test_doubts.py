import pytest
from recado_core import InDoubtError, TransientSendError

from .conftest import accept_all

pytestmark = pytest.mark.whole

SETTLES = {"main": {"lookup_settles": 30.0}}


def taken_and_silent(house):
    """Let the vendor take a batch and give no answer."""

    def answer(batch):
        house.vendor.known[batch.reference] = accept_all(batch)
        raise InDoubtError("no answer after sending")

    return answer


async def test_a_batch_that_was_taken_is_recorded_and_never_sent_again(open_house):
    async with open_house(accounts=SETTLES) as house:
        house.vendor.answers = [taken_and_silent(house)]
        ids = await house.accept_many(50)
        await house.settle()
        await house.advance(120)
        assert set(await house.statuses(ids)) == {"sent"}
        assert len(house.vendor.batches) == 1
        shown = await house.show(ids[0])
        assert shown.provider_ref == f"ref-{ids[0]}"
        assert [attempt.outcome for attempt in shown.attempts] == ["found"]


async def test_a_batch_that_was_not_taken_is_sent_again_once_that_can_be_believed(open_house):
    async with open_house(accounts=SETTLES) as house:
        house.vendor.answers = [InDoubtError("silence")]
        ids = await house.accept_many(3)
        await house.settle()
        await house.advance(29)
        assert await house.statuses(ids) == ["sending"] * 3
        assert len(house.vendor.batches) == 1
        await house.advance(2)
        assert await house.statuses(ids) == ["sent"] * 3
        assert len(house.vendor.batches) == 2
        assert house.vendor.batches[0].reference != house.vendor.batches[1].reference


async def test_messages_that_a_found_batch_lacks_are_sent_again(open_house):
    async with open_house(accounts=SETTLES) as house:

        def answer(batch):
            house.vendor.known[batch.reference] = accept_all(batch)[:2]
            raise InDoubtError("silence")

        house.vendor.answers = [answer]
        ids = await house.accept_many(3)
        await house.settle()
        assert await house.statuses(ids) == ["sending"] * 3
        await house.advance(31)
        assert await house.statuses(ids) == ["sent"] * 3
        assert house.vendor.sizes == [3, 1]


async def test_a_vendor_that_cannot_be_asked_now_is_asked_later(open_house):
    async with open_house(accounts=SETTLES) as house:
        house.vendor.answers = [taken_and_silent(house)]
        house.vendor.lookup_error = TransientSendError("down", code="503")
        message_id = await house.accept()
        await house.settle()
        await house.advance(60)
        await house.advance(60)
        assert await house.status(message_id) == "sending"
        house.vendor.lookup_error = None
        await house.advance(300)
        assert await house.status(message_id) == "sent"
        assert len(house.vendor.batches) == 1


async def test_a_servers_failure_after_sending_is_looked_up_before_the_retry(open_house):
    async with open_house(accounts=SETTLES) as house:

        def answer(batch):
            house.vendor.known[batch.reference] = accept_all(batch)
            raise TransientSendError("Bad Gateway", code="502", possibly_taken=True)

        house.vendor.answers = [answer]
        message_id = await house.accept()
        await house.settle()
        await house.advance(120)
        assert await house.status(message_id) == "sent"
        assert len(house.vendor.batches) == 1


async def test_without_lookup_a_message_in_doubt_is_unknown_and_left_to_a_person(open_house):
    async with open_house(capabilities={"lookup": False}) as house:
        house.vendor.answers = [InDoubtError("silence")]
        message_id = await house.accept()
        await house.settle()
        await house.advance(86_400)
        shown = await house.show(message_id)
        assert str(shown.status) == "unknown"
        assert "may have been sent" in shown.status_text
        assert len(house.vendor.batches) == 1
        answer = await house.engine.accept.resend(message_id)
        await house.settle()
        assert answer.status == 202
        assert len(house.vendor.batches) == 2


async def test_without_lookup_an_account_may_say_to_send_again(open_house):
    async with open_house(
        accounts={"main": {"on_doubt": "resend"}}, capabilities={"lookup": False}
    ) as house:
        house.vendor.answers = [InDoubtError("silence")]
        message_id = await house.accept()
        await house.settle()
        await house.advance(30)
        assert await house.status(message_id) == "sent"
        assert len(house.vendor.batches) == 2


async def test_a_dlr_settles_a_message_in_doubt(open_house):
    async with open_house(capabilities={"lookup": False}) as house:
        house.vendor.answers = [InDoubtError("silence")]
        message_id = await house.accept()
        await house.settle()
        await house.deliver(message_id, provider_ref="late")
        shown = await house.show(message_id)
        assert (str(shown.status), shown.provider_ref) == ("delivered", "late")


@pytest.mark.parametrize("taken", [True, False])
async def test_what_a_killed_process_left_open_is_looked_up(open_house, taken):
    async with open_house(accounts=SETTLES) as dead:
        ids = await dead.accept_many(5)

        class Killed(BaseException):
            pass

        def kill(batch):
            if taken:
                dead.vendor.known[batch.reference] = accept_all(batch)
            raise Killed

        dead.vendor.answers = [kill]
        with pytest.raises(Killed):
            await dead.settle()
        assert await dead.statuses(ids) == ["sending"] * 5
        await dead.engine.close()
        async with open_house(accounts=SETTLES, clock=dead.clock) as heir:
            heir.vendor.known = dead.vendor.known
            await heir.settle()
            await heir.advance(60)
            assert await heir.statuses(ids) == ["sent"] * 5
            assert len(heir.vendor.batches) == (0 if taken else 1)
