import json

import pytest
from recado_kolmeya.refusals import is_json, make_fit, named_messages, read_refusal, tells_no_credit


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
        ("código 422 em 16/11/2025 14:30:00", "código 422 em 16/11/2025 14:30:00"),
        ("limite 1000", "limite 1000"),
        ("https://k.test/hook?t=abc", "***"),
        ('"https:\\/\\/k.test\\/hook?t=abc"', '"***"'),
    ],
)
def test_numbers_and_secrets_are_hidden(text, fit):
    assert make_fit(text, ["https://k.test/hook?t=abc"]) == fit


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
