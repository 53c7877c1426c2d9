"""``recado templates``, run in this process on a store of its own."""

import io
import json
import sys

import pytest
from recado_gateway.cli import main

WELCOME = "Oi, {{ name }}! Sua promoção {{ code|default('') }} " + "x" * 50
WHOLE = {
    "description": "Says hello",
    "variants": [
        {"channel": "sms", "language": "pt-BR", "text": "Oi, {{ name }}!"},
        {
            "language": "en",
            "text": "Hi, {{ name }}!",
            "provider_template": {"name": "HX1", "language": "en_US", "variables": ["name"]},
        },
    ],
}


@pytest.fixture(autouse=True)
def folder(workplace, gateway):
    """Stand in a folder with a configuration, a store and a price."""
    assert gateway.path.parent == workplace
    text = gateway.path.read_text("utf-8")
    said = 'price = "0.08"\n\n[accounts.plain]'
    gateway.path.write_text(text.replace("[accounts.plain]", said), "utf-8")
    return workplace


def ask(capsys, *arguments, code=0):
    """Run a command with ``--json`` and return what it answers."""
    assert main(["templates", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def read(capsys, *arguments):
    """Run a command and return what it prints, line by line."""
    assert main(["templates", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def complaint(capsys, *arguments, code=1):
    """Run a command that ends with this code; return the one line that says why."""
    assert main(["templates", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def write(folder, name, content):
    path = folder / name
    path.write_text(content, "utf-8")
    return str(path)


def test_text_of_a_file_becomes_a_template_and_is_changed(capsys, folder):
    path = write(folder, "welcome.txt", f"\ufeff{WELCOME}\r\n")
    assert read(capsys, "set", "welcome", path) == ["welcome made"]
    write(folder, "welcome.txt", "Olá,\n{{ name }}!\n")
    changed = ask(capsys, "set", "welcome", path, "--language", "pt", "--description", "d")
    assert (changed["text"], changed["language"]) == ("Olá,\n{{ name }}!", "pt")
    assert ask(capsys, "show", "welcome") == changed
    assert ask(capsys, "list")["items"] == [changed]


def test_text_comes_from_standard_input_too(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Oi!\n"))
    assert ask(capsys, "set", "hi", "-", "--channel", "sms")["text"] == "Oi!"


def test_whole_template_comes_from_a_json_file(capsys, folder):
    path = write(folder, "welcome.json", json.dumps(WHOLE))
    read(capsys, "set", "welcome", path)
    lines = read(capsys, "show", "welcome")
    assert [line.split()[0] for line in lines[:2]] == ["name", "description"]
    assert any(line.split() == ["sms", "pt-BR", "Oi,", "{{", "name", "}}!"] for line in lines)
    assert any("HX1 en_US (name)" in line for line in lines)
    head, line = read(capsys, "list")
    assert head.split()[:2] == ["name", "for"]
    assert "sms pt-BR; en" in line


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "{{ name", "text: is no template"),
        ("a.txt", "\n", "text: is empty"),
        ("a.json", "{", "a.json: no JSON"),
        ("a.json", '{"txt": "a"}', "a.json: /txt: unknown field"),
        ("a.json", '{"variants": [{"text": "{% if %}"}]}', "variants/0/text: is no template"),
        ("a.json", '{"name": "other", "text": "a"}', "name: is not 'x'"),
    ],
)
def test_file_that_holds_no_template_is_refused_in_one_line(capsys, folder, name, content, said):
    assert said in complaint(capsys, "set", "x", write(folder, name, content))
    assert ask(capsys, "list")["items"] == []


def test_file_that_can_not_be_read_is_named(capsys, folder):
    assert "absent.txt" in complaint(capsys, "set", "x", "absent.txt")
    (folder / "latin.txt").write_bytes("ação".encode("latin-1"))
    assert "latin.txt: not to be read as UTF-8" in complaint(capsys, "set", "x", "latin.txt")
    path = write(folder, "a.json", "{}")
    assert "--" not in complaint(capsys, "set", "x", path, "--language", "pt", code=2)


def test_template_is_deleted_once(capsys, folder):
    read(capsys, "set", "hi", write(folder, "hi.txt", "Oi"))
    assert read(capsys, "delete", "hi") == ["hi deleted"]
    for command in ("delete", "show", "render"):
        assert complaint(capsys, command, "hi") == "recado: there is no template 'hi'"


def test_templates_are_listed_page_by_page(capsys, folder):
    path = write(folder, "hi.txt", "Oi")
    for name in ("a", "b", "c"):
        read(capsys, "set", name, path)
    page = ask(capsys, "list", "--limit", "2")
    assert [item["name"] for item in page["items"]] == ["c", "b"]
    rest = ask(capsys, "list", "--cursor", page["next_cursor"])
    assert [item["name"] for item in rest["items"]] == ["a"]
    assert "--limit" in complaint(capsys, "list", "--limit", "0", code=2)


def test_template_is_tried_out_with_its_price_and_a_warning(capsys, folder):
    read(capsys, "set", "welcome", write(folder, "a.txt", WELCOME))
    arguments = ["render", "welcome", "--variable", "name=Ana", "--account", "main"]
    assert main(["templates", *arguments]) == 0
    said = capsys.readouterr()
    assert "Oi, Ana! Sua promoção" in said.out
    assert "2 (ucs2, 73 characters)" in said.out
    assert "0.16" in said.out
    warning, cheaper = said.err.splitlines()
    assert "ç, ã" in warning
    assert "1 of gsm7: Oi, Ana! Sua promocao" in cheaper
    shown = ask(capsys, *arguments, "--transliterate")
    assert (shown["encoding"], shown["cost"], shown["warnings"]) == ("gsm7", "0.08", [])
    assert complaint(capsys, "render", "welcome") == (
        "recado: variables: a variable is missing: 'name'"
    )


def test_message_is_sent_by_a_template(capsys, folder):
    read(capsys, "set", "welcome", write(folder, "a.txt", "Olá, {{ name }}, até já ç"))
    to = ["send", "--to", "+5511900000001", "--account", "main", "--template", "welcome"]
    assert main([*to, "--variable", "name=Ana", "--transliterate", "--json"]) == 0
    accepted = json.loads(capsys.readouterr().out)
    assert accepted["encoding"] == "gsm7"
    assert main(["messages", "show", accepted["id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "Ola, Ana, até ja c"
    assert main(to) == 1
    assert "--variables: a variable is missing: 'name'" in capsys.readouterr().err
    assert main([*to, "--text", "x"]) == 2
