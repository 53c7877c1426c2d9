"""Whatever a client sends, the answer is one that the documentation names."""

import base64
import csv
import io

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIELDS = [
    "to", "channel", "text", "template", "variables", "account", "sender_id", "reference",
    "category", "priority", "scheduled_at", "expires_at", "document", "metadata", "media", "other",
]  # fmt: skip
WORDS = st.sampled_from(
    [
        "+5511900000001",
        "sms",
        "main",
        "oi {{ name }}",
        "{{",
        "{% for a in b %}",
        "otp",
        "2030-01-01T09:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "\x00",
        "🙂",
    ]
)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text() | WORDS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
LIKELY = st.fixed_dictionaries(
    {"to": st.just("+5511900000001") | SCALARS, "text": st.just("oi") | SCALARS},
    optional=dict.fromkeys([*FIELDS[3:], "channel"], JSON),
)
DRAFTS = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6) | LIKELY | JSON
DOCUMENTED = {202, 400, 422}

fuzzed = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def encode(value):
    return msgspec.json.encode(value)


@fuzzed
@given(draft=DRAFTS)
async def test_any_json_to_messages_is_taken_or_refused(client, draft):
    answer = await client.post("/v1/messages", content=encode(draft))
    assert answer.status_code in DOCUMENTED, answer.text


@fuzzed
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
async def test_any_bytes_to_messages_are_refused(client, body):
    answer = await client.post("/v1/messages", content=body)
    assert answer.status_code in {400, 422}, answer.text


@fuzzed
@given(
    body=st.fixed_dictionaries(
        {"messages": st.lists(DRAFTS, max_size=4) | JSON}, optional={"defaults": DRAFTS}
    )
    | JSON
)
async def test_any_json_to_batch_is_taken_or_refused(client, body):
    answer = await client.post("/v1/messages/batch", content=encode(body))
    assert answer.status_code in DOCUMENTED, answer.text


RULE_PARTS = st.sampled_from(
    [
        *[f"FREQ={each}" for each in ("YEARLY", "WEEKLY", "HOURLY", "MINUTELY", "SECONDLY")],
        *["INTERVAL=2", "INTERVAL=9999", "COUNT=10000", "COUNT=2", "UNTIL=99981231T235959Z"],
        *["BYMONTH=2", "BYMONTHDAY=30", "BYMONTHDAY=-1", "BYDAY=MO", "BYDAY=-5SU", "BYHOUR=23"],
        *["BYMINUTE=0,59", "BYSECOND=59", "BYSETPOS=-1", "BYWEEKNO=53", "BYYEARDAY=366", "WKST=SU"],
    ]
)
RULES = st.lists(RULE_PARTS, min_size=1, max_size=6, unique=True).map(";".join)
TIMES = st.datetimes().map(lambda at: at.isoformat()) | WORDS
SCHEDULE = {
    "rrule": RULES | WORDS | JSON,
    "starts_at": TIMES | JSON,
    "until": TIMES | JSON,
    "scheduled_at": TIMES | JSON,
    "timezone": st.sampled_from(["America/New_York", "Pacific/Apia", "UTC", "x"]) | JSON,
    "misfire": st.sampled_from(["send", "skip"]) | JSON,
    "name": WORDS | JSON,
    "message": DRAFTS,
    "campaign_id": WORDS | JSON,
}


@fuzzed
@given(
    body=st.fixed_dictionaries(
        {"message": st.just({"to": "+5511900000001", "text": "oi"}), "rrule": RULES},
        optional={name: SCHEDULE[name] for name in ("starts_at", "until", "timezone", "name")},
    )
    | st.fixed_dictionaries({}, optional=SCHEDULE)
    | JSON
)
async def test_any_json_to_schedules_is_taken_or_refused(client, body):
    answer = await client.post("/v1/schedules", content=encode(body))
    assert answer.status_code in {201, 400, 422}, answer.text
    if answer.status_code == 201:
        path = f"/v1/schedules/{answer.json()['id']}"
        assert (await client.get(f"{path}/occurrences")).json()["items"]
        changed = await client.patch(path, content=encode(body))
        assert changed.status_code in {200, 422}, changed.text
        assert (await client.get(path)).status_code == 200


@fuzzed
@given(
    body=st.fixed_dictionaries(
        {"address": st.just("+5511900000001") | SCALARS},
        optional=dict.fromkeys(
            ["document", "channel", "category", "reason", "source", "expires_at", "other"],
            WORDS | JSON,
        ),
    )
    | JSON
)
async def test_any_json_to_suppressions_is_taken_or_refused(client, body):
    answer = await client.post("/v1/suppressions", content=encode(body))
    assert answer.status_code in {200, 201, 400, 422}, answer.text


