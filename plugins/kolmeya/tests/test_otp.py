from time import process_time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import (
    AccountError,
    Category,
    ContentError,
    InDoubtError,
    OutboundMessage,
    Outcome,
    Status,
    TransientSendError,
)
from recado_core.testing import make_id
from recado_kolmeya.otp import find_forbidden
from recado_kolmeya.provider import check_message
from recado_kolmeya.settings import PhoneStyle
from recado_kolmeya.simulator.switches import Fault, FaultKind

from .bench import batch, magic, message, open_gateway

LINKS = [
    "https://exemplo.com/entrar",
    "HTTP://EXEMPLO",
    "Confirme em recado://entrar",
    "veja www.exemplo",
    "WWW2.exemplo.com",
    "Seu código está em exemplo.com.br",
    "exemplo.com",
    "EXEMPLO.COM.BR",
    "Entre em Exemplo.com.",
    "Exemplo.Com",
    "Código 1234 (exemplo.net)",
    "1234.exemplo.com",
    "123.com.br",
    "exemplo.com.Obrigado",
    "bit.ly/3abc",
    "t.me/exemplo",
    "acr.ux/9f",
    "ajuda@exemplo.com.br",
    "ação.com.br",
    "exemplo\u200b.com",
    "exemplo．com",  # noqa: RUF001  # a full-width stop, which phones read as one
    "sub-dominio.exemplo.app:8443",
    "exemplo.Com/x",
    "99.com/abc",
    "123.me/abc",
    "4x4.co/a",
    "exemplo.com:8443/a",
    "acesse 192.168.0.1/login",
    "192.168.0.1:8080/login",
    "exemplo.ai",
    "exemplo.vip",
    "exemplo.top",
    "exemplo.digital",
    "exemplo.com.vc",
    "nota.as/noite",  # what only looks like one
    "a1b2.io",
]
TOLL_FREE = [
    "0800 123 4567",
    "0800-123-4567",
    "0800.123.4567",
    "08001234567",
    "0800 123456",
    "0800 7070 500",
    "0800 - 123 4567",
    "(0800) 123-4567",
    "0-800-123-4567",
    "+55 0800 123 4567",
    "5508001234567",
    "0800/591 0123",
    "0800:5910123",
    "0800: 591 0123",
    "0800 12-34-56",
    "Dúvidas: 0800\N{NO-BREAK SPACE}123\N{EN DASH}4567.",
]
HARMLESS = [
    "",
    "1234",
    "Seu código é 1234.Não o informe a ninguém.",
    "Seu codigo: 1234.Com validade de 5 min",
    "Seu codigo: 1234.com validade de 5 min",
    "Seu código.Com ele você entra",
    "SEU CODIGO E 1234.SE NAO FOI VOCE, IGNORE",
    "Nao foi voce?1234.me avise",
    "Compra de R$1.500,00 aprovada.Use 1234",
    "v1.2",
    "Recado v1.2.3: 991234",
    "às 10.30h do dia 01.02.2026",
    "Ltda. e S.A. pedem 1234",
    "Sim/Não: 1234 e/ou 5678",
    "use 1234:5678//ok",
    "ligue 4004 1234",
    "código 08001234",
    "código 0800",
    "0800 é o seu código. Vale até 10/12",
    "10800123456",
    "080012345678901",
    "Ola...com calma: 1234",
    "Ola Joao.me avise se nao foi voce",
    "Dr.Silva/Dra.Souza: 1234",
    "1234 tel.cel/fixo",
    "Resp.Tecnico/Adm: 1234",
    "Empresa LTDA.ME: 1234",
    "Token:AB12.CO",
    "Validade:5min.us",
    "seu codigo 0800 vale ate 12.12.25",
    "codigo 0800 12.12.25",
    "codigo 0800: 12/12/2025",
    "codigo 12.Ou/e",
    "A senha e aB.cD/eF",
    "acesso de 8.8.8.8",
    "exemplo.me",
    "exemplo.photos/x",
]
TEXTS = {"link": "Entre em www.exemplo.com: 1234", "number": "1234. Dúvidas: 0800 123 4567"}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def code_for(to, text="Seu código é 1234"):
    return message(to, text, category=Category.OTP)


@pytest.mark.parametrize("text", LINKS)
def test_link_is_found(text):
    assert find_forbidden(text) == "a link"


@pytest.mark.parametrize(
    "ending", ["com", "net", "org", "br", "io", "ly", "gl", "app", "link", "site", "info"]
)
def test_ending_that_people_know_makes_a_link(ending):
    assert find_forbidden(f"exemplo.{ending}") == "a link"


@pytest.mark.parametrize("text", TOLL_FREE)
def test_number_that_costs_the_caller_nothing_is_found(text):
    assert find_forbidden(text) == "an 0800 number"


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_let_through(text):
    assert find_forbidden(text) is None


@given(st.sampled_from([*LINKS, *TOLL_FREE]), st.text("áb1 .,:!?\n"), st.text("áb1 .,:!?\n"))
def test_what_stands_around_hides_nothing(forbidden, before, after):
    assert find_forbidden(f"{before} {forbidden} {after}") is not None


@given(st.from_regex(r"[0-9]{4,8}", fullmatch=True), st.text("abcãé ,!?()\n", max_size=40))
def test_code_alone_is_never_forbidden(code, words):
    assert find_forbidden(f"{words} {code}. {words}") is None


