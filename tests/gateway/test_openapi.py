import re

import jsonschema
import pytest
from litestar.routes import HTTPRoute
from recado_gateway.api import campaigns, schedules, suppressions, templates
from recado_gateway.api.messages import EXAMPLE

SCHEMAS = "#/components/schemas/"
OPERATIONS = "/v1/accounts/main/operations"
RUN = "/v1/accounts/{name}/operations/{operation}"
LIST = "/v1/suppressions"
QUIET = "/v1/do-not-disturb/{name}"
CONVERSATION = "/v1/conversations/{conversation_id}"
CHANGES = [{"status": "done"}, {"agent": None, "status": "new"}, {"agent": "x", "unread": 0}]
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
async def document(client):
    answer = await client.get("/schema/openapi.json", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(document, schema):
    """Return a schema that stands alone: the document's shapes become its definitions."""
    return {**schema, "components": {"schemas": document["components"]["schemas"]}}


async def test_document_is_openapi_31_and_whole(document):
    assert document["openapi"] == "3.1.0"
    assert set(document["info"]) >= {"title", "version"}
    assert set(references(document)) <= {
        SCHEMAS + name for name in document["components"]["schemas"]
    }
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_every_shape_is_used(document):
    assert {name.removeprefix(SCHEMAS) for name in references(document)} == set(
        document["components"]["schemas"]
    )


async def test_every_route_is_described(client, document):
    served = {
        (route.path_format, method.lower())
        for route in client.app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
    }
    described = {(path, method) for path, method, _ in operations(document)}
    itself = {"/schema", "/schema/openapi.json", "/problems/{slug}"}
    assert described == {(p, m) for p, m in served if p not in itself and m in METHODS}


async def test_operations_are_named_once_and_say_what_they_take(document):
    names = []
    for path, _, operation in operations(document):
        names.append(operation["operationId"])
        assert operation["summary"]
        parameters = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
        assert parameters == re.findall(r"\{(\w+)\}", path)
        assert any(status[0] in "23" for status in operation["responses"])
    assert len(set(names)) == len(names)


async def test_calls_that_need_a_key_say_which_scope(document):
    for path, _, operation in operations(document):
        assert bool(operation["security"]) is path.startswith("/v1/")
        assert ("401" in operation["responses"]) is path.startswith("/v1/")


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (CONVERSATION, [{}, *CHANGES], [[], {"agent": 1}, {"status": "open"}, {"unread": 1}]),
        (f"{CONVERSATION}/messages", [{}, {"text": "x"}], [{"to": "x"}, {"text": 1}]),
        (
            "/v1/campaigns",
            [campaigns.EXAMPLE, {"name": "x", "template": "y", "scheduled_at": None}],
            [{}, {"name": 1}, {"name": "x", "to": "y"}, {"name": "x", "category": "spam"}],
        ),
        ("/v1/links", [{"url": "x"}], [{}, {"url": None}, {"url": "x", "code": "y"}]),
        (
            "/v1/sinks/{name}/replay",
            [{}, {"ids": None}, {"ids": ["x"]}],
            [{"ids": [1]}, {"ids": ["x"] * 1001}, {"all": True}],
        ),
        ("/v1/messages", [EXAMPLE, {"to": "x"}], [{}, {"to": 1}, {"to": "x", "other": 1}, []]),
        (
            "/v1/messages/batch",
            [{"messages": [EXAMPLE]}, {"messages": [{"to": "x"}], "defaults": {"text": "y"}}],
            [{"messages": []}, {"messages": [{}]}, {"messages": [EXAMPLE], "other": 1}],
        ),
        (
            "/v1/schedules",
            [schedules.EXAMPLE, {"campaign_id": "x", "scheduled_at": "2199-01-01T09:00:00"}],
            [{"rrule": 1}, {"misfire": "perhaps"}, {"message": {}}, {"other": 1}, []],
        ),
        (
            "/v1/templates",
            [templates.EXAMPLE, {"name": "x", "text": "y", "provider_template": {"name": "z"}}],
            [{}, {"name": 1}, {"name": "x", "body": "y"}, {"name": "x", "variants": [{"a": 1}]}],
        ),
        (
            "/v1/templates/{name}/render",
            [{}, templates.RENDER_EXAMPLE, {"to": "x", "transliterate": True}],
            [{"variables": []}, {"transliterate": "x"}, {"text": "x"}],
        ),
        (
            "/v1/suppressions",
            [suppressions.EXAMPLE, {"document": "x", "expires_at": "2030-01-01T00:00:00Z"}],
            [{"address": 1}, {"address": "x", "reason": "rude"}, {"adress": "x"}, []],
        ),
        (
            "/v1/suppressions/check",
            [suppressions.CHECK_EXAMPLE, {"recipients": [{"address": "x", "document": None}]}],
            [{}, {"recipients": []}, {"recipients": [{}]}, {"recipients": [{"to": "x"}]}],
        ),
        (
            "/v1/api-keys",
            [{"name": "x", "scopes": ["admin"]}],
            [{"name": "x", "scopes": ["root"]}, {"name": "x", "scopes": []}],
        ),
        ("/v1/accounts/{name}/pause", [{}, {"reason": "x"}], [{"cause": "x"}]),
        (RUN, [{}, {"start": "2030-01-01", "list": [1]}], [[], "x"]),
    ],
)
async def test_body_is_described_as_it_is_read(document, path, good, bad):
    methods = document["paths"][path]
    body = methods.get("post", methods.get("patch"))["requestBody"]
    validator = jsonschema.Draft202012Validator(
        resolved(document, body["content"]["application/json"]["schema"])
    )
    assert all(validator.is_valid(one) for one in good)
    assert not any(validator.is_valid(one) for one in bad)


