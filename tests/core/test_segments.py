import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recado_core.errors import ContentError
from recado_core.segments import (
    GSM7_BASIC,
    GSM7_EXTENSION,
    Encoding,
    Segments,
    count_segments,
    ucs2_characters,
)

# 3GPP TS 23.038, 6.2.1: the code point of each septet, a column of the table a line.
# 1B is the escape to the extension table.
BASIC_TABLE = """
    0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5
    0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E ESC- 00C6 00E6 00DF 00C9
    0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F
    0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F
    00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F
    0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7
    00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F
    0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0
"""
BASIC = [chr(int(code, 16)) for code in BASIC_TABLE.split() if code != "ESC-"]
# 6.2.1.1: 0A, 14, 28, 29, 2F, 3C, 3D, 3E, 40 and 65 of the extension table.
EXTENSION = ["\f", "^", "{", "}", "\\", "[", "~", "]", "|", "\N{EURO SIGN}"]

FACE = "\N{GRINNING FACE}"


def gsm7(count, units):
    return Segments(encoding=Encoding.GSM7, count=count, units=units)


def ucs2(count, units):
    return Segments(encoding=Encoding.UCS2, count=count, units=units)


def pack(text):
    """Fill one part after another, a character at a time, and return what each holds."""
    if set(text) <= {*BASIC, *EXTENSION}:
        single, part = 160, 153
        costs = [2 if character in EXTENSION else 1 for character in text]
    else:
        single, part = 70, 67
        costs = [2 if ord(character) > 0xFFFF else 1 for character in text]
    if sum(costs) <= single:
        return [sum(costs)]
    parts = [0]
    for cost in costs:
        if parts[-1] + cost > part:
            parts.append(0)
        parts[-1] += cost
    return parts


def runs_of(characters):
    """Draw texts made of runs, long enough to fill several parts."""
    run = st.builds(lambda character, times: character * times, characters, st.integers(1, 170))
    return st.lists(run, max_size=12).map("".join)


def test_basic_table_is_that_of_the_standard():
    assert list(GSM7_BASIC) == BASIC
    assert len(BASIC) == 127


def test_extension_table_is_that_of_the_standard():
    assert list(GSM7_EXTENSION) == EXTENSION


@pytest.mark.parametrize("character", BASIC)
def test_basic_character_costs_one_septet(character):
    assert count_segments(character) == gsm7(1, 1)


@pytest.mark.parametrize("character", EXTENSION)
def test_extension_character_costs_two_septets(character):
    assert count_segments(character) == gsm7(1, 2)


def test_every_other_character_forces_ucs2():
    alphabet = {*BASIC, *EXTENSION}
    others = [
        chr(code) for code in (*range(0xD800), *range(0xE000, 0x20000)) if chr(code) not in alphabet
    ]
    wrong = [
        other
        for other in others
        if count_segments(other) != ucs2(1, 1 if other < "\U00010000" else 2)
    ]
    assert wrong == []
    assert len(others) == 0x20000 - 0x800 - 137


@pytest.mark.parametrize("letter", "çãõáíóúâêôÁÃÕÍÓÚÂÊÔ")
def test_most_accented_letters_of_portuguese_force_ucs2(letter):
    assert count_segments(f"Ol{letter}").encoding is Encoding.UCS2


@pytest.mark.parametrize("letter", "àéÉÇèùìòñü")
def test_few_accented_letters_are_in_the_alphabet(letter):
    assert count_segments(f"Ol{letter}") == gsm7(1, 3)


def test_empty_text_is_one_part_of_nothing():
    assert count_segments("") == gsm7(1, 0)


@pytest.mark.parametrize(
    ("units", "count"),
    [(1, 1), (153, 1), (160, 1), (161, 2), (306, 2), (307, 3), (459, 3), (460, 4)],
)
def test_septets_fill_160_or_153_a_part(units, count):
    assert count_segments("a" * units) == gsm7(count, units)


@pytest.mark.parametrize(
    ("units", "count"),
    [(1, 1), (67, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)],
)
def test_code_units_fill_70_or_67_a_part(units, count):
    assert count_segments("ã" * units) == ucs2(count, units)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 158 + "[", gsm7(1, 160)),
        ("a" * 159 + "[", gsm7(2, 161)),
        # The 153rd septet of a part can't be an escape: the character goes to the next part whole.
        ("a" * 151 + "[" + "a" * 153, gsm7(2, 306)),
        ("a" * 152 + "[" + "a" * 152, gsm7(3, 306)),
        ("a" * 152 + "[" + "a" * 151, gsm7(2, 305)),
        ("[" * 76 + "a" + "[" * 76 + "a", gsm7(2, 306)),
        ("[" * 153, gsm7(3, 306)),
    ],
)
def test_extension_character_is_never_split(text, expected):
    assert count_segments(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ã" * 68 + FACE, ucs2(1, 70)),
        ("ã" * 69 + FACE, ucs2(2, 71)),
        ("ã" * 65 + FACE + "ã" * 67, ucs2(2, 134)),
        ("ã" * 66 + FACE + "ã" * 66, ucs2(3, 134)),
        ("ã" * 66 + FACE + "ã" * 65, ucs2(2, 133)),
        (FACE * 35, ucs2(1, 70)),
        (FACE * 67, ucs2(3, 134)),
    ],
)
def test_surrogate_pair_is_never_split(text, expected):
    assert count_segments(text) == expected


def test_extension_characters_cost_one_unit_in_ucs2():
    assert count_segments("ã" + "[" * 69) == ucs2(1, 70)


@pytest.mark.parametrize("half", [0xD83D, 0xDE00])
def test_half_of_a_surrogate_pair_is_refused(half):
    with pytest.raises(ContentError):
        count_segments(f"a{chr(half)}b")


@settings(deadline=None)
@given(runs_of(st.sampled_from(GSM7_BASIC)))
def test_basic_texts_are_packed_as_one_would_by_hand(text):
    parts = pack(text)
    assert count_segments(text) == gsm7(len(parts), sum(parts))


@settings(deadline=None)
@given(runs_of(st.sampled_from("ab" + GSM7_EXTENSION)))
def test_extended_texts_are_packed_as_one_would_by_hand(text):
    parts = pack(text)
    assert max(parts) <= (160 if len(parts) == 1 else 153)
    assert count_segments(text) == gsm7(len(parts), sum(parts))


@settings(deadline=None)
@given(runs_of(st.sampled_from(["a", "[", "ã", "\uffff", FACE, "\U0010ffff"])))
def test_unicode_texts_are_packed_as_one_would_by_hand(text):
    parts = pack(text + "ã")
    assert max(parts) <= (70 if len(parts) == 1 else 67)
    assert count_segments(text + "ã") == ucs2(len(parts), sum(parts))


@settings(deadline=None)
@given(st.text())
def test_any_text_is_packed_as_one_would_by_hand(text):
    parts = pack(text)
    counted = count_segments(text)
    assert (counted.count, counted.units) == (len(parts), sum(parts))
    assert (counted.encoding is Encoding.GSM7) == (not ucs2_characters(text))


@settings(deadline=None)
@given(st.text(max_size=400), st.text(max_size=40))
def test_longer_text_never_takes_fewer_parts(text, more):
    assert count_segments(text + more).count >= count_segments(text).count


def test_forcing_characters_are_named_once_in_order():
    assert ucs2_characters("Não é ã [opção] \N{EURO SIGN}" + FACE) == ("ã", "ç", FACE)
    assert ucs2_characters("plain {text}") == ()