@pytest.mark.parametrize(
    "part",
    ["a", "a.", "a-", "1.", "1 ", "www", "://", "a.b", "com.", "0800", "0 8", "㏂", "ﷺ", "/"],
)
def test_time_grows_as_the_text_does(part):
    # Processor time, which other programs do not add to; 100 times as much, were it by the square.
    def seconds(count):
        started = process_time()
        find_forbidden(part * count)
        return process_time() - started

    once = min(seconds(4_000) for _ in range(5))
    assert min(seconds(40_000) for _ in range(3)) < 50 * once


@given(st.text())
def test_any_text_is_judged(text):
    assert find_forbidden(text) in {None, "a link", "an 0800 number"}


@pytest.mark.parametrize("text", TEXTS.values())
def test_forbidden_text_is_refused_at_accept_for_codes_alone(text):
    refused = OutboundMessage(id=make_id(), to="+5511900000001", text=text, category=Category.OTP)
    with pytest.raises(ContentError, match=r"otp with (a link|an 0800 number)"):
        check_message(refused)
    for category in (Category.TRANSACTIONAL, Category.MARKETING):
        check_message(msgspec.structs.replace(refused, category=category))


# ---------------------------------------------------------------- against the simulator


@pytest.mark.parametrize("style", PhoneStyle)
async def test_code_goes_by_store_token_and_is_told_like_any_other(style):
    settings = {"phone_style": style, "sms_api_id": 47, "segment": 109}
    sent = batch(code_for("+5511900000001"))
    async with open_gateway(settings) as gateway:
        (result,) = await gateway.provider.send(sent)
        found = await gateway.provider.lookup(sent)
        await gateway.bench.advance(10)
        (told,) = gateway.received()
        (polled,) = await gateway.provider.poll_statuses(sent.reference)
        calls = gateway.bench.simulator.world.state.calls
        assert (calls["/v1/sms/store-token"], calls["/v1/sms/store"]) == (1, 0)
    assert result.outcome is Outcome.ACCEPTED
    assert found.results == (result,)
    assert told == polled
    assert (told.message_id, told.provider_ref) == (sent.messages[0].id, result.provider_ref)
    assert told.status is Status.DELIVERED


async def test_code_goes_where_nobody_else_may_disturb():
    async with open_gateway(not_disturb=(11900000001,)) as gateway:
        (code,) = await gateway.provider.send(batch(code_for("+5511900000001")))
        (other,) = await gateway.provider.send(batch(message("+5511900000001")))
    assert code.outcome is Outcome.ACCEPTED
    assert (other.outcome, other.code) == (Outcome.SUPPRESSED, "not_disturb")


@pytest.mark.parametrize("text", TEXTS.values())
@pytest.mark.parametrize("to", ["+5511900000001", "+12025550123"])
async def test_unfit_code_is_refused_without_a_call(text, to):
    async with open_gateway() as gateway:
        (result,) = await gateway.provider.send(batch(code_for(to, text)))
        assert not gateway.bench.simulator.world.state.calls
    assert result.outcome is Outcome.REJECTED
    assert result.code == ("content" if to.startswith("+55") else "address")


@pytest.mark.parametrize("form", ["status", "invalids"])
async def test_what_only_kolmeya_finds_unfit_is_refused_in_its_words(form):
    text = "1234.com validade de 5 min"  # a link to the simulator
    async with open_gateway(forbidden_text=form) as gateway:
        (result,) = await gateway.provider.send(batch(code_for("+5511900000001", text)))
    assert (result.outcome, result.code) == (Outcome.REJECTED, "invalid")
    assert result.text == "A mensagem não pode conter links ou telefones 0800."


@pytest.mark.parametrize("lists", ["list", "object", "null"])
@pytest.mark.parametrize("ending", [10, 11, 13, 14])
async def test_refused_code_is_told_by_every_form_of_list(ending, lists):
    async with open_gateway(lists=lists) as gateway:
        (result,) = await gateway.provider.send(batch(code_for(magic(ending))))
    assert result.outcome is (Outcome.SUPPRESSED if ending == 11 else Outcome.REJECTED)
    assert result.suppression == ("blacklist" if ending == 11 else None)


async def test_codes_that_come_together_still_go_in_one_call():
    sent = batch(code_for("+5511900000001"), code_for("+5511900000002"), message("+5511900000003"))
    async with open_gateway() as gateway:
        results = await gateway.provider.send(sent)
        calls = gateway.bench.simulator.world.state.calls
        assert (calls["/v1/sms/store-token"], calls["/v1/sms/store"]) == (0, 1)
    assert [result.outcome for result in results] == [Outcome.ACCEPTED] * 3


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("accepts", [True, False])
async def test_lookup_tells_after_every_fault_whether_the_code_was_taken(kind, accepts):
    fault = Fault(kind=kind, next=1, path="sms/store-token", accepts=accepts)
    sent = batch(code_for("+5511900000001"))
    async with open_gateway(faults=(fault,), timeout_seconds=0.01) as gateway:
        with pytest.raises((InDoubtError, TransientSendError)):
            await gateway.provider.send(sent)
        found = await gateway.provider.lookup(sent)
    assert found.found is accepts
    assert [result.message_id for result in found.results] == [sent.messages[0].id] * accepts


@pytest.mark.parametrize("form", ["message", "errors"])
async def test_blocked_account_sends_no_code(form):
    async with open_gateway(tenant_blocked=True, error_form=form) as gateway:
        with pytest.raises(AccountError, match="Tenant blocked"):
            await gateway.provider.send(batch(code_for("+5511900000001")))
