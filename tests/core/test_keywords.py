import time
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from recado_core import ConfigurationError
from recado_core.engine.settings import KeywordMatch, LanguageSettings, OptOutSettings
from recado_core.engine.suppressions.keywords import ConsentAct, Keywords, Spoken

FIRST_WORD = Keywords(OptOutSettings())
MESSAGE = Keywords(OptOutSettings(match=KeywordMatch.MESSAGE))
STOPPED = OptOutSettings().languages["pt"].stopped


def keywords(match=KeywordMatch.FIRST_WORD, **languages):
    told = {name: LanguageSettings(**fields) for name, fields in languages.items()}
    return Keywords(OptOutSettings(match=match, languages=told))


def test_a_keyword_is_found_with_all_that_belongs_to_it():
    assert FIRST_WORD.find("sair") == Spoken(
        act=ConsentAct.OPT_OUT, keyword="SAIR", language="pt", reply=STOPPED
    )
    found = FIRST_WORD.find("Start")
    assert (found.act, found.keyword, found.language) == (ConsentAct.OPT_IN, "START", "en")
    assert found.reply == OptOutSettings().languages["en"].started


@pytest.mark.parametrize(
    "text",
    [
        "SAIR",
        "sair!",
        "*SAIR*",
        "_sair_",
        "~Sair~",
        "“Sair”",
        "SAIR.",
        "...sair",
        "(sair)",
        "¡Sair!",
        "\n\tsair \r\n",
        "\xa0SAIR\xa0",
        "\u2003sair\u3000",
        "\uff33\uff21\uff29\uff32",  # full-width letters
        "\U0001d412\U0001d400\U0001d408\U0001d411",  # bold ones
        "SÁÍR",
        "sai\u0301r",
        "sa\u0131r",  # a Turkish dotless i
        "\N{CROSS MARK}SAIR\N{THUMBS DOWN SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}",
        "\N{HEAVY BLACK HEART}\ufe0f sair \N{WOMAN}\u200d\N{PERSONAL COMPUTER}",
        "\ufeffsair\u200b",
        "s\u00adair",
        "\0sair\x1b",
        "SAIR™",
        "\ud800sair\udfff",
        "\U0001fae9 sair",  # an emoji younger than this Python's table of characters
    ],
)
@pytest.mark.parametrize("known", [FIRST_WORD, MESSAGE], ids=["first word", "message"])
def test_what_surrounds_or_decorates_a_keyword_does_not_count(known, text):
    assert known.find(text).keyword == "SAIR"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "!!!",
        "\N{THUMBS DOWN SIGN}",
        "SAIRA",
        "Saíra",
        "PAREDE",
        "pare1",
        "S A I R",
        "quero sair",
        "não sair",
        "PARELHA pare",
        "sair\u02b0",
    ],
)
def test_what_is_no_keyword_is_not_found(text):
    assert FIRST_WORD.find(text) is None
    assert MESSAGE.find(text) is None


@pytest.mark.parametrize("text", ["SAIR por favor", "Sair, obrigado", "sair\nAna", "Pare-já"])
def test_the_first_word_is_enough_only_where_it_is_so_set(text):
    assert FIRST_WORD.find(text).act is ConsentAct.OPT_OUT
    assert MESSAGE.find(text) is None


def test_keywords_of_several_words_are_matched_word_by_word():
    languages = {"pt": {"stop": ("QUERO SAIR", "não, quero mais!")}}
    first, whole = keywords(**languages), keywords(KeywordMatch.MESSAGE, **languages)
    for text in ("quero sair", "Quero\xa0\n  SAIR!", "quero-sair", "*quero* _sair_"):
        assert first.find(text).keyword == "QUERO SAIR"
        assert whole.find(text).keyword == "QUERO SAIR"
    assert first.find("Nao quero mais").keyword == "não, quero mais!"
    assert first.find("quero sair disso").keyword == "QUERO SAIR"
    assert whole.find("quero sair disso") is None
    for text in ("quero", "quero saira", "querosair", "eu quero sair", "nao quero"):
        assert first.find(text) is None
        assert whole.find(text) is None


@pytest.mark.parametrize("text", ["Voltar amanhã cedo", "start me up", "alta médica"])
def test_consent_is_given_by_the_word_alone(text):
    assert FIRST_WORD.find(text) is None
    assert FIRST_WORD.find(text.split()[0]).act is ConsentAct.OPT_IN


def test_the_longest_keyword_is_found():
    known = keywords(pt={"stop": ("SAIR",), "start": ("SAIR NAO",)})
    assert known.find("Sair, não!").act is ConsentAct.OPT_IN
    assert known.find("sair não, desculpe") is None
    assert known.find("sair agora").act is ConsentAct.OPT_OUT


def test_the_first_language_wins_a_shared_word():
    assert FIRST_WORD.find("cancelar").language == "pt"
    known = keywords(
        es={"stop": ("CANCELAR",), "stopped": "Listo."},
        pt={"stop": ("Cancelár", "SAIR"), "stopped": "Pronto."},
    )
    assert known.find("CANCELAR").reply == "Listo."
    assert known.find("SAIR").reply == "Pronto."


def test_an_answer_may_be_empty():
    assert keywords(pt={"stop": ("SAIR",)}).find("sair").reply == ""


