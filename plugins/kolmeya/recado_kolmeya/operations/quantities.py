"""Campaigns summed up by month: ``sms/reports/quantity-jobs``."""

from msgspec import Struct
from recado_core import Operation, PermanentSendError, Progress

from recado_kolmeya.operations.answers import ask, list_in
from recado_kolmeya.operations.kinds import Amount, Count, Moment, MomentOrText, Number, Text
from recado_kolmeya.operations.rows import read_rows
from recado_kolmeya.operations.spans import FIRST_DAY, Month, today_of
from recado_kolmeya.operations.steps import Steps
from recado_kolmeya.provider import KolmeyaProvider

_FIRST_MONTH = f"{FIRST_DAY:%Y-%m}"


class MonthsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A month, or the months until ``end_period``; the present one if none is named."""

    period: Month | None = None
    end_period: Month | None = None

    def __post_init__(self) -> None:
        """Refuse what is no span."""
        if self.end_period is not None and self.period is None:
            raise ValueError("period: it is needed where there is an end_period")
        if self.period is not None and self.period < _FIRST_MONTH:
            raise ValueError(f"period: it lies before {_FIRST_MONTH}")
        if self.end_period is not None and self.end_period < (self.period or ""):
            raise ValueError("end_period: it lies before period")


class JobSummary(Struct, frozen=True, kw_only=True):
    """A campaign in numbers, under Kolmeya's own names."""

    job: Number
    enviado_por: Text
    aprovado_por: Text
    produto: Text
    centro_custo: Text
    broker: Text
    api: Text
    canal: Text
    somente_whatsapp: Text
    remover_historico: Text
    remover_duplicados: Text
    score_faixa_selecionada: Text
    total_arquivo: Count
    validos: Count
    enviados: Count
    entregues: Count
    nao_entregues: Count
    respostas: Count
    acessos: Count
    invalidos_telefones: Count
    invalidos_anatel: Count
    historico_negativo: Count
    duplicados: Count
    nao_perturbe: Count
    score_baixa_probabilidade: Count
    score_media_probabilidade: Count
    score_alta_probabilidade: Count
    blacklist: Count
    arquivo: Text
    mensagem: Text
    envio: MomentOrText
    inicio_processamento: Moment
    fim_processamento: Moment
    tempo_processamento: Text
    data_hora_inicio: Moment
    valor_pago: Amount


class JobSummaries(Struct, frozen=True, kw_only=True):
    """The campaigns of the months, the oldest month first."""

    jobs: list[JobSummary]
    unreadable: int = 0


class _MonthCall(Struct, frozen=True):
    period: str


async def read_summaries(
    provider: KolmeyaProvider, request: MonthsQuery, progress: Progress
) -> JobSummaries:
    """Ask for one month after the other."""
    present = f"{today_of(provider):%Y-%m}"
    first = request.period or present
    months = _months(first, request.end_period or first, present)
    steps = Steps(progress, len(months))
    entries: list[object] = []
    for month in months:
        entries += await ask(
            provider,
            "sms/reports/quantity-jobs",
            lambda value: list_in(value, "jobs"),
            _MonthCall(month),
        )
        steps.count_call()
    found = await read_rows(entries, JobSummary, provider.zone)
    return JobSummaries(jobs=found.rows, unreadable=found.unreadable)


def _months(first: str, last: str, present: str) -> list[str]:
    """Return the months from one to another, or raise where they lie in the future."""
    for name, month in (("period", first), ("end_period", last)):
        if month > present:
            raise PermanentSendError(f"{name}: it lies in the future")
    start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{number // 12}-{number % 12 + 1:02d}" for number in range(start, end + 1)]


OPERATIONS = (
    Operation(
        name="reports-quantity-jobs",
        summary="The campaigns of a month, or of several, in numbers",
        request=MonthsQuery,
        reply=JobSummaries,
        call=read_summaries,
    ),
)