@fuzzed
@given(
    body=st.fixed_dictionaries(
        {
            "recipients": st.lists(
                st.fixed_dictionaries(
                    {"address": SCALARS}, optional={"document": SCALARS, "other": JSON}
                ),
                max_size=4,
            )
            | JSON
        },
        optional={"channel": SCALARS, "category": SCALARS},
    )
    | JSON
)
async def test_any_json_to_the_checks_is_answered_or_refused(client, body):
    answer = await client.post("/v1/suppressions/check", content=encode(body))
    assert answer.status_code in {200, 400, 422}, answer.text


@fuzzed
@given(
    change=st.dictionaries(
        st.sampled_from(["status", "agent", "unread", "other"]),
        st.sampled_from(["new", "current", "done", "ana@example.com", 0]) | WORDS | JSON,
        max_size=3,
    )
    | JSON,
    reply=st.dictionaries(
        st.sampled_from(["text", "template", "variables", "category", "metadata", "media", "to"]),
        WORDS | JSON,
        max_size=4,
    )
    | JSON,
)
async def test_any_json_to_a_conversation_is_taken_or_refused(client, change, reply):
    if client.written == 0:
        await client.write("oi")
    (found,) = (await client.get("/v1/conversations")).json()["items"]
    path = f"/v1/conversations/{found['id']}"
    answer = await client.patch(path, content=encode(change))
    assert answer.status_code in {200, 400, 422}, answer.text
    answer = await client.post(f"{path}/messages", content=encode(reply))
    assert answer.status_code in DOCUMENTED, answer.text


@fuzzed
@given(body=st.fixed_dictionaries({"url": st.text().map("https://example.com/".__add__)}) | JSON)
async def test_any_json_to_links_is_taken_or_refused_and_can_be_followed(client, body):
    answer = await client.post("/v1/links", content=encode(body))
    assert answer.status_code in {201, 400, 422}, answer.text
    if answer.is_success:
        answer = await client.get(f"/l/{answer.json()['code']}")
        assert answer.status_code == 302, answer.text
        assert answer.headers["Location"].startswith("https://example.com/")


VENDORS = st.fixed_dictionaries({"name": st.text()}, optional={"language": JSON, "variables": JSON})
VARIANT_FIELDS = {
    "text": st.just("oi {{ name }}") | WORDS | SCALARS,
    "channel": st.just("sms") | SCALARS,
    "language": st.just("pt-BR") | SCALARS,
    "provider_template": VENDORS | JSON,
}
VARIANTS = st.fixed_dictionaries({}, optional=VARIANT_FIELDS)
TEMPLATES = st.fixed_dictionaries(
    {}, optional=VARIANT_FIELDS | {"variants": st.lists(VARIANTS, max_size=3), "description": JSON}
)
RENDERINGS = st.dictionaries(
    st.sampled_from(["variables", "channel", "language", "account", "to", "category", "other"]),
    st.dictionaries(st.just("name"), SCALARS) | WORDS | JSON,
    max_size=4,
)


@fuzzed
@given(name=st.just("x") | st.text(), body=TEMPLATES | JSON, how=RENDERINGS | JSON)
async def test_any_json_to_templates_is_taken_or_refused_and_can_be_used(client, name, body, how):
    new = body | {"name": name} if isinstance(body, dict) else body
    answer = await client.post("/v1/templates", content=encode(new))
    assert answer.status_code in {201, 400, 409, 422}, answer.text
    answer = await client.put("/v1/templates/x", content=encode(body))
    assert answer.status_code in {200, 201, 400, 422}, answer.text
    if answer.is_success:
        assert (await client.get("/v1/templates/x")).json() == answer.json()
        rendered = await client.post("/v1/templates/x/render", content=encode(how))
        assert rendered.status_code in {200, 400, 422}, rendered.text
        draft = {"to": "+5511900000001", "account": "main", "template": "x"}
        variables = dict.fromkeys(answer.json()["variables"], "\u00e7")
        sent = await client.post("/v1/messages", json=draft | {"variables": variables})
        assert sent.status_code in DOCUMENTED, sent.text


@fuzzed
@given(
    body=st.dictionaries(
        st.sampled_from(["ids", "other"]), st.lists(SCALARS, max_size=4) | JSON, max_size=2
    )
    | JSON
)
async def test_any_json_to_a_replay_is_taken_or_refused(desk, body):
    for path in ("replay", "deliveries/replay"):
        answer = await desk.post(f"/v1/sinks/desk/{path}", content=encode(body))
        assert answer.status_code in {200, 400, 422}, answer.text


