"""All calls and answers against the vendor's own description, where that lies beside us."""

import pytest
from recado_kolmeya.simulator.routes import OPERATIONS, TRY_WEBHOOK

from .description import (
    DESCRIPTION,
    MISSING,
    REQUEST,
    Deviation,
    answer_deviations,
    described_paths,
    described_statuses,
    find_path,
    request_deviations,
)
from .matrix import accounts, operations, sending, webhooks
from .matrix.scenes import SCENES
from .matrix.stage import START, make_switches, open_stage

pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason=MISSING)

MODULES = (accounts, operations, sending, webhooks)  # in which the scenes are
DOCUMENTED = {
    "lists": "object",
    "duplicates_key": False,
    "balance_form": "decimal",
    "report_form": "documented",
    "replies_per_page": 1,  # so that there is a next page
}
FULL_SETTINGS = {"sms_api_id": 47, "segment": 109, "tenant_id": 12}

STORES = ("/v1/sms/store", "/v1/sms/store-token")
ROWS = ("/v1/sms/reports/statuses", "/v1/sms/reports/statuses/{jobId}")
REPLIES = ("/v1/sms/replys", "/v1/sms/replys-web")


def deviations(path, body, *places):
    return {Deviation(path, body, place, what) for place, what in places}


def merge(sets):
    return set().union(*sets)


# What the plugin sends otherwise than described, and why.
ASKED_OTHERWISE = {
    "the pages of replies are told of and not how to ask for them": merge(
        deviations(path, REQUEST, ("", "unknown page")) for path in REPLIES
    ),
    "its own example has minutes where it says date": deviations(
        "/v1/sms/reports/statuses", REQUEST, ("start_at", "format date"), ("end_at", "format date")
    ),
    "its own example is a date where it says date-time": deviations(
        "/v1/sms/reports/invalid-records", REQUEST, ("date", "format date-time")
    ),
}
# The same, of accounts without and with settings for it.
UNSET_OTHERWISE = {
    "its own text, and live calls, have sms_api_id optional": deviations(
        "/v1/sms/store", REQUEST, ("", "no sms_api_id")
    ),
}
SET_OTHERWISE = {
    "its own text asks for tenant_id": merge(
        deviations(f"/v1/blacklist/{action}", REQUEST, ("", "unknown tenant_id"))
        for action in ("store", "destroy")
    ),
}
# What the simulator answers otherwise than described, as the live service did, unless the switch
# has the value of the documented form.
SEEN_OTHERWISE = {
    "lists": merge(
        [
            deviations(
                STORES[0], 200, ("blacklist", "type object"), ("not_disturb", "type object")
            ),
            deviations(STORES[1], 200, ("blacklist", "type object")),
        ]
    ),
    "duplicates_key": merge(deviations(path, 200, ("", "unknown duplicates")) for path in STORES),
    "report_form": merge(
        [
            *(
                deviations(
                    path,
                    200,
                    ("messages/*/telefone", "type string"),
                    ("messages/*/cpf", "type string"),
                    ("messages/*/parametros", "type array"),
                )
                for path in ROWS
            ),
            deviations("/v1/sms/reports/statuses/{jobId}", 200, ("", "no pagination")),
            deviations("/v1/sms/reports/jobs", 200, ("jobs", "type string")),
            deviations("/v1/sms/reports/quantity-jobs", 200, ("", "type array")),
        ]
    ),
}
# The same in every form.
ANSWERED_OTHERWISE = {
    "no message is on both lists at once, and PHP writes an empty object as a list": merge(
        deviations(path, 200, ("blacklist", "[] for object"), ("not_disturb", "[] for object"))
        for path in STORES
    ),
    "one client saw the number 403 as the error": deviations(
        "/v1/sms/store", 200, ("invalids/*/error", "type string")
    ),
    "an absent reference was seen as null": merge(
        [
            deviations(
                "/v1/sms/store",
                200,
                ("reference", "null for string"),
                ("valids/*/reference", "null for string"),
                ("invalids/*/reference", "null for string"),
            ),
            deviations(
                "/v1/sms/status/request",
                200,
                ("reference", "null for string"),
                ("messages/*/reference", "null for string"),
            ),
            deviations("/v1/sms/status/message", 200, ("reference", "null for string")),
            deviations(
                "/v1/sms/replys",
                200,
                ("data/*/message/reference", "null for string"),
                ("data/*/request/reference", "null for string"),
            ),
        ]
    ),
    "the framework's paginator has no first and last row of an empty page": merge(
        deviations(path, 200, ("from", "null for integer"), ("to", "null for integer"))
        for path in (*REPLIES, "/v1/sms/reports/invalid-records")
    ),
    "its own example of a parameter is none that files must have": deviations(
        "/v1/sms/replys-web",
        200,
        ("data/*/parameters", "no field"),
        ("data/*/parameters", "unknown Nome"),
        ("data/*/parameters", "unknown recado"),
    ),
    "PHP writes an empty object as a list": deviations(
        "/v1/sms/replys-web", 200, ("data/*/parameters", "[] for object")
    ),
    "what comes of an unknown request is not documented": deviations(
        "/v1/sms/status/request", 404, ("", "the status")
    ),
}