async def test_answers_are_as_described(desk, document):
    client = desk
    sent = await client.post("/v1/messages", json=EXAMPLE)
    path = f"/v1/messages/{sent.json()['id']}"
    batch = await client.post("/v1/messages/batch", json={"messages": [EXAMPLE, {}]})
    key = await client.post("/v1/api-keys", json={"name": "x", "scopes": ["admin"]})
    entry = {"address": "+5511900000001", "reason": "opt_out"}
    asked = {"recipients": [{"address": "+5511900000001"}]}
    answers = [
        ("/v1/messages", "post", sent),
        ("/v1/messages/batch", "post", batch),
        ("/v1/api-keys", "post", key),
        ("/v1/messages", "get", await client.get("/v1/messages")),
        ("/v1/messages", "get", await client.get("/v1/messages?limit=0")),
        ("/v1/messages/{message_id}", "get", await client.get(path)),
        ("/v1/messages/{message_id}/cancel", "post", await client.post(f"{path}/cancel")),
        ("/v1/messages/{message_id}/cancel", "post", await client.post(f"{path}/cancel")),
        ("/v1/accounts", "get", await client.get("/v1/accounts")),
        ("/v1/accounts/{name}", "get", await client.get("/v1/accounts/main")),
        ("/v1/accounts/{name}/balance", "get", await client.get("/v1/accounts/main/balance")),
        ("/v1/accounts/{name}/balance", "get", await client.get("/v1/accounts/plain/balance")),
        ("/v1/accounts/{name}/balance", "get", await client.get("/v1/accounts/troubled/balance")),
        ("/v1/accounts/{name}/verify", "post", await client.post("/v1/accounts/main/verify")),
        ("/v1/accounts/{name}/operations", "get", await client.get(OPERATIONS)),
        (RUN, "post", await client.post(f"{OPERATIONS}/catalogue")),
        (RUN, "post", await client.post(f"{OPERATIONS}/report", json={})),
        *[
            (RUN, "post", await client.post(f"{OPERATIONS}/fail", json={"how": how}))
            for how in ("refused", "account", "busy")
        ],
        (LIST, "post", await client.post(LIST, json=entry)),
        (LIST, "post", await client.post(LIST, json=entry)),
        (LIST, "post", await client.post(LIST, json={})),
        (LIST, "get", await client.get(LIST)),
        (LIST, "get", await client.get(f"{LIST}?limit=0")),
        (f"{LIST}/{{suppression_id}}", "delete", await client.delete(f"{LIST}/absent")),
        (f"{LIST}/import", "post", await client.post(f"{LIST}/import", content=b"+5511900000001")),
        (f"{LIST}/import", "post", await client.post(f"{LIST}/import", content=b"x")),
        (f"{LIST}/import", "post", await client.post(f"{LIST}/import", json={})),
        (f"{LIST}/check", "post", await client.post(f"{LIST}/check", json=asked)),
        ("/v1/consents", "get", await client.get("/v1/consents")),
        (QUIET, "put", await client.put("/v1/do-not-disturb/x", content=b"+5511900000001")),
        (QUIET, "put", await client.put("/v1/do-not-disturb/x", content=b"x")),
        (QUIET, "delete", await client.delete("/v1/do-not-disturb/absent")),
        ("/v1/do-not-disturb", "get", await client.get("/v1/do-not-disturb")),
        *[each async for each in answers_about_conversations(client)],
        *[each async for each in answers_about_campaigns(client)],
        ("/v1/links", "post", await client.post("/v1/links", json={"url": "https://x.example"})),
        ("/v1/links", "post", await client.post("/v1/links", json={"url": "x"})),
        ("/v1/links", "get", await client.get("/v1/links")),
        ("/l/{code}", "get", await client.get("/l/absent")),
        *[each async for each in answers_about_templates(client)],
        *[each async for each in answers_about_schedules(client)],
        ("/v1/sinks", "get", await client.get("/v1/sinks")),
        ("/v1/sinks/{name}", "get", await client.get("/v1/sinks/desk")),
        ("/v1/sinks/{name}", "get", await client.get("/v1/sinks/absent")),
        ("/v1/sinks/{name}/deliveries", "get", await client.get("/v1/sinks/desk/deliveries")),
        ("/v1/sinks/{name}/replay", "post", await client.post("/v1/sinks/desk/replay")),
        ("/sinks/{name}", "post", await client.post("/sinks/absent")),
        ("/sinks/{name}/{path}", "delete", await client.delete("/sinks/absent/x")),
        ("/v1/plugins", "get", await client.get("/v1/plugins")),
        ("/v1/api-keys", "get", await client.get("/v1/api-keys")),
        ("/health/live", "get", await client.get("/health/live")),
        ("/health/ready", "get", await client.get("/health/ready")),
    ]
    for path, method, answer in answers:
        described = document["paths"][path][method]["responses"][str(answer.status_code)]
        content = described["content"][answer.headers["Content-Type"]]
        schema = resolved(document, content["schema"])
        jsonschema.Draft202012Validator(schema).validate(answer.json())


