import json
from datetime import timedelta

import pytest
from recado_core import Category, SuppressionReason
from recado_core.engine.conversations.conversations import ConversationFilter
from recado_core.engine.settings import LanguageSettings, OptOutSettings
from recado_core.engine.suppressions.suppressions import NewSuppression, SuppressionFilter

from .desks import open_before

pytestmark = pytest.mark.whole

ANA, BIA = "+5511900000001", "+5511900000002"


@pytest.fixture
def say(house):
    """Let a person write something to an account."""
    count = 0

    async def said(text, sender=ANA, house=house, account="main", **fields):
        nonlocal count
        count += 1
        message = {"provider_ref": f"mo-{count}", "sender": sender, "text": text} | fields
        await house.webhook(["message", message], account=account)
        await house.settle()

    return said


def sent_to(house, address=ANA):
    return [message.text for message in house.vendor.sent if message.to == address]


async def listed(house):
    page = await house.engine.suppressions.list(SuppressionFilter(), limit=500)
    return {(item.address, str(item.category), str(item.reason)) for item in page.items}


async def history(house, address=ANA):
    page = await house.engine.suppressions.history(address)
    return [(item.act, item.keyword, item.source) for item in page.items]


async def test_opt_out_is_listed_confirmed_and_kept_with_its_message(house, say):
    await say("  Sair! ")
    assert await listed(house) == {
        (ANA, "marketing", "opt_out"),
        (ANA, "transactional", "opt_out"),
    }
    (confirmation,) = sent_to(house)
    assert "VOLTAR" in confirmation
    (item,) = (await house.engine.suppressions.history(ANA)).items
    assert (item.act, item.keyword, item.source, item.channel) == (
        "opt_out",
        "SAIR",
        "reply",
        "sms",
    )
    mo = await house.show(item.message_id)
    assert (mo.direction, mo.text) == ("in", "  Sair! ")
    answer = await house.show(item.confirmation_id)
    assert (answer.answers, answer.status, answer.text) == (mo.id, "sent", confirmation)


async def test_confirmation_is_told_to_sinks_and_is_in_the_conversation(open_house, say):
    async with open_before(open_house, events=("message.accepted", "message.sent")) as house:
        await say("sair", house=house)
        assert house.system.types == ["message.accepted", "message.sent"]
        (found,) = (await house.engine.conversations.list(ConversationFilter())).items
        assert {event.data["conversation_id"] for event in house.system.taken} == {found.id}
        assert house.system.taken[0].data["confirms"] == "opt_out"


async def test_confirmation_opens_the_conversation_under_the_number_it_goes_to(house, say):
    await say("sair", sender="011900000001")  # as a carrier may write it
    found = (await house.engine.conversations.list(ConversationFilter())).items
    assert ANA in {each.address for each in found}


async def test_opt_out_is_confirmed_once(house, say):
    await say("sair")
    await say("SAIR")
    await say("pare de me escrever")
    assert len(sent_to(house)) == 1
    assert len(await history(house)) == 3


async def test_same_webhook_twice_is_one_act(house, say):
    await say("sair", provider_ref="mo-x")
    await say("sair", provider_ref="mo-x")
    assert len(await history(house)) == 1


async def test_opt_in_lifts_the_opt_out_and_nothing_else(house, say):
    await house.engine.suppressions.add(NewSuppression(address=ANA))
    await say("sair")
    await say("voltar")
    assert await listed(house) == {(ANA, "None", "manual")}
    assert [act for act, _, _ in await history(house)] == ["opt_in", "opt_out"]
    assert len(sent_to(house)) == 2


async def test_opt_in_of_who_never_opted_out_is_history_alone(house, say):
    await say("voltar")
    assert sent_to(house) == []
    assert await history(house) == [("opt_in", "VOLTAR", "reply")]


async def test_two_machines_do_not_talk_for_ever(house, say):
    for _ in range(4):
        await say("sair")
        await say("voltar")
    assert len(sent_to(house)) == 2
    house.clock.advance(timedelta(hours=25).total_seconds())
    await say("sair")
    assert len(sent_to(house)) == 3


async def test_other_words_change_nothing(house, say):
    for text in ("ok, obrigado", "saída", "", "quero sair daqui"):
        await say(text)
    assert await listed(house) == set()
    assert await history(house) == []
    assert sent_to(house) == []


async def test_otp_still_reaches_who_opted_out(house, say):
    await say("sair")
    ids = [await house.accept(to=ANA, category=category) for category in Category]
    await house.settle()
    assert dict(zip(Category, await house.statuses(ids), strict=True)) == {
        Category.TRANSACTIONAL: "suppressed",
        Category.MARKETING: "suppressed",
        Category.OTP: "sent",
    }


async def test_categories_of_an_opt_out_are_the_operators(open_house, say):
    settings = OptOutSettings(categories=tuple(Category))
    async with open_house(opt_out=settings) as house:
        await say("sair", house=house)
        assert await listed(house) == {(ANA, "None", "opt_out")}
        otp = await house.accept(to=ANA, category=Category.OTP)
        assert await house.status(otp) == "suppressed"