# What a described operation refuses with 422, by fields that only a caller gone wrong gives.
BAD_CALLS = {
    "/v1/blacklist/store": {"phones": []},
    "/v1/blacklist/destroy": {"phones": []},
    "/v1/sms/store": {"messages": []},
    "/v1/sms/store-token": {"messages": [{"phone": 11900000001, "message": "1234"}] * 2},
    "/v1/sms/status/request": {},
    "/v1/sms/status/message": {"id": "a", "reference": "b"},
    "/v1/sms/replys": {"period": 169},
    "/v1/sms/replys-web": {"period": 169},
    "/v1/sms/reports/statuses": {"start_at": "2090-01-01T00:00", "limit": 30001},
    "/v1/sms/reports/statuses/{jobId}": {"per_page": 5001},
    "/v1/sms/reports/requests": {"start_at": "2090-01-01", "end_at": "2089-01-01"},
    "/v1/sms/reports/quantity-jobs": {"period": "01/2090"},
    "/v1/sms/reports/invalid-records": {"origin": "sms", "date": "2090-01-02"},
    "/v1/sms/accesses": {"start_at": "2090-01-01", "limit": 5001},
    "/v1/sms/webhook": {"webhook_url": "x"},
}
NOTHING_TO_REFUSE = {("/v1/sms/apis", 422), ("/v1/sms/layouts", 422)}  # they take no fields
PATHS = [*OPERATIONS, TRY_WEBHOOK]
PLAYED = {}


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def play_all(switches, settings=()):
    """Return all calls that the plugin makes, and those of other systems, with their answers."""
    key = (make_switches(**switches), tuple(settings))
    if key not in PLAYED:
        PLAYED[key] = plugins, others = [], []
        for name, scene in SCENES.items():
            if name != "phoneless":  # there the plugin is made to do what it never does
                async with open_stage(key[0], **dict(settings)) as stage:
                    await scene.play(stage)
                    plugins += stage.exchanges
        async with open_stage(key[0], **dict(settings)) as stage:
            others += await call_as_others(stage)
            plugins += stage.exchanges
    return PLAYED[key]