def test_nothing_is_found_where_it_is_not_enabled():
    assert Keywords(OptOutSettings(enabled=False)).find("SAIR") is None
    assert keywords().find("SAIR") is None
    assert keywords(pt={}).find("SAIR") is None


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (
            {"pt": {"stop": ("SAIR", "Não"), "start": ("NAO!",)}},
            r"^opt_out\.languages\.pt\.start: 'NAO!' is also in opt_out\.languages\.pt\.stop",
        ),
        (
            {"pt": {"start": ("ALTA",)}, "es": {"stop": ("alta",)}},
            r"^opt_out\.languages\.es\.stop: 'alta' is also in opt_out\.languages\.pt\.start",
        ),
        (
            {"es": {"stop": ("ALTA",)}, "en": {"stop": ("ALTA",)}, "pt": {"start": ("ÁLTA",)}},
            r"^opt_out\.languages\.pt\.start: .* opt_out\.languages\.es\.stop",
        ),
        ({"pt": {"stop": ("SAIR", "")}}, r"^opt_out\.languages\.pt\.stop: '' holds no letter"),
        ({"en": {"start": (" *! ",)}}, r"^opt_out\.languages\.en\.start: ' \*! ' holds no letter"),
        ({"en": {"start": ("\N{THUMBS UP SIGN}",)}}, r"^opt_out\.languages\.en\.start: "),
    ],
)
def test_keywords_that_can_not_be_told_apart_are_refused(languages, expected):
    with pytest.raises(ConfigurationError, match=expected):
        keywords(**languages)


def test_keywords_are_looked_at_even_where_they_are_not_enabled():
    language = {"pt": LanguageSettings(stop=("SAIR",), start=("sair",))}
    with pytest.raises(ConfigurationError, match="the opposite"):
        Keywords(OptOutSettings(enabled=False, languages=language))


@pytest.mark.parametrize("language", ["pt", "en", "es"])
def test_every_answer_names_a_keyword_that_undoes_it(language):
    said = OptOutSettings().languages[language]
    assert any(f" {word} " in said.stopped.replace(".", " ") for word in said.start)
    assert any(f" {word} " in said.started.replace(".", " ") for word in said.stop)


@pytest.mark.whole
@pytest.mark.parametrize(
    "unit",
    [
        "\u0301\u0327\u0315",  # accents that normalisation would have to put in order
        "a",
        " ",
        "sair ",
        "\N{THUMBS DOWN SIGN}",
        "\ufdfa",
        "\ud800",
        "\0",
    ],
    ids=ascii,
)
def test_time_grows_with_the_length_and_no_faster(unit):
    def measure(size):
        text = unit * (size // len(unit))
        started = time.process_time()
        FIRST_WORD.find(text)
        MESSAGE.find(text)
        return time.process_time() - started

    short = min(measure(10_000) for _ in range(5))
    long = min(measure(100_000) for _ in range(5))
    assert long < max(short, 0.001) * 40


# ---------------------------------------------------------------- anything

STOPS = st.sampled_from(OptOutSettings().languages["pt"].stop)
CASES = st.sampled_from([str.upper, str.lower, str.title, str.swapcase])
ACCENTS = st.lists(st.sampled_from("\u0301\u0303\u0327\u0308\ufe0f\u200d\u200b"), max_size=3)
AROUND = st.text(st.characters(categories=["Zs", "Cc", "Po", "Ps", "Pe", "Pc", "Pd", "So", "Sk"]))
ANYTHING = st.text(st.characters())  # and halves of characters


def decorate(data, word):
    return "".join(letter + "".join(data.draw(ACCENTS)) for letter in data.draw(CASES)(word))


@settings(deadline=None)
@given(st.data(), STOPS, AROUND, AROUND)
def test_a_decorated_keyword_is_the_keyword(data, word, before, after):
    text = before + decorate(data, word) + after
    assert MESSAGE.find(text).keyword == word
    assert FIRST_WORD.find(text).keyword == word


@settings(deadline=None)
@given(st.data(), st.text(st.sampled_from("abcdeioprstuvxzçãé0123456789"), min_size=1))
def test_a_longer_word_is_not_the_keyword(data, more):
    text = decorate(data, "DESCADASTRAR") + more
    assert FIRST_WORD.find(text) is None
    assert MESSAGE.find(text) is None


@settings(deadline=None)
@given(ANYTHING)
def test_no_text_is_an_error_and_the_whole_message_is_the_stricter_rule(text):
    whole = MESSAGE.find(text)
    assert whole is None or whole == FIRST_WORD.find(text)


@settings(deadline=None)
@given(STOPS, ANYTHING)
def test_what_follows_the_first_word_does_not_count(word, rest):
    found = FIRST_WORD.find(f"{word} {rest}")
    assert found.keyword == word


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "Nd"]), min_size=1))
def test_every_word_is_the_same_in_either_case(word):
    assume(any(unicodedata.category(it)[0] in "LN" for it in unicodedata.normalize("NFKD", word)))
    known = keywords(KeywordMatch.MESSAGE, xx={"stop": (word,)})
    for said in (word, word.upper(), word.lower(), word.casefold()):
        assert known.find(said).keyword == word
