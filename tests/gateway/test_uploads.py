"""Files in bodies: what is taken, what is refused, and that nothing of them is left behind."""

import asyncio
import errno
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from recado_gateway.requests import BODY_LIMIT

IMPORT = "/v1/suppressions/import"
LIST = "/v1/do-not-disturb/national"
UPLOADS = [("POST", IMPORT), ("PUT", LIST)]
FILE = "address\n+5511900000001\n+5511900000002\n"
SEVERAL_SECONDS = 20
MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of temporary files, which is empty at the end of every test."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def limit(client, monkeypatch):
    """Let a file have this many bytes."""

    def put(size):
        for route in client.app.routes:
            for handler in route.route_handlers:
                if route.path_format in {IMPORT, "/v1/do-not-disturb/{name}"}:
                    monkeypatch.setitem(handler.opt, BODY_LIMIT, size)

    return put


async def found(client):
    return [item["address"] for item in (await client.get("/v1/suppressions")).json()["items"]]


async def parts_of(text):
    for start in range(0, len(text), 7):
        yield text[start : start + 7].encode()


# ---------------------------------------------------------------- what is taken


@pytest.mark.parametrize(("method", "path"), UPLOADS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/csv"},
        {"Content-Type": "Text/CSV; charset=utf-8; header=present"},
        {"Content-Type": "application/csv"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/octet-stream", "Content-Encoding": "identity"},
    ],
)
async def test_file_is_taken(client, method, path, headers):
    answer = await client.request(method, path, content=FILE.encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"rows": 2, "added": 2, "changed": 0, "unchanged": 0}


@pytest.mark.parametrize(("method", "path"), UPLOADS)
async def test_file_that_comes_in_parts_is_read_whole(client, method, path):
    answer = await client.request(method, path, content=parts_of(FILE))
    assert answer.json()["added"] == 2


async def test_what_comes_is_on_the_disk_before_the_rest(client, folder):
    sizes = []

    async def parts():
        yield b"address\n"
        for block in range(6):
            numbers = range(block * 20_000, (block + 1) * 20_000)
            yield "".join(f"+5511{900_000_000 + number}\n" for number in numbers).encode()
            sizes.append(sum(file.stat().st_size for file in folder.iterdir()))

    answer = await client.put(LIST, content=parts())
    assert answer.json()["added"] == 120_000
    assert sizes[-1] > MEGABYTE
    assert sizes == sorted(sizes)


async def test_rows_say_what_the_query_leaves_open(client):
    end = (datetime.now(UTC) + timedelta(days=9)).isoformat(timespec="seconds")
    file = (
        "telefone;motivo;cpf\r\n(11) 90000-0001;Descadastro;\r\n(11) 90000-0002;;529.982.247-25\r\n"
    )
    query = f"channel=sms&category=marketing&reason=complaint&source=shop&expires_at={end}"
    answer = await client.post(f"{IMPORT}?{query}", content=file.encode("cp1252"))
    assert answer.status_code == 200, answer.text
    items = (await client.get("/v1/suppressions?source=shop")).json()["items"]
    told = {(item["address"], item["reason"], item["by_document"]) for item in items}
    assert told == {
        ("+5511900000001", "opt_out", False),
        ("+5511900000002", "complaint", True),
    }
    assert {(item["channel"], item["category"]) for item in items} == {("sms", "marketing")}
    ends = {datetime.fromisoformat(item["expires_at"]) for item in items}
    assert ends == {datetime.fromisoformat(end)}


async def test_same_file_again_changes_nothing(client):
    headers = {"Idempotency-Key": "nightly"}
    for expected in ((2, 0), (0, 2)):
        answer = await client.post(IMPORT, content=FILE.encode(), headers=headers)
        told = answer.json()
        assert (told["added"], told["unchanged"]) == expected
        assert "Idempotency-Replayed" not in answer.headers
    assert len(await found(client)) == 2


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("file", "pointer", "detail"),
    [
        (b"", "/1", "line 1: the file is empty"),
        (b"address\n1\n", "/2/address", "line 2, column address: "),
        (b"address\n+5511900000001\n\nx\n", "/4/address", "line 4, column address: "),
        (b'address\n"+5511900000001\n', "/2", "line 2: a quote is never closed"),
        (b"\x00\x01", "/1", "line 1: there is a zero byte"),
        (b"\xff\xfe\x00", "/1", "line 1: the text is not UTF-16"),
        (b"PK\x03\x04\x00\x00", "/1", "line 1: "),
        (b"x" * 60_000, "/1", "line 1: the line has more than 50000 characters"),
        (b"name\nsomebody\n", "/1", "line 1: "),
    ],
)
async def test_broken_file_is_answered_with_its_lines(client, file, pointer, detail):
    for method, path in UPLOADS:
        answer = await client.request(method, path, content=file)
        assert answer.status_code == 422, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert problem["type"] == "/problems/invalid"
        told = [(error["pointer"], error["detail"]) for error in problem["errors"]]
        assert any(where == pointer and what.startswith(detail) for where, what in told), told
    assert await found(client) == []
    assert (await client.get("/v1/do-not-disturb")).json()["items"] == []


