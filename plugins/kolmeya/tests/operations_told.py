"""For every operation a request, Kolmeya's answers to it as they were seen, and the reply."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import httpx
from msgspec import structs
from recado_kolmeya.operations import (
    accesses,
    blacklist,
    campaigns,
    catalogues,
    invalids,
    quantities,
    replies,
    reports,
    statuses,
    webhooks,
)

REQUEST = "11111111-1111-4111-8111-111111111111"
MESSAGE = "22222222-2222-4222-8222-000000000001"
REPLY = "33333333-3333-4333-8333-333333333333"
HALF_PAST_TWO = datetime(2025, 11, 16, 17, 30, tzinfo=UTC)  # in UTC; in Brasília three hours less
TEXT = "Olá, João! Sua ação nº 3 🎉"


def answer(body, status=200):
    return httpx.Response(status, json=body)


def page_of(rows, number=1, last=1):
    return answer(
        {"current_page": number, "data": rows, "last_page": last, "per_page": 1, "total": last}
    )


def api_reply(number):
    row = {
        "id": f"{REPLY[:-1]}{number}",
        "reply": "SIM",
        "received_at": "16/11/2025 14:30:00",
        "message": {"id": MESSAGE, "reference": "m-1", "phone": "11900000001"},
        "request": {"id": REQUEST, "reference": None},
    }
    told = replies.ApiReply(
        id=f"{REPLY[:-1]}{number}",
        reply="SIM",
        received_at=HALF_PAST_TWO,
        message=replies.AnsweredMessage(id=MESSAGE, reference="m-1", phone="+5511900000001"),
        request=replies.AnsweredRequest(id=REQUEST, reference=None),
    )
    return row, told


SENT = {
    "telefone": 11900000001,
    "nome": "João",
    "cpf": 0,
    "mensagem": TEXT,
    "status": "entregue",
    "enviada_em": "16/11/2025 14:30",
    "parametros": {"valor": "R$ 3"},
    "lote": 1,
    "job": 5000001,
    "centro_custo": "CORPORATIVO",
    "api": "Kolmeya",
    "broker": "Kolmeya",
    "produto": "SMS",
}
SENT_TOLD = reports.SentMessage(
    **SENT
    | {
        "telefone": "+5511900000001",
        "cpf": None,
        "enviada_em": HALF_PAST_TWO,
    }
)
CAMPAIGN_TEXTS = {
    "enviado_por": "Ana",
    "aprovado_por": "Ana",
    "produto": "SMS",
    "centro_custo": "CORPORATIVO",
    "broker": "Kolmeya",
    "api": "Kolmeya",
    "canal": "SMS",
    "somente_whatsapp": "Não",
    "remover_historico": "Não",
    "remover_duplicados": "Sim",
    "score_faixa_selecionada": "",
    "arquivo": "ofertas.csv",
    "mensagem": TEXT,
    "tempo_processamento": "00:00:05",
}
CAMPAIGN_COUNTS = [
    each.name
    for each in structs.fields(quantities.JobSummary)
    if each.type == quantities.Count and each.name not in CAMPAIGN_TEXTS
]
CAMPAIGN_TIMES = ("inicio_processamento", "fim_processamento", "data_hora_inicio")
CAMPAIGN = (
    {"job": 5000001, "valor_pago": "R$1.234,50", "envio": "16/11/2025 14:30:00"}
    | CAMPAIGN_TEXTS
    | {name: str(number) for number, name in enumerate(CAMPAIGN_COUNTS)}
    | dict.fromkeys(CAMPAIGN_TIMES, "16/11/2025 14:30:00")
)
CAMPAIGN_TOLD = quantities.JobSummary(
    job=5000001,
    valor_pago=Decimal("1234.50"),
    envio="2025-11-16T17:30:00Z",
    **CAMPAIGN_TEXTS,
    **{name: number for number, name in enumerate(CAMPAIGN_COUNTS)},
    **dict.fromkeys(CAMPAIGN_TIMES, HALF_PAST_TWO),
)

WEB_REPLY = {
    "id": REPLY,
    "job": "5000001",
    "phone": 11900000001,
    "message": TEXT,
    "parameters": [],
    "send_at": "16/11/2025 14:30:00",
    "reply": "Não quero",
    "received_at": "16/11/2025 14:30:00",
}
ACCESS = {
    "job_id": 5000001,
    "job_created_at": "16/11/2025 14:30:00",
    "tenant_segment_id": 109,
    "fullphone": 11900000001,
    "cpf": 1144477735,
    "name": "João",
    "message": TEXT,
    "is_robot": "1",
    "accessed_at": "2025-11-16 14:30:00",
}
INVALID = {
    "telefone": "123",
    "tipo": "Inválido",
    "job": 5000001,
    "criado_em": "16/11/2025 14:30:00",
    "centro_custo": "CORPORATIVO",
    "api": "Kolmeya",
    "broker": "Kolmeya",
    "produto": "SMS",
}
STORED_REQUEST = {
    "id": REQUEST,
    "reference": None,
    "status": "Válido",
    "quantity": 3,
    "valids": 2,
    "invalids": 1,
    "created_at": "16/11/2025 14:30:00",
}
FOUND = {"id": MESSAGE, "reference": "m-1", "status": "entregue"}
LISTED = blacklist.BlacklistEntries(
    phones=[blacklist.BlacklistEntry(phone="+5511900000001", document="11144477735")]
)

OPERATIONS_TOLD = {
    "status-request": (
        statuses.StatusKey(id=UUID(REQUEST)),
        answer(
            {
                "id": REQUEST,
                "reference": None,
                "status": "Válido",
                "status_code": 2,
                "messages": [FOUND | {"status_code": 3}],
            }
        ),
        statuses.RequestState(
            id=REQUEST,
            reference=None,
            status="Válido",
            status_code=2,
            messages=[statuses.MessageState(**FOUND, status_code=3)],
        ),
    ),
    "status-message": (
        statuses.StatusKey(reference="m-1"),
        answer(FOUND | {"status_code": "3"}),
        statuses.MessageState(**FOUND, status_code=3),
    ),
    "replys": (
        replies.RepliesQuery(period=168),
        [page_of([api_reply(1)[0]], 1, 2), page_of([api_reply(2)[0]], 2, 2)],
        replies.ApiReplies(data=[api_reply(1)[1], api_reply(2)[1]]),
    ),
    "replys-web": (
        replies.RepliesQuery(),
        page_of([WEB_REPLY]),
        replies.WebReplies(
            data=[
                replies.WebReply(
                    id=REPLY,
                    job=5000001,
                    phone="+5511900000001",
                    message=TEXT,
                    parameters={},
                    send_at=HALF_PAST_TWO,
                    reply="Não quero",
                    received_at=HALF_PAST_TWO,
                )
            ]
        ),
    ),
    "segments": (
        catalogues.NoFields(),
        answer({"segments": [{"id": 109, "name": "CORPORATIVO"}]}),
        catalogues.Segments(segments=[catalogues.Segment(id=109, name="CORPORATIVO")]),
    ),
    "apis": (
        catalogues.NoFields(),
        answer([{"id": 47, "name": "Kolmeya"}]),
        catalogues.Apis(apis=[catalogues.Api(id=47, name="Kolmeya")]),
    ),
    "layouts": (
        catalogues.NoFields(),
        answer(
            [
                {
                    "id": 301,
                    "name": "Padrão",
                    "items": [{"id": 901, "name": "Nome", "type": "name", "position": 2}],
                }
            ]
        ),
        catalogues.Layouts(
            layouts=[
                catalogues.Layout(
                    id=301,
                    name="Padrão",
                    items=[catalogues.LayoutItem(id=901, name="Nome", type="name", position=2)],
                )
            ]
        ),
    ),
    "blacklist-store": (LISTED, httpx.Response(201), blacklist.BlacklistChange(phones=1)),
    "blacklist-destroy": (LISTED, httpx.Response(204), blacklist.BlacklistChange(phones=1)),
    "jobs-pause": (
        campaigns.JobChoice(sms_job=5000001),
        answer({"message": "Job pausado"}),
        campaigns.JobAnswer(message="Job pausado"),
    ),
    "jobs-play": (
        campaigns.JobChoice(sms_job=5000001),
        answer({"message": "Job reiniciado"}),
        campaigns.JobAnswer(message="Job reiniciado"),
    ),
    "reports-jobs": (
        catalogues.NoFields(),
        answer(
            {
                "jobs": [
                    {
                        "id": 5000001,
                        "created": "16/11/2025 14:30:00",
                        "approved": "16/11/2025 14:30:00",
                    }
                ]
            }
        ),
        campaigns.Jobs(
            jobs=[campaigns.Job(id=5000001, created=HALF_PAST_TWO, approved=HALF_PAST_TWO)]
        ),
    ),
    "reports-statuses": (
        reports.StatusesQuery(start_at=datetime(2025, 12, 20, tzinfo=UTC)),
        [answer({"messages": [SENT]}), answer({"messages": []})],
        reports.Statuses(messages=[SENT_TOLD], truncated=False),
    ),
    "reports-statuses-job": (
        reports.JobStatusesQuery(job_id=5000001),
        answer({"messages": [SENT]}),
        reports.JobStatuses(messages=[SENT_TOLD]),
    ),
    "reports-requests": (
        reports.RequestsQuery(start_at=date(2025, 11, 16), end_at=date(2025, 11, 16)),
        answer(
            {
                "requests": [STORED_REQUEST],
                "pagination": {"current_page": 1, "total": 1, "per_page": 1000, "last_page": 1},
            }
        ),
        reports.Requests(
            requests=[reports.SentRequest(**STORED_REQUEST | {"created_at": HALF_PAST_TWO})]
        ),
    ),
    "reports-quantity-jobs": (
        quantities.MonthsQuery(period="2025-11"),
        answer({"jobs": [CAMPAIGN]}),
        quantities.JobSummaries(jobs=[CAMPAIGN_TOLD]),
    ),
    "reports-invalid-records": (
        invalids.InvalidRecordsQuery(origin=invalids.Origin.WEB, date=date(2025, 11, 16)),
        page_of([INVALID, "?"]),
        invalids.InvalidRecords(
            data=[invalids.InvalidRecord(**INVALID | {"criado_em": HALF_PAST_TWO})], unreadable=1
        ),
    ),
    "accesses": (
        accesses.AccessesQuery(start_at=date(2025, 11, 16), is_robot=True),
        answer({"accesses": [ACCESS], "totalAccesses": 1}),
        accesses.Accesses(
            accesses=[
                accesses.Access(
                    **ACCESS
                    | {
                        "job_created_at": HALF_PAST_TWO,
                        "fullphone": "+5511900000001",
                        "cpf": "01144477735",
                        "is_robot": True,
                        "accessed_at": HALF_PAST_TWO,
                    }
                )
            ],
            total_accesses=1,
            truncated=False,
        ),
    ),
    "webhook": (
        webhooks.WebhookTest(webhook_url="https://gateway.example.com/w"),
        answer({"code_returned": 200}),
        webhooks.WebhookAnswer(code_returned=200),
    ),
}
