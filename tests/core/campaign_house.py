"""Short ways to make campaigns and audiences in a test's house."""

import json

import sqlalchemy as sa
from recado_core.engine.campaigns.campaigns import CampaignRequest
from recado_core.engine.store.schema import events, recipients


def number(index):
    return f"+55119{index:08}"


class Campaigner:
    """Makes campaigns in a house, and tells what became of them."""

    def __init__(self, house, folder):
        self.house = house
        self.campaigns = house.engine.campaigns
        self._folder = folder
        self._files = 0

    def file(self, text, *, encoding="utf-8", suffix="csv"):
        self._files += 1
        path = self._folder / f"{self._files}.{suffix}"
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return path

    async def create(self, **fields):
        request = CampaignRequest(**{"name": "sale", "text": "oi"} | fields)
        return json.loads((await self.campaigns.create(request)).body)["id"]

    async def take(self, campaign_id, text, form=None, **options):
        return await self.house.engine.audiences.take(campaign_id, self.file(text, **options), form)

    async def ready(self, count, **fields):
        """Make a campaign with an audience of so many."""
        campaign_id = await self.create(**fields)
        rows = "".join(f"{number(index)};Ana {index}\n" for index in range(count))
        await self.take(campaign_id, "phone;name\n" + rows)
        return campaign_id

    async def running(self, count, **fields):
        campaign_id = await self.ready(count, **fields)
        await self.campaigns.start(campaign_id)
        return campaign_id

    async def get(self, campaign_id):
        return await self.campaigns.get(campaign_id)

    async def audience(self, campaign_id):
        """Return the rows of an audience as they are stored."""
        statement = sa.select(recipients).where(recipients.c.audience_id == campaign_id)
        async with self.house.database.read() as connection:
            found = await connection.execute(statement.order_by(recipients.c.position))
            return [dict(row) for row in found.mappings()]

    async def told(self, campaign_id):
        """Return the types and data of a campaign's events."""
        statement = sa.select(events).where(events.c.type.startswith("campaign."))
        async with self.house.database.read() as connection:
            found = (await connection.execute(statement.order_by(events.c.id))).mappings()
            rows = [dict(row) for row in found]
        return [(row["type"], row["data"]) for row in rows if row["data"]["id"] == campaign_id]

    def sent_to(self):
        """Return the addresses to which the vendors were given messages, sorted."""
        vendors = self.house.vendors.values()
        return sorted(message.to for vendor in vendors for message in vendor.sent)
