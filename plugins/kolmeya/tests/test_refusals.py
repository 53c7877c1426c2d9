import json

import pytest
from recado_kolmeya.masking import make_fit, name_parts, outline, secrets_of
from recado_kolmeya.refusals import is_json, named_messages, read_refusal, tells_no_credit


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "Unauthenticated."}, "Unauthenticated."),
        (
            {"message": "Inválido.", "errors": {"webhook_url": ["não é uma URL", "é longa"]}},
            "Inválido.; webhook_url: não é uma URL; é longa",
        ),
        ({"errors": ['Undefined array key "phone"']}, 'Undefined array key "phone"'),
        ({"errors": "Not found."}, "Not found."),
        ({"error": "x", "details": "y"}, "x"),
        ({"message": "x", "error": "x", "errors": ["x"]}, "x"),
        ({"message": "", "errors": []}, ""),
        ({"code": 7, "why": None}, "code: 7"),
        (["a", "b", ["c"]], "a; b; c"),
        ("a\n b", "a b"),
        (17, "17"),
        (None, ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_error_body_of_every_shape_is_a_text(body, text):
    assert read_refusal(json.dumps(body).encode()) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"Bad Gateway", "Bad Gateway"),
        (
            b"<html><head><title>502 Bad\n Gateway</title></head><body>x</body></html>",
            "502 Bad Gateway",
        ),
        (
            b"<h1>Manuten&ccedil;&atilde;o</h1><script>alert(1)</script><p>volte</p>",
            "Manutenção volte",
        ),
        (b"\xff{", "\ufffd{"),
        (b'{"message": ', '{"message":'),
    ],
)
def test_body_that_is_not_json_is_read_as_a_page(body, text):
    assert read_refusal(body) == text


def test_depth_and_length_of_a_body_do_no_harm():
    assert read_refusal(b"[" * 500 + b'"deep"' + b"]" * 500) == ""
    assert read_refusal(b"[" * 100_000)
    assert len(make_fit(read_refusal(b"<p>" * 100_000 + b"x" * 100_000))) <= 300


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("para 5511900000001.", "para 5511*****0001."),
        ("para +55 (11) 90000-0001", "para 5511*****0001"),
        ("(11) 3000-0001", "113****001"),
        ("11 90000 0001", "119****0001"),
        ("11 9 0000-0001", "119****0001"),
        ("11.90000.0001", "119****0001"),
        ("(11)90000.0001", "119****0001"),
        ("CPF 111.444.777-35 e 111.144.177-35", "CPF 111****7735 e 111****7735"),
        ("de 2025-11-16 14:30 a 16.11.2025 14:30", "de 2025-11-16 14:30 a 16.11.2025 14:30"),
        ("o endereço 192.168.100.101", "o endereço 192.168.100.101"),
        ("código 422 em 16/11/2025 14:30:00", "código 422 em 16/11/2025 14:30:00"),
        ("limite 1000", "limite 1000"),
        ("https://k.test/hook?t=abc", "***"),
        ('"https:\\/\\/k.test\\/hook?t=abc"', '"***"'),
    ],
)
def test_numbers_and_secrets_are_hidden(text, fit):
    assert make_fit(text, ["https://k.test/hook?t=abc"]) == fit


TOKEN = "17|" + "aB3" * 13


@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        TOKEN.replace("|", "&#124;"),
        TOKEN.replace("|", "&#x7C;"),
        TOKEN.replace("|", "&vert;"),
        TOKEN.replace("|", "\\u007c"),
        TOKEN.replace("|", "%7C"),
        TOKEN.partition("|")[2],
    ],
)
def test_token_is_hidden_however_it_is_written(written):
    assert "aB3" not in make_fit(f"Bearer {written}!", secrets_of(TOKEN, ""))


def test_short_words_of_a_token_are_no_secret():
    assert make_fit("o token", secrets_of("17|token", "")) == "o token"


@pytest.mark.parametrize("length", range(230, 300, 7))
def test_secret_is_hidden_before_the_text_is_cut(length):
    assert "aB3" not in make_fit("x" * length + " " + TOKEN, secrets_of(TOKEN, ""))


def test_page_is_cut_within_no_phone():
    for length in range(3985, 4000):
        assert not any(c.isdigit() for c in read_refusal(b"x" * length + b" (11) 90000-0001"))


ANSWER = {
    "nome": {"11900000001": "Maria", "cpf": 11144477735, "ok": True, "none": None},
    "rows": [{"message": "Seu código é 1234"}, {"message": "x"}],
}


OUTLINE = (
    '{"nome": {"…": "…", "cpf": 0, "ok": true, "none": null}, '
    '"rows": [{"message": "…"}, {"message": "…"}]}'
)


def test_outline_holds_no_values():
    body = json.dumps(ANSWER, ensure_ascii=False).encode()
    assert outline(body) == OUTLINE
    assert name_parts(body) == "nome, rows"


def test_outline_of_a_body_that_breaks_off_holds_no_values():
    body = json.dumps(ANSWER, ensure_ascii=False).encode()
    for end in range(1, len(body)):
        shown = outline(body[:end])
        assert not any(word in shown for word in ("Mar", "144", "119", "Seu", "1234"))
        assert name_parts(body[:end]) == "no JSON"


def test_outline_of_what_is_no_json_is_that_of_a_page_alone():
    assert outline(b"<h1>502</h1>") == "<h1>502</h1>"
    assert outline(b"11900000001;Maria") == ""


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b"", "nothing"),
        (b" ", "nothing"),
        (b"[1]", "a list"),
        (b"{}", "an empty object"),
        (b'"Maria"', "a single value"),
        (b"11900000001;Maria", "no JSON"),
        (b"<title>Manuten\xc3\xa7\xc3\xa3o</title>", "Manutenção"),
    ],
)
def test_answer_is_named_by_its_parts(body, parts):
    assert name_parts(body) == parts


def test_long_text_is_cut():
    assert make_fit("x" * 400) == "x" * 299 + "…"


@pytest.mark.parametrize(
    ("errors", "named"),
    [
        ({"messages.3.phone": ["a"]}, {3: "a"}),
        ({"messages.3.phone": ["a"], "messages.0": "b"}, {3: "a", 0: "b"}),
        ({"messages.3.phone": ["a"], "reference": ["b"]}, {}),
        ({"messages": ["a"]}, {}),
        (["messages.3.phone"], {}),
        ("messages.3.phone", {}),
    ],
)
def test_422_names_its_messages_only_where_all_keys_do(errors, named):
    assert named_messages(json.dumps({"errors": errors}).encode()) == named


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message":"x"}', b"null"])
def test_body_without_errors_names_no_message(body):
    assert named_messages(body) == {}


@pytest.mark.parametrize(
    "text",
    [
        "Saldo insuficiente",
        "SALDO DA CONTA INSUFICIENTE",
        "Conta sem crédito",
        "creditos insuficientes",
        "Insufficient funds.",
    ],
)
def test_words_about_the_balance_are_recognised(text):
    assert tells_no_credit(text)


@pytest.mark.parametrize("text", ["", "Telefone inválido", "O campo saldo", "Dados insuficientes"])
def test_other_words_are_not_about_the_balance(text):
    assert not tells_no_credit(text)


def test_json_is_told_from_a_page():
    assert is_json(b'{"errors":["Not found."]}')
    assert not is_json(b"<html>")