async def call_as_others(stage):
    """Ask where nothing is, and call as systems do that give no references."""
    await stage.run("replys")
    await stage.run("replys-web")
    await stage.run("reports-invalid-records", origin="web", date=START.date().isoformat())
    await stage.run("status-message", reference="of nobody")
    await stage.run("jobs-play", smsJob=77)
    phones = (11900000001, 11999900010, 11999900030)
    messages = [{"phone": phone, "message": "Olá"} for phone in phones]
    stored = await stage.bench.call("v1/sms/store", messages=messages)
    person = {"phone": 11900000001, "message": "Oi"}
    job = (await stage.control("campaigns", messages=[person]))["id"]
    await stage.control("replies", job=job, phone=11900000001, text="Quero")
    await stage.wait()
    answer = stored.json()
    return [
        (each.request, each)
        for each in (
            stored,
            await stage.bench.call("v1/sms/status/request", id=answer["id"]),
            await stage.bench.call("v1/sms/status/message", id=answer["valids"][0]["id"]),
            await stage.bench.call("v1/sms/replys", period=24),
            await stage.bench.call("v1/sms/replys-web", period=24),
        )
    ]


def deviations_asked(exchanges):
    return merge(request_deviations(find_path(asked), asked.content) for asked, _ in exchanges)


def deviations_answered(exchanges):
    return merge(answer_deviations(find_path(asked), answer) for asked, answer in exchanges)


def all_of(*tables):
    return merge(part for table in tables for part in table.values())


def test_every_operation_is_there():
    assert set(described_paths()) == set(PATHS)
    assert all(list(operations) == ["post"] for operations in described_paths().values())


@pytest.mark.parametrize("switches", [{}, DOCUMENTED], ids=["observed", "documented"])
@pytest.mark.parametrize("settings", [{}, FULL_SETTINGS], ids=["plain", "full"])
async def test_plugin_asks_as_described_except_where_it_is_said(switches, settings):
    exchanges, _ = await play_all(switches, settings.items())
    assert {find_path(asked) for asked, _ in exchanges} == set(PATHS)
    assert all(asked.headers["Accept"] == "application/json" for asked, _ in exchanges)
    by_settings = SET_OTHERWISE if settings else UNSET_OTHERWISE
    assert deviations_asked(exchanges) == all_of(ASKED_OTHERWISE, by_settings)


@pytest.mark.parametrize(
    ("switches", "differing"),
    [
        ({}, SEEN_OTHERWISE),
        (DOCUMENTED, {}),
        *(
            ({name: DOCUMENTED[name]}, {k: v for k, v in SEEN_OTHERWISE.items() if k != name})
            for name in DOCUMENTED
        ),
    ],
    ids=["observed", "documented", *DOCUMENTED],
)
async def test_simulator_answers_as_described_except_where_it_is_said(switches, differing):
    plugins, others = await play_all(switches)
    assert deviations_answered(plugins + others) == all_of(differing, ANSWERED_OTHERWISE)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("switches", "token", "status"),
    [({}, "another-token", 401), ({"allowed_ips": ("192.0.2.7",)}, "kolmeya-simulator", 403)],
)
async def test_refusal_of_a_caller_is_as_described(path, switches, token, status):
    headers = {"Authorization": f"Bearer {token}"}
    async with open_stage(make_switches(**switches)) as stage:
        answer = await stage.bench.http.post(_url(path), headers=headers)
    assert answer.status_code == status
    assert set(answer_deviations(path, answer)) == set()


@pytest.mark.parametrize(
    ("path", "switches", "fields", "status"),
    [
        *((path, {}, fields, 422) for path, fields in BAD_CALLS.items()),
        *((path, {"tenant_blocked": True}, {}, 403) for path in STORES),
    ],
)
async def test_refusal_of_a_call_is_as_described(path, switches, fields, status):
    async with open_stage(make_switches(**switches)) as stage:
        answer = await stage.bench.call(_url(path), **fields)
    assert answer.status_code == status
    assert set(answer_deviations(path, answer)) == set()


def _url(path):
    return path[1:].format(jobId=1, smsJob=1)


async def test_every_described_status_is_met():
    met = {(path, 422) for path in BAD_CALLS}
    met |= {(path, status) for path in PATHS for status in (401, 403)}
    plugins, others = await play_all(DOCUMENTED)
    met |= {(find_path(asked), answer.status_code) for asked, answer in plugins + others}
    assert described_statuses() <= met | NOTHING_TO_REFUSE
