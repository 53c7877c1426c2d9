"""Whatever a client sends, the answer is one that the documentation names."""

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
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
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
