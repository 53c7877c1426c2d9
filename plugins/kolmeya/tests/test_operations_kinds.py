from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from recado_kolmeya.operations import kinds
from recado_kolmeya.operations.kinds import UnreadableError

ZONE = ZoneInfo("America/Sao_Paulo")
NOON = datetime(2025, 11, 16, 15, 0, tzinfo=UTC)

READ = [
    (kinds.read_text, None, None),
    (kinds.read_text, "", ""),
    (kinds.read_text, " Olá ", " Olá "),
    (kinds.read_text, 12, "12"),
    (kinds.read_text, 12.0, "12"),
    (kinds.read_text, 1.5, "1.5"),
    (kinds.read_count, None, None),
    (kinds.read_count, "", None),
    (kinds.read_count, "-", None),
    (kinds.read_count, 0, 0),
    (kinds.read_count, "0", 0),
    (kinds.read_count, " 12 ", 12),
    (kinds.read_count, 12.0, 12),
    (kinds.read_count, "-3", -3),
    (kinds.read_count, "1.234.567", 1234567),
    (kinds.read_number_of, 11900000001, "+5511900000001"),
    (kinds.read_number_of, "11900000001", "+5511900000001"),
    (kinds.read_number_of, "5511900000001", "+5511900000001"),
    (kinds.read_number_of, 5511900000001.0, "+5511900000001"),
    (kinds.read_number_of, "(11) 3000-0001", "+551130000001"),
    (kinds.read_number_of, 123, "123"),
    (kinds.read_number_of, "sem telefone", "sem telefone"),
    (kinds.read_number_of, "00000000", None),
    (kinds.read_number_of, 0, None),
    (kinds.read_number_of, "", None),
    (kinds.read_number_of, None, None),
    (kinds.read_document, 0, None),
    (kinds.read_document, "0", None),
    (kinds.read_document, "", None),
    (kinds.read_document, None, None),
    (kinds.read_document, 1144477735, "01144477735"),
    (kinds.read_document, "111.444.777-35", "11144477735"),
    (kinds.read_document, "11144477735", "11144477735"),
    (kinds.read_moment, None, None),
    (kinds.read_moment, "", None),
    (kinds.read_moment, "-", None),
    (kinds.read_moment, "0000-00-00 00:00:00", None),
    (kinds.read_moment, "16/11/2025 12:00:00", NOON),
    (kinds.read_moment, "16/11/2025 12:00", NOON),
    (kinds.read_moment, "2025-11-16 12:00:00", NOON),
    (kinds.read_moment, "2025-11-16T12:00:00", NOON),
    (kinds.read_moment, "2025-11-16T15:00:00.000000Z", NOON),
    (kinds.read_moment, "2025-11-16T12:00:00-03:00", NOON),
    (kinds.read_moment_or_text, "16/11/2025 12:00", "2025-11-16T15:00:00Z"),
    (kinds.read_moment_or_text, "Imediato", "Imediato"),
    (kinds.read_moment_or_text, None, None),
    (kinds.read_amount, "R$9.397,30", Decimal("9397.30")),
    (kinds.read_amount, 12.5, Decimal("12.5")),
    (kinds.read_amount, "", None),
    (kinds.read_flag, "1", True),
    (kinds.read_flag, 0, False),
    (kinds.read_flag, True, True),
    (kinds.read_flag, "Sim", True),
    (kinds.read_flag, "NÃO", False),
    (kinds.read_flag, None, None),
    (kinds.read_fields, None, {}),
    (kinds.read_fields, [], {}),
    (kinds.read_fields, {}, {}),
    (kinds.read_fields, ["Ana", 3], {"0": "Ana", "1": "3"}),
    (
        kinds.read_fields,
        {"Nome": "Ana", "Valor": 3, "x": None},
        {"Nome": "Ana", "Valor": "3"} | {"x": None},
    ),
    (kinds.read_fields, {"a": True, "b": [1, "é"]}, {"a": "true", "b": '[1,"é"]'}),
]


@pytest.mark.parametrize(("read", "value", "meaning"), READ)
def test_value_is_read_in_whatever_shape_it_comes(read, value, meaning):
    assert read(value, ZONE) == meaning


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (kinds.read_text, []),
        (kinds.read_text, {}),
        (kinds.read_text, True),
        (kinds.read_count, "muitos"),
        (kinds.read_count, "1,5"),
        (kinds.read_count, 1.5),
        (kinds.read_count, 1.234),  # in a text the dot is of thousands, in a JSON number it is not
        (kinds.read_count, True),
        (kinds.read_count, []),
        (kinds.read_count, "9" * 5000),
        (kinds.read_number_of, []),
        (kinds.read_document, "sem CPF"),
        (kinds.read_document, True),
        (kinds.read_moment, "ontem"),
        (kinds.read_moment, "31/02/2025 12:00"),
        (kinds.read_moment, "0001-01-01T00:00:00+14:00"),
        (kinds.read_moment, {}),
        (kinds.read_moment, 1711111420959),
        (kinds.read_moment, "20251116"),
        (kinds.read_moment, "1711-11-14"),
        (kinds.read_moment_or_text, []),
        (kinds.read_amount, "grátis"),
        (kinds.read_amount, []),
        (kinds.read_flag, "talvez"),
        (kinds.read_flag, []),
        (kinds.read_fields, "Nome"),
        (kinds.read_fields, 3),
    ],
)
def test_value_of_another_kind_cannot_be_read(read, value):
    with pytest.raises(UnreadableError):
        read(value, ZONE)
