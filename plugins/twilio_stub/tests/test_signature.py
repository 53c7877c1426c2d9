"""Our signatures and the official library's are the same, and each refuses what the other does."""

import hashlib
import json
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import ReceiverContext, Secret, WebhookRefusedError, WebhookRequest
from recado_twilio_stub.settings import Settings
from recado_twilio_stub.webhooks import TwilioReceiver, sign
from twilio.request_validator import RequestValidator

AUTH_TOKEN = "a-token-of-nobody"
VALIDATOR = RequestValidator(AUTH_TOKEN)
FORM = "application/x-www-form-urlencoded; charset=UTF-8"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.sampled_from(["Body", "From", "To", "MediaUrl0", "MessageSid", "a", "ação", "b b"])
fields = st.lists(st.tuples(names | texts.filter(bool), texts), max_size=8)
hosts = st.sampled_from(["example.com", "gateway.example.com", "127.0.0.1", "localhost"])
ports = st.none() | st.integers(1, 65535) | st.sampled_from([80, 443, 8000])
segments = st.lists(texts.filter(bool).map(lambda text: quote(text, safe="")), max_size=3)
queries = st.lists(st.tuples(names, texts), max_size=3)


@st.composite
def urls(draw):
    scheme, host, port = draw(st.sampled_from(["http", "https"])), draw(hosts), draw(ports)
    path = "/".join(["", "webhooks", *draw(segments)])
    query = urlencode(draw(queries))
    return f"{scheme}://{host}{f':{port}' if port else ''}{path}{f'?{query}' if query else ''}"


class Parameters(dict):
    """Repeated parameters as the official library takes them from Django and Flask."""

    def __init__(self, pairs):
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getlist(self, name):
        return self[name]


def make_receiver(auth_token=AUTH_TOKEN):
    settings = Settings(account_sid="AC1", auth_token=Secret(auth_token), sender="+15005550006")
    return TwilioReceiver(ReceiverContext(account="twilio", settings=settings))


def form_request(url, pairs, signature):
    headers = {"content-type": FORM, "x-twilio-signature": signature}
    return WebhookRequest(url=url, headers=headers, query={}, body=urlencode(pairs).encode())


def accepts(request):
    try:
        make_receiver().authenticate(request)
    except WebhookRefusedError:
        return False
    return True


def with_port(url):
    parts = urlsplit(url)
    port = {"http": 80, "https": 443}[parts.scheme]
    return url if parts.port else parts._replace(netloc=f"{parts.netloc}:{port}").geturl()


def without_port(url):
    parts = urlsplit(url)
    return parts._replace(netloc=parts.hostname).geturl()


@given(urls(), fields)
def test_signature_is_the_official_one(url, pairs):
    assert sign(url, pairs, AUTH_TOKEN) == VALIDATOR.compute_signature(url, Parameters(pairs))


@given(urls(), fields)
def test_what_we_sign_both_accept(url, pairs):
    signature = sign(url, pairs, AUTH_TOKEN)
    assert VALIDATOR.validate(url, Parameters(pairs), signature)
    assert accepts(form_request(url, pairs, signature))


@given(urls(), fields, st.sampled_from([str, with_port, without_port]))
def test_what_the_official_library_signs_we_accept(url, pairs, spelling):
    signature = VALIDATOR.compute_signature(spelling(url), Parameters(pairs))
    assert VALIDATOR.validate(url, Parameters(pairs), signature)
    assert accepts(form_request(url, pairs, signature))


@given(urls(), fields, st.tuples(names, texts))
def test_added_parameter_is_refused_by_both(url, pairs, added):
    signature = sign(url, pairs, AUTH_TOKEN)
    tampered = [*pairs, added]
    if set(tampered) == set(pairs) or added == ("", ""):
        return
    same = sign(url, tampered, AUTH_TOKEN) == signature  # a name and value that join alike
    assert VALIDATOR.validate(url, Parameters(tampered), signature) is same
    assert accepts(form_request(url, tampered, signature)) is same


@given(urls(), urls(), fields)
def test_another_address_is_accepted_only_where_the_official_library_does(url, other, pairs):
    signature = sign(url, pairs, AUTH_TOKEN)
    official = VALIDATOR.validate(other, Parameters(pairs), signature)
    assert accepts(form_request(other, pairs, signature)) is official


@given(urls(), fields, st.text(max_size=40))
def test_invented_signature_is_refused(url, pairs, signature):
    if signature == sign(url, pairs, AUTH_TOKEN):
        return
    assert not accepts(form_request(url, pairs, signature))


@given(urls(), fields)
def test_signature_of_another_token_is_refused_by_both(url, pairs):
    signature = sign(url, pairs, "another-token")
    assert not VALIDATOR.validate(url, Parameters(pairs), signature)
    assert not accepts(form_request(url, pairs, signature))


def test_absent_signature_is_refused():
    request = form_request("https://example.com/webhooks", [("Body", "oi")], "")
    headers = {"content-type": FORM}
    with pytest.raises(WebhookRefusedError):
        make_receiver().authenticate(msgspec.structs.replace(request, headers=headers))


def test_repeated_parameter_counts_once_for_each_value():
    url, pairs = "https://example.com/", [("A", "2"), ("A", "1"), ("A", "2")]
    official = VALIDATOR.compute_signature(url, Parameters(pairs))
    assert sign(url, pairs, AUTH_TOKEN) == official == sign(url, pairs[:2], AUTH_TOKEN)


@pytest.mark.parametrize(
    ("signed", "called"),
    [
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"),
        ("https://[2001:db8::1]:443/x", "https://[2001:db8::1]/x"),
        ("https://example.com:99999/x", "https://example.com:99999/x"),
        ("https://example.com/x?", "https://example.com/x?"),
    ],
)
def test_address_that_the_official_library_misreads_is_accepted(signed, called):
    pairs = [("Body", "oi")]
    assert accepts(form_request(called, pairs, sign(signed, pairs, AUTH_TOKEN)))


# ---------------------------------------------------------------- JSON


def json_request(url, body, signature):
    headers = {"content-type": "application/json", "x-twilio-signature": signature}
    return WebhookRequest(url=url, headers=headers, query={}, body=body)


@given(urls(), texts, st.booleans())
def test_json_is_accepted_by_the_digest_in_its_address(url, text, tampered):
    body = json.dumps({"text": text}, ensure_ascii=False)
    url += f"{'&' if '?' in url else '?'}bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    signature = VALIDATOR.compute_signature(url, {})
    sent = body + " " * tampered
    assert VALIDATOR.validate(url, sent, signature) is not tampered
    assert accepts(json_request(url, sent.encode(), signature)) is not tampered


def test_json_whose_digest_is_not_signed_is_refused():
    url = "https://example.com/webhooks"
    body = b'{"text": "oi"}'
    digest = hashlib.sha256(body).hexdigest()
    signature = sign(url, [], AUTH_TOKEN)
    assert not accepts(json_request(f"{url}?bodySHA256={digest}", body, signature))


def test_json_without_a_digest_is_refused_though_its_address_is_signed():
    url = "https://example.com/webhooks"
    assert not accepts(json_request(url, b"{}", sign(url, [], AUTH_TOKEN)))


def test_form_that_is_no_text_is_refused():
    url = "https://example.com/webhooks"
    request = form_request(url, [], sign(url, [], AUTH_TOKEN))
    assert accepts(request)
    assert not accepts(msgspec.structs.replace(request, body=b"\xff\xfe"))