async def answers_about_schedules(client):
    path, one = "/v1/schedules", "/v1/schedules/{schedule_id}"
    for body in (schedules.EXAMPLE, {"rrule": "x"}):
        yield path, "post", await client.post(path, json=body)
    yield path, "get", await client.get(path)
    yield path, "get", await client.get(f"{path}?kind=x")
    (made,) = (await client.get(path)).json()["items"]
    for schedule_id in (made["id"], "absent"):
        found = f"{path}/{schedule_id}"
        yield one, "get", await client.get(found)
        yield one, "patch", await client.patch(found, json={"name": "x"})
        yield f"{one}/occurrences", "get", await client.get(f"{found}/occurrences")
        for control in ("pause", "resume"):
            yield f"{one}/{control}", "post", await client.post(f"{found}/{control}")
    yield one, "patch", await client.patch(f"{path}/{made['id']}", json={"rrule": "x"})


async def answers_about_templates(client):
    path, one = "/v1/templates", "/v1/templates/{name}"
    for body in (templates.EXAMPLE, templates.EXAMPLE, {"name": "x"}):
        yield path, "post", await client.post(path, json=body)
    yield path, "get", await client.get(path)
    vendors = {"provider_template": {"name": "HX1", "variables": ["name"]}, "text": "ação"}
    for name, body in (("x", vendors), ("x", templates.REPLACED_EXAMPLE), ("x", {})):
        yield one, "put", await client.put(f"{path}/{name}", json=body)
    for name in ("x", "absent"):
        yield one, "get", await client.get(f"{path}/{name}")
        for body in (templates.RENDER_EXAMPLE | {"account": "main"}, {}):
            rendered = await client.post(f"{path}/{name}/render", json=body)
            yield f"{one}/render", "post", rendered
    yield one, "delete", await client.delete(f"{path}/absent")


async def answers_about_conversations(client):
    await client.write("oi")
    (found,) = (await client.get("/v1/conversations")).json()["items"]
    path = f"/v1/conversations/{found['id']}"
    for said in ({"agent": "ana@example.com"}, {"status": "done", "unread": 0}, {"agent": ""}):
        yield CONVERSATION, "patch", await client.patch(path, json=said)
    yield CONVERSATION, "patch", await client.patch(path)
    yield CONVERSATION, "get", await client.get(path)
    yield "/v1/conversations", "get", await client.get("/v1/conversations")
    messages = f"{CONVERSATION}/messages"
    yield messages, "post", await client.post(f"{path}/messages", json={"text": "olá"})
    yield messages, "post", await client.post(f"{path}/messages", json={})
    yield messages, "get", await client.get(f"{path}/messages")


async def answers_about_campaigns(client):
    called = "/v1/campaigns"
    made = await client.post(called, json=campaigns.EXAMPLE | {"account": "main"})
    yield called, "post", made
    yield called, "post", await client.post(called, json={"name": ""})
    yield called, "get", await client.get(called)
    one, path = f"{called}/{{campaign_id}}", f"{called}/{made.json()['id']}"
    file = f"{campaigns.FILE_EXAMPLE}12;Rui\r\n".encode()
    for content in (file, b""):
        answer = await client.post(f"{path}/recipients", content=content)
        yield f"{one}/recipients", "post", answer
    yield f"{one}/recipients", "post", await client.post(f"{path}/recipients", json={})
    for act in ("dry-run", "test", "start", "pause", "test", "resume", "cancel", "start"):
        yield f"{one}/{act}", "post", await client.post(f"{path}/{act}")
    for query in ("", "?status=invalid", "?status=x"):
        yield f"{one}/recipients", "get", await client.get(f"{path}/recipients{query}")
    yield one, "get", await client.get(path)
    yield one, "get", await client.get(f"{called}/absent")