@fuzzed
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT", "PATCH"]),
    path=st.lists(st.binary(max_size=8), max_size=4),
    query=st.binary(max_size=20),
    said=st.binary(max_size=60),
)
async def test_any_call_to_a_sink_is_answered(desk, method, path, query, said):
    called = "/".join("".join(f"%{byte:02x}" for byte in part) for part in path)
    asked = "".join(f"%{byte:02x}" for byte in query)
    for name in ("desk/x", "mute", "absent"):
        answer = await desk.request(
            method,
            f"/sinks/{name}/{called}?{asked}",
            content=said,
            headers={b"X-Desk": said, b"Content-Type": said, b"Authorization": said},
        )
        assert answer.status_code in {200, 404, 405}, answer.text


CAMPAIGNS = st.fixed_dictionaries(
    {"name": st.just("Spring") | SCALARS, "text": st.just("oi {{ name }}") | SCALARS},
    optional=dict.fromkeys(
        [*FIELDS[3:], "channel", "throttle", "language", "transliterate", "job"], WORDS | JSON
    ),
)


@fuzzed
@given(body=CAMPAIGNS | JSON)
async def test_any_json_to_campaigns_is_taken_or_refused(client, body):
    answer = await client.post("/v1/campaigns", content=encode(body))
    assert answer.status_code in {201, 400, 422}, answer.text


@fuzzed
@given(
    file=st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: text.encode("utf-16"))
    | st.lists(JSON.map(encode) | st.text(max_size=20).map(str.encode), max_size=4).map(b"\n".join)
    | st.lists(
        st.fixed_dictionaries({"to": st.just("+5511900000001") | SCALARS, "name": JSON}), max_size=3
    ).map(lambda rows: b"\n".join(map(encode, rows))),
    media_type=st.sampled_from(["text/csv", "application/x-ndjson", "text/plain"]),
)
async def test_any_file_of_recipients_is_taken_or_refused_and_told_of(client, file, media_type):
    made = await client.post("/v1/campaigns", json={"name": "x", "text": "oi", "account": "main"})
    path = f"/v1/campaigns/{made.json()['id']}"
    headers = {"Content-Type": media_type}
    answer = await client.post(f"{path}/recipients", content=file, headers=headers)
    assert answer.status_code in {200, 422}, answer.text
    rows = answer.json()["rows"] if answer.is_success else 0
    told = (await client.get(f"{path}/recipients")).json()["items"]
    assert len(told) == rows
    export = await client.get(f"{path}/results.csv")
    assert len(list(csv.reader(io.StringIO(export.text, newline="")))) == rows + 1
    for act in ("dry-run", "start"):
        answer = await client.post(f"{path}/{act}")
        assert answer.status_code in {200, 409}, answer.text
    await client.post(f"{path}/cancel")


@fuzzed
@given(
    query=st.dictionaries(
        st.sampled_from(["status", "name", "schedule_id", "limit", "cursor", "x"]),
        st.sampled_from(["running", "invalid", "sent"]) | st.text() | WORDS,
        max_size=3,
    ),
    name=st.binary(max_size=40),
)
async def test_any_question_for_campaigns_is_answered_or_refused(client, query, name):
    made = await client.post("/v1/campaigns", json={"name": "x", "text": "oi"})
    for path in ("/v1/campaigns", f"/v1/campaigns/{made.json()['id']}/recipients"):
        answer = await client.get(path, params=query)
        assert answer.status_code in {200, 422}, answer.text
    path = "".join(f"%{byte:02x}" for byte in name) or "x"
    for method, what in (("GET", ""), ("GET", "/results.csv"), ("POST", "/start")):
        answer = await client.request(method, f"/v1/campaigns/{path}{what}")
        assert answer.status_code in {200, 404, 405}, answer.text


LINES = st.sampled_from(
    [
        "address,reason,expires_at\n",
        "telefone;motivo;validade\n",
        "+5511900000001,opt_out,2099-01-01\n",
        "(11) 90000-0001;SAIR;31/12/9999\n",
        '"+5511900000001\n',
        "sep=;\n",
        "\ufeff",
        ",,,,\n",
        "0001-01-01T00:00+14:00\t\n",
    ]
)