async def test_many_faults_are_told_up_to_a_hundred(client):
    file = "address\n" + "x\n" * 250
    errors = (await client.post(IMPORT, content=file.encode())).json()["errors"]
    assert len(errors) == 100
    assert errors[0]["pointer"] == "/2/address"
    assert "there are 150 more" in errors[-1]["detail"]


async def test_no_whole_number_of_the_file_is_told(client):
    answer = await client.post(IMPORT, content=b"address,phones\n+5511900000001x,11912345678\n")
    assert answer.status_code == 422
    assert "912345678" not in answer.text
    assert "900000001" not in answer.text


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("channel=telex", "/channel"),
        ("category=spam", "/category"),
        ("reason=rude", "/reason"),
        (f"source={'x' * 121}", "/source"),
        ("source=%00", "/source"),
        ("expires_at=2001-01-01T00:00:00Z", "/expires_at"),
        ("expires_at=2099-01-01T00:00:00", "/expires_at"),
        ("chanel=sms", "/chanel"),
        ("reason=manual&reason=opt_out", "/reason"),
    ],
)
async def test_bad_parameter_is_refused_by_name(client, query, pointer):
    answer = await client.post(f"{IMPORT}?{query}", content=FILE.encode())
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await found(client) == []


@pytest.mark.parametrize(("method", "path"), UPLOADS)
@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, "Content-Type: text/csv"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "Content-Type: text/csv"),
        ({"Content-Type": "application/json"}, "Content-Type: text/csv"),
        ({"Content-Type": "application/zip"}, "not packed"),
        ({"Content-Type": ""}, "Content-Type: text/csv"),
        ({"Content-Type": "text/csv", "Content-Encoding": "gzip"}, "without a Content-Encoding"),
        ({"Content-Encoding": "br"}, "without a Content-Encoding"),
    ],
)
async def test_form_and_packed_file_are_refused_with_what_to_send(
    client, method, path, headers, said
):
    answer = await client.request(method, path, content=FILE.encode(), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/unsupported-media-type"
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path"), UPLOADS)
async def test_announced_file_beyond_the_limit_is_refused_unread(client, method, path):
    headers = {"Content-Length": str(256 * MEGABYTE + 1)}

    async def unread():
        raise AssertionError("the body is not to be read")
        yield b""

    answer = await client.request(method, path, content=unread(), headers=headers)
    assert answer.status_code == 413
    assert answer.json()["detail"] == f"the body may have {256 * MEGABYTE} bytes at most"


@pytest.mark.parametrize(("method", "path"), UPLOADS)
async def test_file_that_grows_beyond_the_limit_is_refused(client, limit, method, path):
    limit(2 * MEGABYTE)

    async def endless():
        while True:
            yield b"+5511900000001\n" * 5000

    with anyio.fail_after(SEVERAL_SECONDS):
        answer = await client.request(method, path, content=endless())
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"


async def test_file_of_exactly_the_limit_is_taken(client, limit):
    limit(len(FILE))
    assert (await client.post(IMPORT, content=FILE.encode())).status_code == 200
    assert (await client.post(IMPORT, content=FILE.encode() + b"\n")).status_code == 413


# ---------------------------------------------------------------- what goes wrong


async def call(client, path, receive):
    """Call the application as a server does; return the status of its answer."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"inside.test"),
            (b"authorization", client.headers["Authorization"].encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await client.app(scope, receive, send)
    return sent[0]["status"]


async def test_client_that_hangs_up_leaves_nothing(client, folder):
    messages = [{"type": "http.request", "body": b"address\n" * MEGABYTE, "more_body": True}]

    async def receive():
        if messages:
            return messages.pop()
        assert len(list(folder.iterdir())) == 1
        return {"type": "http.disconnect"}

    assert await call(client, IMPORT, receive) == 400


async def test_call_that_is_cut_off_leaves_nothing(client, folder):
    waiting = asyncio.Event()

    async def receive():
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(call(client, IMPORT, receive))
    with anyio.fail_after(SEVERAL_SECONDS):
        await waiting.wait()
        assert len(list(folder.iterdir())) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_import_that_fails_leaves_no_file(client, monkeypatch):
    async def fail(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(client.engine.imports, "suppressions", fail)
    assert (await client.post(IMPORT, content=FILE.encode())).status_code == 500


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_full_disk_is_said(client, monkeypatch, number):
    def fail(*_, **__):
        raise OSError(number, "no room")

    monkeypatch.setattr(Path, "open", fail)
    answer = await client.post(IMPORT, content=FILE.encode())
    assert answer.status_code == 507
    assert answer.json()["type"] == "/problems/storage-full"


async def test_other_failures_of_the_disk_are_our_own(client, monkeypatch, folder):
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "absent"))
    answer = await client.post(IMPORT, content=FILE.encode())
    assert answer.status_code == 500
    assert "absent" not in answer.text
