"""Web campaigns: pause and play, their reports, their webhooks, and starting one for a test."""

from functools import partial
from uuid import uuid4

from msgspec import Struct

from recado_kolmeya.simulator import periods
from recado_kolmeya.simulator.answers import Answer, RefusedError, json_answer, message
from recado_kolmeya.simulator.calls import Call
from recado_kolmeya.simulator.catalogues import BROKER, reais, segment_of
from recado_kolmeya.simulator.clock import stamp
from recado_kolmeya.simulator.phones import FINAL_CODES, Ending, digits_of, magic_ending, national
from recado_kolmeya.simulator.reports import INVALID_TEXTS, PRODUCT
from recado_kolmeya.simulator.state import (
    DELIVERED,
    FINAL,
    FIRST_CAMPAIGN,
    REJECTED,
    SENT,
    Campaign,
    CampaignMessage,
    Click,
    Invalid,
    Reply,
)
from recado_kolmeya.simulator.webhooks import REJECTION, STATUS_TEXTS, CampaignBody
from recado_kolmeya.simulator.world import World

WEEK = 7 * 24 * 3600
TYPES = {
    1: "INVALID_RECORD",
    2: "STATUS",
    3: "REPLY",
    4: "SHORTENER",
    5: "REJECTED_BY_HOMOLOGATION",
    6: "REJECTED",
}
INVALID_RECORD, STATUS, REPLY, SHORTENER, BY_HOMOLOGATION, BY_CLIENT = TYPES
LOST = {
    Ending.INVALID: 7,
    Ending.INVALID_CODE: 8,
    Ending.DUPLICATE: 9,
    Ending.NOT_DISTURB: 10,
    Ending.BLACKLISTED: 11,
}
BROWSER = "Mozilla/5.0 (Linux; Android 14)"
ADDRESS = "192.0.2.1"  # RFC 5737: no real machine


class NewMessage(Struct, forbid_unknown_fields=True):
    """One line of a campaign's file."""

    phone: int | str
    message: str
    name: str = ""
    cpf: int = 0
    custom_data: dict[str, str] = {}


class NewCampaign(Struct, forbid_unknown_fields=True):
    """A campaign as a person would start it on the vendor's web page."""

    messages: list[NewMessage]
    name: str = "Campanha"
    webhook_url: str | None = None
    tenant_segment_id: int | None = None


def start(world: World, new: NewCampaign) -> Campaign:
    """Start a campaign."""
    state, now = world.state, world.clock.now()
    campaign = Campaign(
        id=FIRST_CAMPAIGN + len(state.campaigns) + 1,
        name=new.name,
        webhook_url=new.webhook_url,
        segment=new.tenant_segment_id,
        created=now,
        messages=[],
        invalids=[],
    )
    for each in new.messages:
        _take(world, campaign, each)
    state.campaigns[campaign.id] = campaign
    state.balance -= world.switches.unit_price * len(campaign.messages)
    if campaign.invalids:
        _tell(world, campaign, INVALID_RECORD, [_lost(each) for each in campaign.invalids])
    world.schedule.at(now + world.switches.sent_delay, partial(_send_on, world, campaign))
    world.schedule.at(now + world.switches.final_delay, partial(_finish, world, campaign))
    return campaign


def _take(world: World, campaign: Campaign, new: NewMessage) -> None:
    phone = national(new.phone)
    ending = magic_ending(phone)
    code = 7 if not phone else LOST.get(ending, 0)
    if not code and phone in world.state.blacklist.phones:
        code = LOST[Ending.BLACKLISTED]
    if not code and any(each.phone == phone for each in campaign.messages):
        code = LOST[Ending.DUPLICATE]
    if code:
        lost = Invalid(phone=digits_of(new.phone), code=code, created=campaign.created)
        campaign.invalids.append(lost)
        return
    campaign.messages.append(
        CampaignMessage(
            id=str(uuid4()),
            phone=phone,
            text=new.message,
            name=new.name,
            cpf=new.cpf,
            custom_data=new.custom_data,
            final=FINAL_CODES.get(ending, DELIVERED),
        )
    )


def _send_on(_world: World, campaign: Campaign) -> None:
    if not campaign.paused and not campaign.finished:
        for each in campaign.messages:
            each.code = SENT


def _finish(world: World, campaign: Campaign) -> None:
    if campaign.paused or campaign.finished:
        return
    campaign.finished = True
    for each in campaign.messages:
        each.code = each.final
    told = [each for each in campaign.messages if each.code in STATUS_TEXTS]
    if told:
        data = [
            {**_who(each), "code": each.code, "message": STATUS_TEXTS[each.code]} for each in told
        ]
        _tell(world, campaign, STATUS, data)


def reject(world: World, campaign: Campaign, *, by_homologation: bool) -> None:
    """Let a campaign fail the review, Kolmeya's or the client's own."""
    campaign.finished = True
    for each in campaign.messages:
        if each.code not in FINAL:
            each.code = REJECTED
    text = REJECTION if by_homologation else "Campanha rejeitada."
    kind = BY_HOMOLOGATION if by_homologation else BY_CLIENT
    _tell(world, campaign, kind, {"message": text})


