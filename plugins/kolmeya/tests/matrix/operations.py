"""The scenes of the typed operations; those of the blacklist are with ``suppress``."""

from .scenes import FAILS, IN_DOUBT, PLAIN, magic, scene

DAY = "2090-01-02"
MINUTE_BEFORE = "2090-01-02T11:59:00-03:00"
MISSING = "PermanentSendError 404"

# ---------------------------------------------------------------- messages


def _state(label, status, code):
    return {"id": f"kolmeya's {label}", "reference": label, "status": status, "status_code": code}


STATES = [
    _state("plain", "entregue", 3),
    _state("undelivered", "Não entregue", 4),
    _state("asked", "entregue", 3),
]
API_REPLY = {
    "id": "an id",
    "reply": "SIM",
    "received_at": "+0 min",
    "message": {"id": "kolmeya's asked", "reference": "asked", "phone": "+5511999900030"},
    "request": {"id": "kolmeya's batch", "reference": "batch"},
}
WEB_REPLY = {
    "id": "an id",
    "job": 5000001,
    "phone": "+5511900000001",
    "message": "Oi",
    "parameters": {"Nome": "Ana"},
    "send_at": "+0 min",
    "reply": "Quero",
    "received_at": "+0 min",
}
ASKED = ("request", "request unknown", "message by reference", "message by id")


@scene(
    usual={
        "request": _state("batch", "Válido", 2) | {"messages": STATES, "unreadable": 0},
        "request unknown": MISSING,
        "message by reference": STATES[1],
        "message by id": STATES[1],
        "replys": [list(API_REPLY.values())],
        "replys-web": [list(WEB_REPLY.values())],
    },
    unsent={
        "request": MISSING,
        "message by reference": MISSING,
        "message by id": MISSING,
        "replys": [],
    },
    refused=dict.fromkeys((*ASKED, "replys", "replys-web"), FAILS),
)
async def questions(stage):
    """What became of messages, and what people answered."""
    batch = [
        stage.message("plain", PLAIN),
        stage.message("undelivered", magic(4)),
        stage.message("invalid", magic(10)),
        stage.message("asked", magic(30)),
    ]
    await stage.send("batch", batch)
    person = {"phone": 11900000001, "message": "Oi", "custom_data": {"Nome": "Ana"}}
    job = (await stage.control("campaigns", messages=[person]))["id"]
    await stage.control("replies", job=job, phone=11900000001, text="Quero")
    await stage.wait()
    keys = (
        ("status-request", {"reference": stage.held_reference("batch")}),
        ("status-request", {"reference": "of nobody"}),
        ("status-message", {"reference": batch[1].id}),
        ("status-message", {"id": stage.id_of("kolmeya's undelivered")}),
    )
    return {
        **{
            label: await stage.run(name, **key)
            for label, (name, key) in zip(ASKED, keys, strict=True)
        },
        "replys": await stage.run("replys", *API_REPLY),
        "replys-web": await stage.run("replys-web", *WEB_REPLY, period=168),
    }


# ---------------------------------------------------------------- catalogues, campaigns

LAYOUT = {
    "id": 301,
    "name": "Padrão",
    "items": [
        {"id": 901, "name": "Nome", "type": "name", "position": 2},
        {"id": 902, "name": "Vencimento", "type": "text", "position": 3},
    ],
}


@scene(
    usual={
        "segments": {"segments": [{"id": 109, "name": "CORPORATIVO"}], "unreadable": 0},
        "apis": {"apis": [{"id": 47, "name": "Kolmeya"}], "unreadable": 0},
        "layouts": {"layouts": [LAYOUT], "unreadable": 0},
        "webhook": {"code_returned": 200},
    },
    refused={"segments": FAILS, "apis": FAILS, "layouts": FAILS, "webhook": IN_DOUBT},
)
async def catalogues(stage):
    """What the account may use, and the test of a webhook."""
    return {
        "segments": await stage.run("segments"),
        "apis": await stage.run("apis"),
        "layouts": await stage.run("layouts"),
        "webhook": await stage.run("webhook", webhook_url="https://gateway.example.com/w"),
    }


SUMMARY = {
    "job": 5000001,
    "centro_custo": "CORPORATIVO",
    "arquivo": "Campanha.csv",
    "mensagem": "Veja",
    "total_arquivo": 4,
    "validos": 3,
    "enviados": 3,
    "entregues": 2,
    "nao_entregues": 1,
    "respostas": 1,
    "acessos": 2,
    "invalidos_telefones": 1,
    "duplicados": 0,
    "inicio_processamento": "+0 min",
    "valor_pago": "0.24",
}
CLICK = ("job_id", "job_created_at", "tenant_segment_id", "fullphone", "cpf", "name", "message")
CLICKED = [5000001, "+0 min", 109, "+5511900000001", None, "Ana", "Veja"]
JOB = {"id": 5000001, "created": "+0 min", "approved": "+0 min"}


