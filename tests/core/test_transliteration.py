import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recado_core.segments import GSM7_BASIC, GSM7_EXTENSION, Encoding, count_segments, is_gsm7
from recado_core.transliteration import transliterate

FACE = "\N{GRINNING FACE}"
ALPHABET = GSM7_BASIC + GSM7_EXTENSION
WORDS = st.text(st.characters(categories=["Ll", "Lu", "Nd"], max_codepoint=0x24F), min_size=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sua inscrição não está válida", "Sua inscricao nao esta valida"),
        ("ÁÂÃÍÓÔÕÚ ç", "AAAIOOOU c"),
        ("a\u0303 e\u0301 c\u0327", "a é c"),
        ("\u201cOl\u00e1\u201d \u2018x\u2019 \u00abz\u00bb", '"Ola" \'x\' "z"'),
        ("9\u201312 \u2014 fim\u2026", "9-12 - fim..."),
        ("R$\u00a010,\t1\u00ba 2\u00aa n\u00b0 \u00bd \u2122", "R$ 10, 1o 2a no 1/2 TM"),
        ("soft\u00adhyphen\u200b\ufeff", "softhyphen"),
        ("a\u2028b", "a\nb"),
        ("`x` \u2022 y", "'x' * y"),
        ("Łódź, Đà Nẵng", "Lodz, Dà Nang"),
        ("Привет", "Privet"),
        ("Δελφοί", "Δelfoi"),
        ("a \u2260 b \u226e c \u2262 d =\u0338 e", "a != b !< c != d != e"),
        ("5 \u03bcg, 5\u03bcL, mg/\u03bcL, 5 \u00b5g", "5 ug, 5uL, mg/uL, 5 ug"),
        ("\u03bcπ Aμg", "mp Amg"),
        ("1\u00bd kg, 2\u00be, \u00bd, a\u00bd", "1 1/2 kg, 2 3/4, 1/2, a1/2"),
        ("10\u00b2 10\u2076\u00b9 10\u207b\u00b3 10\u2082 m\u00b2", "10^2 10^61 10^-3 10_2 m2"),
        ("5\u2030", "5o/oo"),
    ],
)
def test_a_text_is_written_in_the_alphabet(text, expected):
    assert transliterate(text).text == expected
    assert transliterate(text).dropped == ()


def test_what_the_alphabet_holds_stays_beside_what_it_does_not():
    kept = "é à è ù ì ò Ç Ñ ñ ä ö ü ß Ø ø Å å Æ æ Δ Σ ¿ ¡ § £ ¥ € [x] {y} ~ \\ ^ |"
    assert transliterate(f"ç ã {kept}").text == f"c a {kept}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Olá {FACE}!", "Ola!"),
        (f"{FACE} Oi", "Oi"),
        (f"Oi {FACE}{FACE} {FACE} Ana {FACE}", "Oi Ana"),
        (f"Oi{FACE}Ana", "Oi Ana"),
        (f"Oi\n{FACE} Ana {FACE}\nfim", "Oi\nAna\nfim"),
        (f"({FACE} oi {FACE})", "(oi)"),
        ("ok \N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}", "ok"),
        ("a \N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL} b", "a b"),
        ("de \U0001f1e7\U0001f1f7 fim", "de fim"),
        ("\N{HEAVY BLACK HEART}\ufe0f sim", "sim"),
    ],
)
def test_a_pictograph_is_dropped_with_the_gap_that_it_leaves(text, expected):
    assert transliterate(text).text == expected


def test_a_text_of_spaces_alone_takes_no_longer_than_another():
    gap = " " * 200_000  # looked at from every one of them, it would take minutes
    assert transliterate(f"ã{gap}é{gap}{FACE}{gap}b").text == f"a{gap}é b"


def test_what_is_dropped_is_told_once_in_order():
    dropped = transliterate(f"ã {FACE} \N{THUMBS UP SIGN} {FACE} \ue000\u200d\ufe0f").dropped
    assert dropped == (FACE, "\N{THUMBS UP SIGN}", "\ue000")


@settings(deadline=None)
@given(st.text())
@example("\0")
@example("\ud800")
def test_the_result_is_always_in_the_alphabet(text):
    written = transliterate(text).text
    assert is_gsm7(written)
    assert count_segments(written).encoding is Encoding.GSM7


@settings(deadline=None)
@given(st.text())
def test_a_second_time_changes_nothing(text):
    once = transliterate(text)
    again = transliterate(once.text)
    assert (again.text, again.dropped) == (once.text, ())


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from(ALPHABET)))
def test_a_text_of_the_alphabet_is_left_as_it_is(text):
    assert transliterate(text).text == text


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1))
def test_every_word_of_a_latin_script_stays_a_word(words):
    assert len(transliterate(" ".join(words)).text.split(" ")) == len(words)


@settings(deadline=None)
@given(st.text(st.one_of(st.characters(), st.sampled_from(ALPHABET))))
def test_what_the_alphabet_holds_is_never_lost(text):
    written = iter(transliterate(text).text)
    held = (c for c in unicodedata.normalize("NFC", text) if c in ALPHABET and c != " ")
    assert all(character in written for character in held)  # each is found after the one before