async def test_short_link_is_described_as_a_redirection_without_a_body(document):
    described = document["paths"]["/l/{code}"]["get"]
    assert described["security"] == []
    assert described["responses"]["302"]["headers"]["Location"]["required"]
    assert "content" not in described["responses"]["302"]
    assert {"404", "503"} <= set(described["responses"])


async def test_calls_of_business_systems_need_no_key_and_may_have_any_body(document):
    for path in ("/sinks/{name}", "/sinks/{name}/{path}"):
        methods = document["paths"][path]
        assert set(methods) == {"post", "get", "delete"}
        assert methods["post"]["requestBody"] == {"required": False, "content": {"*/*": {}}}
        for method, described in methods.items():
            assert described["security"] == []
            assert ("requestBody" in described) is (method == "post")
            assert {"200", "404", "413"} <= set(described["responses"])
            assert "the sink says" in described["description"].lower()


async def test_answer_that_is_no_json_is_described_by_its_types(client, document):
    described = document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    for wanted in described:
        answer = await client.get("/metrics", headers={"Accept": wanted})
        assert answer.headers["Content-Type"].startswith(f"{wanted}; ")
        assert described[wanted]["schema"] == {"type": "string"}


async def test_file_is_described_by_the_types_that_are_taken(client, document):
    for path, method, sent in [
        (f"{LIST}/import", "post", f"{LIST}/import"),
        (QUIET, "put", "/v1/do-not-disturb/x"),
    ]:
        operation = document["paths"][path][method]
        content = operation["requestBody"]["content"]
        assert "application/json" not in content
        example = content["text/csv"]["example"].encode()
        for media_type, described in content.items():
            assert described["schema"] == {"type": "string"}
            headers = {"Content-Type": media_type}
            answer = await client.request(method, sent, content=example, headers=headers)
            assert answer.status_code == 200, answer.text
        assert {"413", "415", "422", "507"} <= set(operation["responses"])


async def test_operation_leads_to_its_schemas(document):
    described = document["paths"][RUN]["post"]
    assert "`GET /v1/accounts/{name}/operations`" in described["description"]
    assert described["requestBody"]["required"] is False


async def test_times_are_described_as_times(document):
    shapes = document["components"]["schemas"]
    for name, field in [
        ("AcceptedMessage", "created_at"),
        ("Draft", "scheduled_at"),
        ("DraftDefaults", "expires_at"),
        ("MessageView", "status_at"),
        ("EventView", "time"),
        ("ApiKey", "last_used_at"),
        ("NewSuppression", "expires_at"),
        ("CheckReason", "until"),
        ("ConsentView", "time"),
    ]:
        schema = shapes[name]["properties"][field]
        assert any(one.get("format") == "date-time" for one in schema.get("anyOf", [schema]))


async def test_creating_calls_take_an_idempotency_key(document):
    creating = {
        operation["operationId"]
        for _, _, operation in operations(document)
        if any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", []))
    }
    assert creating == {
        "send_message",
        "send_batch",
        "resend_message",
        "reply_in_conversation",
        "add_link",
        "add_schedule",
        "add_template",
        "add_suppression",
        "create_campaign",
        "create_key",
    }


# ---------------------------------------------------------------- the page


async def test_page_shows_every_call_and_loads_nothing(client, document):
    answer = await client.get("/schema", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = re.sub(r"<pre>[^<]*</pre>", "", answer.text)  # in examples there may be addresses
    assert not re.findall(r"<(?:script|link|img|iframe|object|embed|base|form)\b", page)
    assert not re.findall(r"\bsrc=|@import|url\(|//", page.replace("<!--", ""))
    assert all(address[0] in "/#" for address in re.findall(r'href="([^"]*)"', page))
    for path, _, operation in operations(document):
        assert path in page
        assert f'id="{operation["operationId"]}"' in page


async def test_links_of_the_page_lead_somewhere(client):
    page = (await client.get("/schema")).text
    marks = set(re.findall(r'id="([^"]+)"', page))
    for address in set(re.findall(r'href="([^"]+)"', page)):
        if address.startswith("#"):
            assert address[1:] in marks
        else:
            assert (await client.get(address)).status_code == 200


async def test_kind_of_problem_that_is_not_there_is_not_found(client):
    assert (await client.get("/problems/absent")).status_code == 404
