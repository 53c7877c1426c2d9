import json
from decimal import Decimal

import msgspec
import pytest
import sqlalchemy as sa
from recado_core import ContentError, ProviderTemplate
from recado_core.engine.accept.accepting import BatchRequest, Draft, DraftDefaults, OvertakenError
from recado_core.engine.clients.idempotency import IdempotencyKey
from recado_core.engine.conversations.conversations import ConversationFilter, Reply
from recado_core.engine.failures import (
    ConflictError,
    DraftError,
    IdempotencyMismatchError,
    NotFoundError,
)
from recado_core.engine.messages.messages import MessageFilter
from recado_core.engine.settings import RouteMatch, RouteSettings
from recado_core.engine.store import schema
from recado_core.engine.store.statements import templates as store
from recado_core.engine.templates import rendering
from recado_core.engine.templates.previews import RenderRequest
from recado_core.engine.templates.templates import NewTemplate, ReplacedTemplate, TemplateView
from recado_core.engine.templates.variants import Template, Variant, choose

from .test_accept import answer_to, on_sqlite, pointers_of, stored

pytestmark = pytest.mark.whole

WELCOME = {"name": "welcome", "text": "Oi, {{ name }}!"}
VENDORS = {"name": "HX1", "language": "pt_BR", "variables": ["order", "name"]}
KEY = IdempotencyKey(owner="client", key="k1", fingerprint="one")


async def add(house, key=None, **fields):
    new = msgspec.convert(WELCOME | fields, NewTemplate)
    return msgspec.json.decode((await house.engine.templates.add(new, key)).body, type=TemplateView)


async def replace(house, template, /, **fields):
    return await house.engine.templates.replace(template, msgspec.convert(fields, ReplacedTemplate))


async def render(house, name="welcome", **fields):
    request = msgspec.convert({"variables": {"name": "Ana"}} | fields, RenderRequest)
    return await house.engine.templates.render(name, request)


async def faults_of(awaitable):
    with pytest.raises(DraftError) as caught:
        await awaitable
    return caught.value.faults


async def refused(awaitable):
    return [fault.pointer for fault in await faults_of(awaitable)]


async def send(house, **fields):
    message_id = await house.accept(**{"text": None, "template": "welcome"} | fields)
    await house.settle()
    (sent,) = [m for m in house.vendor.sent if m.id == message_id]
    return sent


# ---------------------------------------------------------------- kept


async def test_a_template_is_shown_as_it_was_made_in_both_forms(house):
    made = await add(house, description="Says hello", language="pt-BR", channel="sms")
    assert made == await house.engine.templates.get("welcome")
    assert (made.name, made.description, made.text) == ("welcome", "Says hello", "Oi, {{ name }}!")
    assert (made.channel, made.language) == ("sms", "pt-BR")
    assert made.variants == [Variant(channel="sms", language="pt-BR", text="Oi, {{ name }}!")]
    assert (made.variables, made.optional) == (["name"], [])
    assert made.created_at == made.updated_at == house.clock.now()


async def test_the_variables_are_those_of_all_variants_and_the_optional_ones_what_none_needs(house):
    variants = [
        {"language": "pt", "text": "{{ b }} {{ a|default('x') }} {{ c|default('y') }}"},
        {"language": "en", "text": "{{ a }} {{ d }}"},
        {"channel": "sms", "text": "{{ c|default('') }}", "provider_template": VENDORS},
    ]
    made = await add(house, text=None, variants=variants)
    assert made.variables == ["b", "a", "c", "d", "order", "name"]
    assert made.optional == ["c"]
    assert (made.channel, made.language, made.provider_template) == (None, "pt", None)
    assert msgspec.to_builtins(made.variants[2].provider_template) == VENDORS


