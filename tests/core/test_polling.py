from recado_core import Status, TransientSendError
from recado_core.messages import StatusUpdate

DELAYS = (120.0, 600.0)


async def test_receipts_that_no_webhook_brought_are_asked_for(open_house):
    async with open_house(poll_delays=DELAYS) as house:
        ids = await house.accept_many(3)
        await house.settle()
        house.vendor.receipts = [
            StatusUpdate(status=Status.DELIVERED, message_id=key) for key in ids[:2]
        ]
        await house.advance(110)
        assert house.vendor.polled == []
        await house.advance(20)
        assert len(house.vendor.polled) == 1
        assert await house.statuses(ids) == ["delivered", "delivered", "sent"]
        house.vendor.receipts = [StatusUpdate(status=Status.EXPIRED, message_id=ids[2])]
        await house.advance(601)
        assert await house.status(ids[2]) == "expired"
        await house.advance(7200)
        assert len(house.vendor.polled) == 2


async def test_nothing_is_asked_when_webhooks_brought_all(open_house):
    async with open_house(poll_delays=DELAYS) as house:
        message_id = await house.accept()
        await house.settle()
        await house.deliver(message_id)
        await house.advance(7200)
        assert house.vendor.polled == []


async def test_asking_ends_after_a_week(open_house):
    async with open_house(poll_delays=(3600.0,)) as house:
        await house.accept()
        await house.settle()
        await house.advance(3601)
        await house.advance(169 * 3600)
        polled = len(house.vendor.polled)
        assert polled == 2
        await house.advance(169 * 3600)
        assert len(house.vendor.polled) == polled


async def test_a_vendor_that_cannot_be_asked_is_asked_again(open_house):
    async with open_house(poll_delays=DELAYS) as house:
        message_id = await house.accept()
        await house.settle()

        async def down(_):
            raise TransientSendError("down", code="503")

        asked, house.vendor.poll_statuses = house.vendor.poll_statuses, down
        await house.advance(121)
        house.vendor.poll_statuses = asked
        house.vendor.receipts = [StatusUpdate(status=Status.DELIVERED, message_id=message_id)]
        await house.advance(601)
        assert await house.status(message_id) == "delivered"