async def test_words_and_answers_are_the_operators(open_house, say):
    french = LanguageSettings(stop=("ARRÊT",), stopped="C'est fait.")
    async with open_house(opt_out=OptOutSettings(languages={"fr": french})) as house:
        await say("sair", house=house)
        assert await listed(house) == set()
        await say("arret", house=house)
        assert sent_to(house) == ["C'est fait."]


async def test_nothing_happens_where_opt_out_by_reply_is_off(open_house, say):
    async with open_house(opt_out=OptOutSettings(enabled=False)) as house:
        await say("sair", house=house)
        assert await listed(house) == set()
        assert sent_to(house) == []


async def test_answer_leaves_on_the_account_where_the_person_wrote(open_house, say):
    async with open_house(accounts={"main": {}, "other": {}}) as house:
        await say("sair", house=house, account="other")
        assert [len(house.vendors[name].sent) for name in ("main", "other")] == [0, 1]


async def test_person_who_can_not_be_answered_is_opted_out_all_the_same(house, say, caplog):
    await say("sair", sender="not-a-number")
    assert {address for address, _, _ in await listed(house)} == {"not-a-number"}
    assert house.vendor.sent == []
    assert "can't be confirmed" in caplog.text


async def test_act_of_the_operator_is_in_the_history_too(house):
    answer = await house.engine.suppressions.add(
        NewSuppression(address=ANA, reason=SuppressionReason.OPT_OUT, source="crm")
    )
    await house.engine.suppressions.remove(json.loads(answer.body)["id"], "cli")
    assert await history(house) == [("opt_in", None, "cli"), ("opt_out", None, "crm")]


async def test_history_is_paged(house, say):
    for _ in range(3):
        await say("voltar")
    first = await house.engine.suppressions.history(limit=2)
    rest = await house.engine.suppressions.history(limit=2, cursor=first.next_cursor)
    assert [len(first.items), len(rest.items), rest.next_cursor] == [2, 1, None]


@pytest.mark.parametrize(("newer", "older"), [("sair", "voltar"), ("voltar", "sair")])
async def test_older_word_that_comes_late_is_noted_and_changes_nothing(house, say, newer, older):
    if newer == "voltar":
        await say("pare", received_at=(house.clock.now() - timedelta(hours=2)).isoformat())
    await say(newer, received_at=house.clock.now().isoformat())
    before, answers = await listed(house), sent_to(house)
    await say(older, received_at=(house.clock.now() - timedelta(hours=1)).isoformat())
    assert await listed(house) == before
    assert bool(before) is (newer == "sair")
    assert sent_to(house) == answers
    item, *_ = (await house.engine.suppressions.history(ANA)).items
    assert (item.keyword, item.time) == (older.upper(), house.clock.now() - timedelta(hours=1))


async def test_opt_in_from_before_an_opt_out_in_a_shop_does_not_lift_it(house, say):
    new = NewSuppression(address=ANA, reason=SuppressionReason.OPT_OUT)
    await house.engine.suppressions.add(new)
    await say("voltar", received_at=(house.clock.now() - timedelta(minutes=5)).isoformat())
    assert await listed(house)
    house.clock.advance(1)
    await say("voltar")
    assert not await listed(house)


async def test_opt_out_that_was_under_way_while_an_entry_was_removed_counts(house, say):
    new = NewSuppression(address=ANA, reason=SuppressionReason.OPT_OUT)
    entry = json.loads((await house.engine.suppressions.add(new)).body)
    await house.engine.suppressions.remove(entry["id"])
    await say("sair", received_at=(house.clock.now() - timedelta(minutes=5)).isoformat())
    assert await listed(house)


async def test_opt_out_of_a_sender_without_the_ninth_digit_counts_with_it(house, say):
    await say("sair", sender="+551188886666")
    message_id = await house.accept(to="+5511988886666", category=Category.MARKETING)
    assert await house.status(message_id) == "suppressed"
    assert await history(house, "+5511988886666") == [("opt_out", "SAIR", "reply")]
    await say("voltar", sender="+5511988886666")
    assert not await listed(house)


async def test_opt_out_of_a_sender_in_national_digits_is_that_of_the_number(house, say):
    await say("sair", sender="11900000001")
    assert {address for address, _, _ in await listed(house)} == {ANA}
    assert len(sent_to(house)) == 1


async def test_opt_out_that_makes_an_entry_last_for_ever_is_confirmed(house, say):
    end = house.clock.now() + timedelta(days=1)
    for category in (Category.MARKETING, Category.TRANSACTIONAL):
        new = NewSuppression(
            address=ANA,
            channel="sms",
            category=category,
            reason=SuppressionReason.OPT_OUT,
            expires_at=end,
        )
        await house.engine.suppressions.add(new)
    await say("sair")
    assert len(sent_to(house)) == 1
    await house.advance(2 * 86400)
    assert len(await listed(house)) == 2


async def test_message_from_nobody_puts_nobody_on_the_list(house, say):
    await say("sair", sender="")
    assert not await listed(house)