@fuzzed
@given(
    body=st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: text.encode("utf-16"))
    | st.lists(LINES | st.text(max_size=20), max_size=6).map(lambda lines: "".join(lines).encode()),
    query=st.dictionaries(
        st.sampled_from(["channel", "category", "reason", "source", "expires_at", "x"]),
        st.text() | WORDS,
        max_size=3,
    ),
)
async def test_any_file_is_taken_or_refused(client, body, query):
    answer = await client.post("/v1/suppressions/import", content=body, params=query)
    assert answer.status_code in {200, 422}, answer.text
    answer = await client.put("/v1/do-not-disturb/national", content=body)
    assert answer.status_code in {200, 422}, answer.text


@fuzzed
@given(name=st.binary(max_size=40))
async def test_any_name_of_a_list_or_an_entry_is_answered(client, name):
    path = "".join(f"%{byte:02x}" for byte in name) or "x"
    for method, call in [("DELETE", "suppressions"), ("DELETE", "do-not-disturb")]:
        answer = await client.request(method, f"/v1/{call}/{path}")
        assert answer.status_code in {204, 404, 405}, answer.text
    answer = await client.put(f"/v1/do-not-disturb/{path}", content=b"+5511900000001")
    assert answer.status_code in {200, 404, 405, 422}, answer.text


@fuzzed
@given(
    name=st.sampled_from(["report", "catalogue", "block", "echo"]),
    request=st.dictionaries(
        st.sampled_from(["start", "end", "statuses", "asked_at", "phones", "words", "limits"]),
        st.lists(SCALARS) | st.sampled_from(["2030-01-01", "2030-01-02"]) | JSON,
        max_size=4,
    )
    | JSON,
)
async def test_any_json_to_an_operation_is_taken_or_refused(client, name, request):
    path = f"/v1/accounts/main/operations/{name}"
    answer = await client.post(path, content=encode(request))
    assert answer.status_code in {200, 422}, answer.text


@fuzzed
@given(
    query=st.dictionaries(
        st.sampled_from(
            ["status", "direction", "to", "since", "until", "limit", "cursor", "batch_id", "x"]
        ),
        st.text() | WORDS | st.integers().map(str),
        max_size=4,
    )
)
async def test_any_query_is_answered_or_refused(client, query):
    answer = await client.get("/v1/messages", params=query)
    assert answer.status_code in {200, 422}, answer.text


@fuzzed
@given(
    query=st.dictionaries(
        st.sampled_from(
            ["address", "document", "channel", "category", "reason", "source", "limit", "cursor"]
        ),
        st.text() | WORDS | st.integers().map(str),
        max_size=4,
    )
)
async def test_any_question_for_suppressions_is_answered_or_refused(client, query):
    for path in ("/v1/suppressions", "/v1/consents"):
        answer = await client.get(path, params=query)
        assert answer.status_code in {200, 422}, answer.text


@fuzzed
@given(
    query=st.dictionaries(
        st.sampled_from(
            ["status", "state", "agent", "account", "channel", "address", "limit", "cursor"]
        ),
        st.sampled_from(["new", "dead", "pending"]) | st.text() | WORDS | st.integers().map(str),
        max_size=4,
    )
)
async def test_any_question_for_conversations_links_or_deliveries_is_answered(desk, query):
    for path in ("/v1/conversations", "/v1/links", "/v1/sinks/desk/deliveries"):
        answer = await desk.get(path, params=query)
        assert answer.status_code in {200, 422}, answer.text


@fuzzed
@given(packed=st.binary(max_size=60) | JSON.map(encode))
async def test_any_cursor_is_answered_or_refused(desk, packed):
    cursor = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    for path in (
        "/v1/conversations",
        "/v1/links",
        "/v1/schedules",
        "/v1/sinks/desk/deliveries",
        "/v1/messages",
    ):
        answer = await desk.get(path, params={"cursor": cursor})
        assert answer.status_code in {200, 422}, answer.text


@fuzzed
@given(name=st.binary(max_size=40))
async def test_any_name_of_a_link_a_conversation_or_a_sink_is_answered(desk, name):
    path = "".join(f"%{byte:02x}" for byte in name) or "x"
    for called in (f"/l/{path}", f"/v1/conversations/{path}", f"/v1/sinks/{path}"):
        answer = await desk.get(called)
        assert answer.status_code in {200, 404}, answer.text


@fuzzed
@given(name=st.binary(max_size=40), value=st.binary(max_size=40))
async def test_any_path_and_header_is_answered(client, name, value):
    path = "/v1/messages/" + "".join(f"%{byte:02x}" for byte in name)
    answer = await client.get(
        path,
        headers={
            b"X-Request-Id": value,
            b"Idempotency-Key": value,
            b"Authorization": b"Bearer " + value,
        },
    )
    assert answer.status_code in {401, 404}, answer.text