async def test_a_template_is_taken_apart_when_it_is_written_and_never_to_show_it(
    house, monkeypatch
):
    def fail(_):
        raise AssertionError("a text was taken apart")

    variants = [
        {"text": "{{ b }} {{ a|default('') }} {{ c|default('') }}", "provider_template": VENDORS},
        {"language": "en", "text": "{{ c }}"},
    ]
    for index in range(3):
        await add(house, name=f"t{index}", text=None, variants=variants)
    changed, _ = await replace(house, "t0", variants=variants)
    for look in ("variables_of", "optional_in"):
        monkeypatch.setattr(rendering, look, fail)
    for shown in [*(await house.engine.templates.list()).items, changed]:
        assert shown.variables == ["b", "a", "c", "order", "name"]
        assert shown.optional == ["a"]
        assert [type(variant) for variant in shown.variants] == [Variant, Variant]


async def test_a_template_that_was_written_without_its_names_is_shown_with_them(house):
    now = house.clock.now()
    texts = {"old": "{{ b }}{{ a|default('') }}", "deep": "{% if a %}" * 30 + "{% endif %}" * 30}
    for name, text in texts.items():
        variants = [{"text": text}, {"language": "pt", "provider_template": VENDORS}]
        row = {"name": name, "description": None, "created_at": now, "updated_at": now}
        row["variants"] = msgspec.convert(variants, list[Variant])
        await house.database.write(lambda connection, row=row: store.insert_new(connection, row))
    deep, old = sorted((await house.engine.templates.list()).items, key=lambda item: item.name)
    assert (old.variables, old.optional) == (["b", "a", "order", "name"], ["a"])
    assert (deep.variables, deep.text) == (["order", "name"], texts["deep"])
    said = {"text": None, "template": "old", "variables": {"b": "oi"}}
    assert (await house.show(await house.accept(**said))).text == "oi"
    assert await pointers_of(house, **said | {"template": "deep"}) == ["/variables"]


async def test_a_name_that_is_taken_is_a_conflict_and_changes_nothing(house):
    await add(house)
    with pytest.raises(ConflictError, match="welcome"):
        await add(house, text="other", key=KEY)
    assert (await house.engine.templates.get("welcome")).text == WELCOME["text"]
    await house.engine.templates.delete("welcome")
    assert (await add(house, text="other", key=KEY)).text == "other"  # the key was not used up


async def test_the_same_call_twice_makes_one_template(house):
    first = await house.engine.templates.add(msgspec.convert(WELCOME, NewTemplate), KEY)
    second = await house.engine.templates.add(msgspec.convert(WELCOME, NewTemplate), KEY)
    assert (first.status, first.replayed, second.replayed) == (201, False, True)
    assert first.body == second.body
    with pytest.raises(IdempotencyMismatchError):
        await add(house, key=msgspec.structs.replace(KEY, fingerprint="two"))


async def test_a_template_is_replaced_or_made(house):
    made, is_new = await replace(house, "welcome", text="oi")
    assert is_new
    house.clock.advance(60)
    changed, is_new = await replace(house, "welcome", name="welcome", text="olá", language="pt")
    assert not is_new
    assert (changed.text, changed.language) == ("olá", "pt")
    assert (changed.created_at, changed.updated_at) == (made.created_at, house.clock.now())
    assert changed == await house.engine.templates.get("welcome")


async def test_a_template_that_is_not_there_is_not_found(house):
    await add(house)
    for name in ("absent", "a\0b", "é", "x" * 65, ""):
        for call in (
            house.engine.templates.get(name),
            house.engine.templates.delete(name),
            house.engine.templates.render(name, RenderRequest()),
        ):
            with pytest.raises(NotFoundError):
                await call
    await house.engine.templates.delete("welcome")
    with pytest.raises(NotFoundError):
        await house.engine.templates.delete("welcome")


