import logging

import pytest
from recado_core import RecadoError
from recado_gateway.problems import INTERNAL, all_kinds, kind_of

MESSAGE = {"to": "+5511900000001", "text": "oi"}
PROBLEM_KEYS = {"type", "title", "status", "detail"}


async def test_every_failure_is_a_problem_with_its_own_page(client):
    answers = [
        await client.get("/v1/nowhere"),
        await client.get("/"),
        await client.put("/v1/messages", json=MESSAGE),
        await client.post("/v1/messages", content=b"{"),
        await client.post("/v1/messages", data={"to": "x"}),
        await client.post("/v1/messages", json={}),
        await client.get("/v1/messages", headers={"Authorization": ""}),
        await client.get("/v1/messages", headers={"Host": "a b"}),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 405, 400, 415, 422, 401, 400]
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert set(problem) - {"errors"} == PROBLEM_KEYS
        assert problem["status"] == answer.status_code
        assert all(problem[key] for key in PROBLEM_KEYS)
        page = await client.get(problem["type"])
        assert page.status_code == 200
        assert problem["title"] in page.text


async def test_method_that_is_not_allowed_is_told_which_are(client):
    answer = await client.delete("/v1/messages")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST", "OPTIONS"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"to": }',
        b"\xff\xfe",
        b'{"to": "\xff"}',
        b'{"to": "x"} trailing',
        b'{"metadata": ' + b"[" * 100_000,
        b'{"metadata": {"a": ' + b"[" * 100_000,
        b'{"to": "\\ud800"}',
        b'{"messages": [{"to": "\xff", "text": "oi"}]}',
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch", "/v1/api-keys"])
async def test_body_that_is_no_json_is_malformed_or_invalid(client, path, body):
    answer = await client.post(path, content=body)
    assert answer.status_code in {400, 422}
    assert answer.json()["type"] in {"/problems/malformed-body", "/problems/invalid"}


@pytest.mark.parametrize("depth", [200, 940, 960, 980, 50_000])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch"])
async def test_deep_nesting_is_no_failure_of_our_own(client, path, depth):
    body = b'{"to": "+5511900000001", "text": "oi", "metadata": {"a": %b}}' % (
        b"[" * depth + b"]" * depth
    )
    if path.endswith("batch"):
        body = b'{"messages": [%b]}' % body
    answer = await client.post(path, content=body)
    assert answer.status_code in {202, 400, 422}, answer.text
    assert (await client.get("/v1/messages")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Content-Type": "application/json"}, 202),
        ({"Content-Type": "APPLICATION/JSON; charset=utf-8"}, 202),
        ({"Content-Type": "application/vnd.shop+json"}, 202),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, 202),
        ({"Content-Type": "text/json"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/jsonp"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
)
async def test_body_must_not_claim_to_be_something_else_than_json(client, headers, status):
    body = b'{"to": "+5511900000001", "text": "oi"}'
    answer = await client.post("/v1/messages", content=body, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "limit"), [("/v1/messages", 1), ("/v1/api-keys", 1), ("/v1/messages/batch", 16)]
)
@pytest.mark.parametrize("announced", [True, False])
async def test_body_beyond_the_limit_is_refused(client, path, limit, announced):
    size = limit * 1024 * 1024

    async def parts():
        for _ in range(size // 65536):
            yield b" " * 65536
        yield b"{"

    body = b" " * (size + 1) if announced else parts()
    answer = await client.post(path, content=body)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"


async def test_body_that_comes_in_parts_is_read_whole(client):
    async def parts():
        for part in (b'{"to": "+551190', b"", b'0000001", "text"', b': "oi"}'):
            yield part

    assert (await client.post("/v1/messages", content=parts())).status_code == 202


# ---------------------------------------------------------------- the request's id


async def test_every_answer_bears_an_id_of_its_own(client):
    paths = ["/v1/messages", "/nowhere", "/health/live", "/schema", "/v1/messages?limit=0"]
    found = [(await client.get(path)).headers["X-Request-Id"] for path in paths]
    assert len(set(found)) == len(paths)


@pytest.mark.parametrize("sent", ["a", "01JD-7.8_9", "abc:def/ghi+jkl=@", "x" * 128])
async def test_sane_id_of_the_client_comes_back(client, sent):
    answer = await client.get("/nowhere", headers={"X-Request-Id": sent})
    assert answer.headers["X-Request-Id"] == sent


@pytest.mark.parametrize("sent", ["", " ", "a b", "x" * 129, "<script>", "ção"])
async def test_other_id_of_the_client_is_replaced(client, sent):
    answer = await client.get("/nowhere", headers={b"X-Request-Id": sent.encode("latin-1")})
    assert answer.headers["X-Request-Id"] not in {sent, ""}


# ---------------------------------------------------------------- failures of our own


@pytest.fixture
def broken(client, monkeypatch):
    """The engine fails as it never should; the text is what must not get out."""

    async def fail(*_):
        raise RuntimeError("the secret of +5511900000001")

    monkeypatch.setattr(client.engine.messages, "get", fail)
    monkeypatch.setattr(client.engine.receive, "webhook", fail)
    return client


async def test_failure_of_our_own_tells_the_client_nothing_but_the_id(broken):
    answer = await broken.get("/v1/messages/x", headers={"X-Request-Id": "abc"})
    assert answer.status_code == 500
    assert answer.headers["X-Request-Id"] == "abc"
    assert answer.json()["type"] == "/problems/internal"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_failure_of_our_own_is_logged_with_the_id_and_without_a_token(broken, caplog):
    path = broken.engine.accounts.webhook_path("main")
    with caplog.at_level(logging.ERROR):
        await broken.post(path, headers={"X-Request-Id": "abc"})
    (record,) = caplog.records
    assert record.request_id == "abc"
    assert record.exc_info
    assert path.rpartition("/")[2] not in str(vars(record))


async def test_call_goes_on_after_one_that_failed(broken):
    await broken.get("/v1/messages/x")
    assert (await broken.post("/v1/messages", json=MESSAGE)).status_code == 202


# ---------------------------------------------------------------- the table


def subclasses(kind):
    return {kind} | {below for child in kind.__subclasses__() for below in subclasses(child)}


def test_only_what_no_request_can_cause_is_a_failure_of_our_own():
    rooms = ("recado_core.errors", "recado_core.engine.", "recado_gateway.failures")
    ours = {error for error in subclasses(RecadoError) if error.__module__.startswith(rooms)}
    assert {error.__name__ for error in ours if kind_of(error.__new__(error)) is INTERNAL} == {
        "RecadoError",
        "AddressError",  # the engine makes a DraftError of it, and of the next
        "ContentError",
        "MissingVariableError",  # one of the latter
        "ConfigurationError",  # stops the start, as do the next two
        "PluginNotInstalledError",
        "SchemaError",
        "WebhookError",  # only its children are raised, and of the next
        "RequestError",
    }


def test_kinds_are_told_apart_by_their_ends():
    slugs = [kind.slug for kind in all_kinds()]
    assert len(set(slugs)) == len(slugs) > 15