def receive_reply(world: World, campaign: Campaign, each: CampaignMessage, text: str) -> Reply:
    """Take the answer of one phone of a campaign."""
    reply = Reply(
        id=str(uuid4()),
        text=text,
        received=world.clock.now(),
        message_id=each.id,
        phone=each.phone,
        original=each.text,
        job=campaign.id,
        parameters=each.custom_data,
        sent=campaign.created,
    )
    world.state.replies.append(reply)
    _tell(world, campaign, REPLY, [{**_who(each), "reply": text}])
    return reply


def click(world: World, campaign: Campaign, each: CampaignMessage, *, is_robot: bool) -> Click:
    """Open the short link of one message of a campaign."""
    opened = Click(
        job=campaign.id,
        job_created=campaign.created,
        segment=segment_of(world.switches, campaign.segment)[0],
        phone=each.phone,
        name=each.name,
        message=each.text,
        is_robot=is_robot,
        accessed=world.clock.now(),
    )
    world.state.clicks.append(opened)
    _tell(world, campaign, SHORTENER, [{**_who(each), "useragent": BROWSER, "ip": ADDRESS}])
    return opened


def _who(each: CampaignMessage) -> dict[str, object]:
    return {"id": each.id, "fullphone": each.phone, "custom_data": each.custom_data or []}


def _lost(each: Invalid) -> dict[str, object]:
    return {
        "id": str(uuid4()),
        "fullphone": each.phone,
        "custom_data": [],
        "code": each.code,
        "message": INVALID_TEXTS[each.code],
    }


def _tell(world: World, campaign: Campaign, kind: int, data: object) -> None:
    body = CampaignBody(
        job_id=campaign.id,
        job_name=campaign.name,
        type=kind,
        type_description=TYPES[kind],
        data=data,
        timestamp=int(world.clock.now()),
    )
    world.webhooks.post(campaign.webhook_url, body)


def pause(world: World, call: Call) -> Answer:
    """Pause a campaign that is still sending; a finished one cannot be found any more."""
    campaign = _running(world, call)
    campaign.paused = True
    return json_answer({"message": "Job pausado"})


def play(world: World, call: Call) -> Answer:
    """Let a paused campaign go on."""
    campaign = _running(world, call)
    if campaign.paused:
        campaign.paused = False
        moment = world.clock.now() + world.switches.final_delay
        world.schedule.at(moment, partial(_finish, world, campaign))
    return json_answer({"message": "Job reiniciado"})


def _running(world: World, call: Call) -> Campaign:
    campaign = world.state.campaigns.get(int(call.argument))
    if campaign is None or campaign.finished:
        text = f"No query results for model [App\\Models\\SmsJob] {call.argument}"
        raise RefusedError(message(text, 404))
    return campaign


def jobs(world: World, _call: Call) -> Answer:
    """List the campaigns of the last seven days; the description types the list as a text."""
    since = world.clock.now() - WEEK
    rows = [
        {"id": each.id, "created": stamp(each.created), "approved": stamp(each.created)}
        for each in world.state.campaigns.values()
        if each.created >= since
    ]
    if world.switches.report_form == "documented":
        return json_answer({"jobs": ", ".join(str(row["id"]) for row in rows)})
    return json_answer({"jobs": rows})


def quantity_jobs(world: World, call: Call) -> Answer:
    """Sum up the campaigns of a month; clients have read both a bare list and ``jobs``."""
    fields = call.fields()
    first, end = periods.month(fields, world.clock.local())
    fields.check()
    rows = [
        _summary(world, each)
        for each in world.state.campaigns.values()
        if first <= each.created < end
    ]
    documented = world.switches.report_form == "documented"
    return json_answer(rows if documented else {"jobs": rows})


def _summary(world: World, campaign: Campaign) -> dict[str, object]:
    codes = [each.code for each in campaign.messages]
    lost = [each.code for each in campaign.invalids]
    state = world.state
    began = stamp(campaign.created)
    counts = {
        "total_arquivo": len(codes) + len(lost),
        "validos": len(codes),
        "enviados": sum(code >= SENT for code in codes),
        "entregues": codes.count(DELIVERED),
        "nao_entregues": sum(code in FINAL and code != DELIVERED for code in codes),
        "respostas": sum(reply.job == campaign.id for reply in state.replies),
        "acessos": sum(each.job == campaign.id for each in state.clicks),
        "invalidos_telefones": lost.count(7),
        "invalidos_anatel": lost.count(8),
        "historico_negativo": 0,
        "duplicados": lost.count(9),
        "nao_perturbe": lost.count(10),
        "score_baixa_probabilidade": 0,
        "score_media_probabilidade": 0,
        "score_alta_probabilidade": 0,
        "blacklist": lost.count(11),
    }
    return {
        "job": campaign.id,
        "enviado_por": "Simulador",
        "aprovado_por": "Simulador",
        "produto": PRODUCT,
        "centro_custo": segment_of(world.switches, campaign.segment)[1],
        "broker": BROKER,
        "api": BROKER,
        "canal": PRODUCT,
        "somente_whatsapp": "Não",
        "remover_historico": "Não",
        "remover_duplicados": "Sim",
        "score_faixa_selecionada": "",
        **{name: str(count) for name, count in counts.items()},
        "arquivo": f"{campaign.name}.csv",
        "mensagem": campaign.messages[0].text if campaign.messages else "",
        "envio": began,
        "inicio_processamento": began,
        "fim_processamento": began,
        "tempo_processamento": "00:00:00",
        "data_hora_inicio": began,
        "valor_pago": reais(world.switches.unit_price * len(codes)),
    }