async def test_templates_are_listed_page_by_page_the_newest_first(house):
    for index in range(5):
        await add(house, name=f"t{index}")
        house.clock.advance(index % 2)  # some are made in the same moment
    names, cursor = [], None
    while True:
        page = await house.engine.templates.list(2, cursor)
        names += [item.name for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert names == ["t4", "t3", "t2", "t1", "t0"]
    assert await refused(house.engine.templates.list(2, "x")) == ["/cursor"]


BAD_TEMPLATES = {
    "no name": ({"name": ""}, ["/name"]),
    "a name with spaces": ({"name": "a b"}, ["/name"]),
    "a name that paths lose": ({"name": "."}, ["/name"]),
    "another name that paths lose": ({"name": ".."}, ["/name"]),
    "a long name": ({"name": "x" * 65}, ["/name"]),
    "nothing to say": ({"text": None}, ["/text"]),
    "a blank text": ({"text": " \n"}, ["/text"]),
    "a long text": ({"text": "x" * 10_001}, ["/text"]),
    "a text that is no template": ({"text": "{{ name"}, ["/text"]),
    "a text that calls": ({"text": "{{ name.__class__() }}"}, ["/text"]),
    "a text too deep": (
        {"text": "{% if a %}" * 110 + "x" + "{% endif %}" * 110},
        ["/text"],
    ),
    "a text too deep for filters": ({"text": "{{ a" + "|title" * 250 + " }}"}, ["/text"]),
    "a text that loops": ({"text": "{% for a in b %}{% endfor %}"}, ["/text"]),
    "a zero byte": ({"text": "a\0"}, ["/text"]),
    "half a character": ({"text": "a\ud800"}, ["/text"]),
    "an unknown channel": ({"channel": "pigeon"}, ["/channel"]),
    "no language": ({"language": "Portuguese, Brazil"}, ["/language"]),
    "a blank description": ({"description": " "}, ["/description"]),
    "both forms": ({"variants": [{"text": "a"}]}, ["/variants"]),
    "no variants": ({"text": None, "variants": []}, ["/variants"]),
    "too many variants": (
        {
            "text": None,
            "variants": [{"language": f"pt-{index:03}", "text": "a"} for index in range(101)],
        },
        ["/variants"],
    ),
    "bad variants": (
        {
            "text": None,
            "variants": [
                {"language": "pt-BR", "text": "ok"},
                {"text": "{% if %}"},
                {"channel": "pigeon", "language": "?"},
                {"language": "pt_br", "text": "twice"},
            ],
        },
        [
            "/variants/1/text",
            "/variants/2/channel",
            "/variants/2/language",
            "/variants/2/text",
            "/variants/3",
        ],
    ),
    "a bad template of the vendor": (
        {"provider_template": {"name": "", "language": " ", "variables": ["a", "b c", "a"]}},
        [
            "/provider_template/name",
            "/provider_template/language",
            "/provider_template/variables/1",
            "/provider_template/variables/2",
        ],
    ),
    "too many variables": (
        {"provider_template": {"name": "x", "variables": [f"a{index}" for index in range(101)]}},
        ["/provider_template/variables"],
    ),
}


@on_sqlite
@pytest.mark.parametrize(("fields", "pointers"), BAD_TEMPLATES.values(), ids=BAD_TEMPLATES)
async def test_what_is_no_template_is_refused_with_its_place(house, fields, pointers):
    assert await refused(add(house, **fields)) == pointers
    assert (await house.engine.templates.list()).items == []


@on_sqlite
async def test_a_template_keeps_its_name(house):
    assert await refused(replace(house, "welcome", name="other", text="a")) == ["/name"]


# ---------------------------------------------------------------- chosen

VARIANTS = [
    ("sms", "pt-BR"),
    ("sms", "pt"),
    ("sms", None),
    (None, "pt-BR"),
    (None, "en"),
    ("album", "es-419"),
    ("album", "en"),
]


@pytest.mark.parametrize(
    ("channel", "language", "chosen"),
    [
        ("sms", "pt-BR", ("sms", "pt-BR")),
        ("sms", "PT_br", ("sms", "pt-BR")),
        ("sms", "pt-PT", ("sms", "pt")),
        ("sms", "pt", ("sms", "pt")),
        ("sms", "en", ("sms", None)),  # the channel goes before the language
        ("sms", None, ("sms", None)),
        ("album", "es-419-x-a", ("album", "es-419")),
        ("album", "es", (None, None)),
        ("album", "en-GB", ("album", "en")),
        ("album", "pt-BR", (None, "pt-BR")),
        ("album", None, ("album", "es-419")),  # the first stands in
        ("pigeon", "en-GB", (None, "en")),
        ("pigeon", None, (None, "pt-BR")),
        ("pigeon", "pt", None),
        ("pigeon", "", (None, "pt-BR")),
    ],
)
def test_the_variant_that_fits_best_is_chosen(channel, language, chosen):
    keys = [*VARIANTS, *([(None, None)] if chosen == (None, None) else [])]
    variants = [Variant(channel=a, language=b, text="x") for a, b in keys]
    found = choose(Template(name="t", variants=variants), channel, language or None)
    assert (found and (found.channel, found.language)) == chosen


# ---------------------------------------------------------------- sent


async def test_a_message_says_what_its_template_says(house):
    variants = [{"text": "Oi, {{ name }}!"}, {"language": "en", "text": "Hi, {{ name }}!"}]
    await add(house, text=None, variants=variants)
    assert (await send(house, variables={"name": "Ana"})).text == "Oi, Ana!"
    assert (await send(house, variables={"name": "Ana"}, language="en-GB")).text == "Hi, Ana!"
    assert (await send(house, variables={"name": 7})).template is None


async def test_a_message_is_made_of_the_template_as_it_is_then(open_house):
    async with open_house() as house, open_house(clock=house.clock) as other:
        await add(house)
        first = await house.accept(text=None, template="welcome", variables={"name": "Ana"})
        await replace(other, "welcome", text="Olá, {{ name }}!")
        second = await house.accept(text=None, template="welcome", variables={"name": "Ana"})
        await other.engine.templates.delete("welcome")
        assert await pointers_of(house, text=None, template="welcome") == ["/template"]
        texts = [(await house.show(message_id)).text for message_id in (first, second)]
        assert texts == ["Oi, Ana!", "Olá, Ana!"]


async def test_a_template_without_placeholders_needs_no_variables(house):
    await add(house, text="Aberto até as 18h")
    assert (await send(house)).text == "Aberto até as 18h"


@on_sqlite
async def test_what_is_wrong_with_a_draft_of_a_template_is_told(house):
    await add(house, text="{{ b }} {{ a }} {{ c|default('x') }}", language="pt", channel="sms")
    draft = {"text": None, "template": "welcome"}
    for fields, pointers in (
        ({"template": "absent"}, ["/template"]),
        ({"template": "a\0b"}, ["/template"]),
        ({"text": "a", "template": "welcome"}, ["/template"]),
        ({"language": "en"}, ["/language"]),
        ({"variables": {"a": 1}}, ["/variables"]),
        ({"variables": {"c": 1}}, ["/variables", "/variables"]),
        ({"variables": {"a": 1, "b": "\0"}}, ["/text"]),
        ({"variables": {"a": 1, "b": "x" * 1700}}, ["/text"]),
        ({"variables": {"a": 1, "b": ["x"]}}, ["/variables"]),
    ):
        assert await pointers_of(house, **draft | fields) == pointers, fields
    draft |= {"to": "+5511900000001"}
    faults = await faults_of(house.engine.accept.message(Draft(**draft)))
    assert [fault.detail for fault in faults] == [
        "a variable is missing: 'b'",
        "a variable is missing: 'a'",
    ]
    (fault,) = await faults_of(house.engine.accept.message(Draft(**draft, language="es")))
    assert "nothing for sms in es" in fault.detail
    assert "sms in pt" in fault.detail
    assert await stored(house) == []


@on_sqlite
@pytest.mark.parametrize("language", ["-" * 20_000, "pt" + "-BR" * 5, "?? \0", "", "p"])
async def test_no_language_is_ever_looked_for_that_is_none(house, language, monkeypatch):
    def fail(_):
        raise AssertionError("the language was taken apart")

    await add(house)
    monkeypatch.setattr("recado_core.engine.templates.variants.key_of", fail)
    said = {"template": "welcome", "variables": {"name": "Ana"}, "language": language}
    assert await pointers_of(house, text=None, **said) == ["/language"]
    assert await refused(render(house, language=language)) == ["/language"]
    items = [{"to": "+5511900000001"}, {"to": "+5511900000002", "language": language, "text": "a"}]
    request = BatchRequest(
        messages=[msgspec.Raw(msgspec.json.encode(item)) for item in items],
        defaults=DraftDefaults(**said),
    )
    told = json.loads((await house.engine.accept.batch(request)).body)
    assert [each["error"][0]["pointer"] for each in told["results"]] == ["/language"] * 2


@on_sqlite
async def test_a_template_for_another_channel_alone_is_refused(house):
    house.engine.plugins.channels["album"] = house.engine.plugins.channels["sms"]
    await add(house, channel="album")
    assert await pointers_of(house, text=None, template="welcome") == ["/channel"]


async def test_the_templates_of_a_batch_are_read_once(house, monkeypatch):
    await add(house)
    await add(house, name="bye", text="Tchau, {{ name }}!")
    reads = []
    named = store.named

    async def counted(connection, names):
        reads.append(sorted(names))
        return await named(connection, names)

    monkeypatch.setattr(store, "named", counted)
    items = [
        {"to": f"+55119{index:08d}", "template": name, "variables": {"name": f"n{index}"}}
        for index, name in enumerate(["welcome", "bye", "absent", "welcome", "bye"])
    ]
    items += [{"to": "+5511900000009", "text": "no template"}, {"to": "+5511900000008"}]
    request = BatchRequest(
        messages=[msgspec.Raw(msgspec.json.encode(item)) for item in items],
        defaults=DraftDefaults(template="welcome", variables={"name": "all"}),
    )
    told = json.loads((await house.engine.accept.batch(request)).body)
    assert reads == [["absent", "bye", "welcome"]]
    assert (told["accepted"], told["rejected"]) == (6, 1)
    (fault,) = told["results"][2]["error"]
    assert fault == {"pointer": "/template", "detail": "there is no template 'absent'"}
    found = (await house.engine.messages.list(MessageFilter(), 100)).items
    assert sorted(message.text for message in found) == sorted(
        ["Oi, n0!", "Tchau, n1!", "Oi, n3!", "Tchau, n4!", "no template", "Oi, all!"]
    )


async def test_a_text_nested_too_deep_spoils_no_other_of_its_batch(house):
    deep = "{% if a %}" * 110 + "x" + "{% endif %}" * 110
    items = [
        {"to": "+5511900000001", "text": "{{ a }}"},
        {"to": "+5511900000002", "text": deep},
        {"to": "+5511900000003", "text": "{{ a" + "|title" * 250 + " }}"},
    ]
    request = BatchRequest(
        messages=[msgspec.Raw(msgspec.json.encode(item)) for item in items],
        defaults=DraftDefaults(variables={"a": "oi"}),
    )
    told = json.loads((await house.engine.accept.batch(request)).body)
    assert (told["accepted"], told["rejected"]) == (1, 2)


async def test_a_call_without_a_template_reads_none(house, monkeypatch):
    async def fail(*_):
        raise AssertionError("a template was read")

    monkeypatch.setattr(store, "named", fail)
    await house.accept()
    await house.accept_many(3)


async def test_a_campaign_walks_with_a_template(house):
    await add(house)
    drafts = [
        Draft(to="+5511900000001", template="welcome", variables={"name": "Ana"}),
        Draft(to="+5511900000002", template="welcome", variables={}),
        Draft(to="+5511900000003", template="welcome", variables={"name": "Bia"}),
    ]
    marks = [{"campaign_id": "c", "recipient": index} for index in (1, 2, 3)]
    seen = []

    async def move_on(_, faults):
        seen.append([fault and fault.faults[0].pointer for fault in faults])
        return len(seen) > 1

    with pytest.raises(OvertakenError):
        await house.engine.accept.walk(drafts, marks, move_on)
    assert await stored(house) == []
    await house.engine.accept.walk(drafts, marks, move_on)
    assert seen == [[None, "/variables", None]] * 2
    found = await stored(house)
    assert sorted(message.text for message in found) == ["Oi, Ana!", "Oi, Bia!"]


async def test_an_agent_answers_with_a_template(house):
    await add(house, text="Olá, {{ name }}! 👋")
    item = {"provider_ref": "mo-1", "sender": "+5511900000001", "text": "oi"}
    await house.webhook(["message", item])
    await house.settle()
    (found,) = (await house.engine.conversations.list(ConversationFilter())).items
    reply = Reply(template="welcome", variables={"name": "Ana"}, language="pt", transliterate=True)
    await house.engine.conversations.reply(found.id, reply)
    await house.settle()
    assert [message.text for message in house.vendor.sent] == ["Ola, Ana!"]


async def test_a_message_is_written_in_gsm7_where_that_is_asked_for(house):
    sent = await send(house, template=None, text="Ação às 9h é já 🎉!", transliterate=True)
    assert sent.text == "Acao às 9h é ja!"
    told = await answer_to(house, text="ação", transliterate=True)
    assert (told["encoding"], told["segments"]) == ("gsm7", 1)
    assert (await answer_to(house, text="ação"))["encoding"] == "ucs2"
    assert await pointers_of(house, text="🎉", transliterate=True) == ["/text"]
    assert await pointers_of(house, text="a\ud800", transliterate=True) == ["/text"]


async def test_a_batch_is_written_in_gsm7_but_for_who_says_no(house):
    items = [{"to": "+5511900000001"}, {"to": "+5511900000002", "transliterate": False}]
    request = BatchRequest(
        messages=[msgspec.Raw(msgspec.json.encode(item)) for item in items],
        defaults=DraftDefaults(text="{{ x }}ção", variables={"x": "ã"}, transliterate=True),
    )
    await house.engine.accept.batch(request)
    found = await stored(house)
    assert {message.to[-1]: message.text for message in found} == {"1": "acao", "2": "ãção"}


# ---------------------------------------------------------------- the vendor's own


async def test_the_provider_is_given_its_own_template_with_its_variables_in_order(open_house):
    async with open_house(capabilities={"templates": True}) as house:
        await add(house, provider_template=VENDORS)
        await add(house, name="theirs", text=None, provider_template=VENDORS)
        variables = {"name": "Ana", "order": 17, "more": "x"}
        sent = await send(house, variables=variables)
        assert sent.text == "Oi, Ana!"
        expected = ProviderTemplate(
            name="HX1", language="pt_BR", variables={"order": "17", "name": "Ana"}
        )
        assert sent.template == expected
        assert list(sent.template.variables) == ["order", "name"]
        sent = await send(house, template="theirs", variables=variables)
        assert (sent.text, sent.template, sent.segments) == ("", expected, 1)


async def test_a_template_of_the_vendor_alone_needs_an_account_that_knows_them(open_house):
    async with open_house() as house:
        await add(house, text=None, provider_template=VENDORS)
        draft = {"text": None, "template": "welcome", "variables": {"name": "a", "order": 1}}
        assert await pointers_of(house, **draft) == ["/template"]
        await replace(house, "welcome", text="{{ name }}", provider_template=VENDORS)
        assert (await send(house, **draft)).text == "a"


@on_sqlite
async def test_what_the_provider_refuses_of_its_template_is_told_at_the_template(open_house):
    def refuse(message):
        if message.template is not None:
            raise ContentError("no such template")

    capabilities = {"templates": True}
    async with open_house(capabilities=capabilities, kind={"check_message": refuse}) as house:
        await add(house, provider_template=VENDORS)
        draft = {"text": None, "template": "welcome", "variables": {"name": "a", "order": 1}}
        assert await pointers_of(house, **draft) == ["/template"]


@on_sqlite
async def test_a_variable_of_the_vendors_template_is_never_missing(open_house):
    async with open_house(capabilities={"templates": True}) as house:
        await add(house, text="{{ name|default('x') }}", provider_template=VENDORS)
        draft = Draft(to="+5511900000001", template="welcome", variables={"order": ["a"]})
        faults = await faults_of(house.engine.accept.message(draft))
        assert [fault.pointer for fault in faults] == ["/variables", "/variables"]
        assert sorted(fault.detail for fault in faults) == [
            "'order' must be a text or a number",
            "a variable is missing: 'name'",
        ]
        made = await house.engine.templates.get("welcome")
        assert (made.variables, made.optional) == (["name", "order"], [])


async def test_a_message_is_sent_again_with_the_vendors_template(open_house):
    async with open_house(capabilities={"templates": True}) as house:
        await add(house, text=None, provider_template=VENDORS)
        first = await send(house, variables={"name": "Ana", "order": 17}, cost_centre="shop")
        await house.deliver(first.id, "undelivered")
        await house.engine.templates.delete("welcome")
        answer = await house.engine.accept.resend(first.id)
        await house.settle()
        again = house.vendor.sent[-1]
        assert again.id == json.loads(answer.body)["id"] != first.id
        assert (again.text, again.template) == (first.text, first.template)
        async with house.database.read() as connection:
            found = await connection.execute(sa.select(schema.messages.c.cost_centre))
            assert found.scalars().all() == ["shop", "shop"]


# ---------------------------------------------------------------- tried out

PRICED = {"main": {"price": "0.08"}, "dear": {"price": "0.15"}, "free": {}}
ROUTES = [
    RouteSettings(accounts=["dear"], match=RouteMatch(prefix="+1")),
    RouteSettings(accounts=["main"]),
]


async def test_a_template_is_tried_out_without_sending(open_house):
    async with open_house(accounts=PRICED, routes=ROUTES) as house:
        await add(house, text="Oi, {{ name }}! {{ nick|default('') }}")
        shown = await render(house, variables={"name": "x" * 200})
        assert (shown.text, shown.variables) == (f"Oi, {'x' * 200}! ", ["name", "nick"])
        assert (shown.encoding, shown.characters, shown.segments) == ("gsm7", 206, 2)
        assert (shown.account, shown.cost) == ("main", Decimal("0.16"))
        assert json.loads(msgspec.json.encode(shown))["cost"] == "0.16"
        assert shown.warnings == []
        assert await stored(house) == []


@pytest.mark.parametrize(
    ("fields", "account", "cost"),
    [
        ({}, "main", Decimal("0.08")),
        ({"to": "+12025550123"}, "dear", Decimal("0.15")),
        ({"to": "11 90000-0001"}, "main", Decimal("0.08")),
        ({"account": "dear"}, "dear", Decimal("0.15")),
        ({"account": "free"}, "free", None),
    ],
)
async def test_the_price_is_that_of_the_account_that_would_carry_it(
    open_house, fields, account, cost
):
    async with open_house(accounts=PRICED, routes=ROUTES) as house:
        await add(house)
        shown = await render(house, **fields)
        assert (shown.account, shown.cost) == (account, cost)


@on_sqlite
@pytest.mark.parametrize("to", [None, "+5511900000001"])
async def test_what_no_account_would_carry_can_not_be_tried_out(open_house, to):
    async with open_house() as house:
        await add(house, text=None, provider_template=VENDORS)
        variables = {"name": "a", "order": 1}
        assert await refused(render(house, variables=variables, to=to)) == ["/template"]
        draft = {"text": None, "template": "welcome", "variables": variables}
        assert await pointers_of(house, **draft) == ["/template"]


@on_sqlite
async def test_the_price_is_that_of_the_account_that_takes_what_the_first_refuses(open_house):
    def refuse(message):
        assert message.to
        if message.text != "Oi, Ana!":
            raise ContentError("says too much")

    routes = [RouteSettings(accounts=["main", "dear"])]
    async with open_house(accounts=PRICED, routes=routes) as house:
        await add(house)
        main = house.engine.accounts.by_name["main"]
        main.kind = msgspec.structs.replace(main.kind, check_message=refuse)
        for name, account in (("Ana", "main"), ("Eva", "dear")):
            variables = {"name": name}
            shown = await render(house, to="+5511900000001", variables=variables)
            assert shown.account == account
            said = {"text": None, "template": "welcome", "variables": variables}
            assert (await house.show(await house.accept(**said))).account == account
        assert (await render(house, variables={"name": "Eva"})).account == "main"
        said = {"account": "main", "to": "+5511900000001", "variables": {"name": "Eva"}}
        assert await refused(render(house, **said)) == ["/text"]


async def test_without_a_route_there_is_no_price_unless_somebody_is_named(open_house):
    async with open_house(accounts=PRICED, routes=ROUTES[:1]) as house:
        await add(house)
        shown = await render(house)
        assert (shown.account, shown.cost) == (None, None)
        assert await refused(render(house, to="+5511900000001")) == ["/to"]


async def test_characters_that_make_a_text_dear_are_named_with_a_cheaper_one(open_house):
    async with open_house(accounts=PRICED, routes=ROUTES) as house:
        text = f"{{{{ name }}}}, sua solicitação não é 🎉 {'x' * 60}"
        await add(house, text=text)
        shown = await render(house)
        assert (shown.encoding, shown.segments, shown.cost) == ("ucs2", 2, Decimal("0.16"))
        (warning,) = shown.warnings
        assert (warning.code, warning.segments) == ("ucs2", 2)
        assert warning.characters == ["ç", "ã", "🎉"]
        assert "ç, ã, 🎉" in warning.detail
        assert "2 segments instead of 1" in warning.detail
        cheaper = warning.transliterated
        assert cheaper.text == f"Ana, sua solicitacao nao é {'x' * 60}"
        assert (cheaper.encoding, cheaper.segments) == ("gsm7", 1)
        assert (cheaper.cost, cheaper.dropped) == (Decimal("0.08"), ["🎉"])

        shown = await render(house, transliterate=True)
        assert (shown.text, shown.segments) == (cheaper.text, 1)
        (warning,) = shown.warnings
        assert (warning.code, warning.characters) == ("dropped", ["🎉"])


async def test_a_text_of_pictographs_alone_has_no_cheaper_one(house):
    await add(house, text="🎉🎉")
    (warning,) = (await render(house)).warnings
    assert warning.transliterated is None
    assert await refused(render(house, transliterate=True)) == ["/text"]


async def test_a_warning_does_not_name_a_whole_alphabet(house):
    await add(house, text="абвгдежзийкл")
    (warning,) = (await render(house)).warnings
    assert len(warning.characters) == 12
    assert warning.detail.endswith("and 2 more")


@on_sqlite
async def test_what_could_not_be_sent_can_not_be_tried_out(house):
    await add(house, language="pt", text="{{ b }}{{ a }}", channel="sms")
    faults = await faults_of(render(house, variables={"c": 1}))
    assert [fault.detail[-3:] for fault in faults] == ["'b'", "'a'"]
    full = {"variables": {"a": 1, "b": 2}}
    for fields, pointer in (
        ({"channel": "pigeon"}, "/channel"),
        ({"language": "en"}, "/language"),
        ({"account": "absent"}, "/account"),
        ({"to": "x"}, "/to"),
        ({"variables": {"a": 1, "b": "x" * 2000}}, "/text"),
    ):
        assert await refused(render(house, **full | fields)) == [pointer]


async def test_the_vendors_template_is_shown_filled(open_house):
    async with open_house(capabilities={"templates": True}) as house:
        await add(house, text=None, language="pt", provider_template=VENDORS)
        shown = await render(house, variables={"name": "Ana", "order": 17})
        assert shown.provider_template.variables == {"order": "17", "name": "Ana"}
        assert (shown.text, shown.segments, shown.warnings) == ("", 1, [])
        assert (shown.channel, shown.language) == (None, "pt")
        assert shown.variables == ["order", "name"]