@scene(
    usual={
        "pause": {"message": "Job pausado"},
        "vendor's campaign while paused": "on its way",
        "play": {"message": "Job reiniciado"},
        "vendor's campaign at last": "finished",
        "pause again": MISSING,
        "jobs": {"jobs": [JOB], "unreadable": 0},
        "quantities": [list(SUMMARY.values())],
        "accesses": [[*CLICKED, False], [*CLICKED, True]],
        "accesses of people": [[*CLICKED, False]],
    },
    refused={
        "pause": IN_DOUBT,
        "vendor's campaign while paused": "finished",
        "play": IN_DOUBT,
        "pause again": IN_DOUBT,
        "jobs": FAILS,
        "quantities": FAILS,
        "accesses": FAILS,
        "accesses of people": FAILS,
    },
)
async def campaigns(stage):
    """A campaign that is paused, goes on and is reported, and the clicks on its links."""
    await stage.ask(stage.provider.balance)  # is what the first fault meets
    people = [11900000001, 11900000002, 11999900004, 11999900010]
    messages = [{"phone": phone, "message": "Veja", "name": "Ana"} for phone in people]
    job = (await stage.control("campaigns", messages=messages))["id"]
    campaign = stage.world.state.campaigns[job]
    await stage.control("replies", job=job, phone=11900000001, text="Quero")
    for is_robot in (False, True):
        await stage.control("accesses", job=job, phone=11900000001, is_robot=is_robot)
    paused = await stage.run("jobs-pause", smsJob=job)
    await stage.wait()
    while_paused = _fate(campaign)
    played = await stage.run("jobs-play", smsJob=job)
    await stage.wait()
    span = {"start_at": DAY}
    return {
        "pause": paused,
        "vendor's campaign while paused": while_paused,
        "play": played,
        "vendor's campaign at last": _fate(campaign),
        "pause again": await stage.run("jobs-pause", smsJob=job),
        "jobs": await stage.run("reports-jobs"),
        "quantities": await stage.run("reports-quantity-jobs", *SUMMARY, period="2090-01"),
        "accesses": await stage.run("accesses", *CLICK, "is_robot", **span),
        "accesses of people": await stage.run("accesses", *CLICK, "is_robot", is_robot=0, **span),
    }


def _fate(campaign):
    return "finished" if campaign.finished else "on its way"


# ---------------------------------------------------------------- reports

ROW = ("telefone", "status", "mensagem", "enviada_em", "nome", "cpf", "parametros", "centro_custo")
API_ROWS = [
    ["+5521900000001", "entregue", "Olá", "+0 min", "", None, {}, "CORPORATIVO"],
    ["+5511999900004", "Não entregue", "Olá", "+0 min", "", None, {}, "CORPORATIVO"],
]
PERSON = ("Ana", "01144477735", {"Plano": "Ouro"})
CAMPAIGN_ROWS = [["+5511900000001", "entregue", "Veja", "+0 min", *PERSON, "CORPORATIVO"]]
REQUEST = ("id", "reference", "status", "quantity", "valids", "invalids", "created_at")
LOST = ("telefone", "tipo", "criado_em", "centro_custo")


@scene(
    usual={
        "statuses": API_ROWS + CAMPAIGN_ROWS,
        "two statuses": [API_ROWS, True],
        "statuses of a job": CAMPAIGN_ROWS,
        "requests": [["kolmeya's batch", "batch", "Válido", 3, 2, 1, "+0 min"]],
        "lost by api": [["+5511999900010", "Inválido", "+0 min", "CORPORATIVO"]],
        "lost by web": [["+5511999900011", "Blacklist", "+0 min", "CORPORATIVO"]],
    },
    unsent={
        "statuses": CAMPAIGN_ROWS,
        "two statuses": [CAMPAIGN_ROWS, False],
        "requests": [],
        "lost by api": [],
    },
    refused={
        "statuses": FAILS,
        "two statuses": FAILS,
        "statuses of a job": FAILS,
        "requests": FAILS,
        "lost by api": FAILS,
        "lost by web": FAILS,
    },
)
async def reports(stage):
    """What was sent and what was lost, by messages and by campaigns."""
    provider = stage.make_provider(segment=7)  # which is another than the default only if switched
    batch = [
        stage.message("plain", PLAIN),
        stage.message("undelivered", magic(4)),
        stage.message("invalid", magic(10)),
    ]
    await stage.send("batch", batch, provider)
    line = {"phone": 11900000001, "message": "Veja", "name": "Ana", "cpf": 1144477735}
    lost = {"phone": 11999900011, "message": "Veja"}
    messages = [line | {"custom_data": {"Plano": "Ouro"}}, lost]
    job = (await stage.control("campaigns", messages=messages))["id"]
    await stage.wait()
    span = {"start_at": MINUTE_BEFORE}
    days = {"date": DAY, "end_date": DAY, "segments": []}
    two = await stage.run("reports-statuses", limit=2, **span)
    if isinstance(two, dict):
        two = [[[row[part] for part in ROW] for row in two["messages"]], two["truncated"]]
    return {
        "statuses": await stage.run("reports-statuses", *ROW, **span),
        "two statuses": two,
        "statuses of a job": await stage.run("reports-statuses-job", *ROW, jobId=job),
        "requests": await stage.run("reports-requests", *REQUEST, start_at=DAY, end_at=DAY),
        "lost by api": await stage.run("reports-invalid-records", *LOST, origin="api", **days),
        "lost by web": await stage.run("reports-invalid-records", *LOST, origin="web", **days),
    }
