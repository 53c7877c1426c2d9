"""The words with which a person takes consent back, or gives it again, in a reply."""

import unicodedata
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache

import msgspec

from recado_core.engine.settings import KeywordMatch, LanguageSettings, OptOutSettings
from recado_core.errors import ConfigurationError


class ConsentAct(StrEnum):
    """What a person does about getting messages."""

    OPT_OUT = "opt_out"  # consent is withdrawn
    OPT_IN = "opt_in"  # consent is given again


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A keyword, as it is configured, that a person has said; an empty ``reply`` is none."""

    act: ConsentAct
    keyword: str
    language: str
    reply: str


class Keywords:
    """Finds the keyword in a message; none is found where opting out by reply is not enabled.

    Case, accents, and the punctuation and emoji around and between words do not count. Of the
    keywords with which a message begins, the longest is the one that is found. Only what ends the
    messages may stand at the beginning of more: consent is given by the word alone.

    Raises:
        ConfigurationError: A keyword holds no word, or would both stop and start the messages.
    """

    def __init__(self, settings: OptOutSettings) -> None:
        known = _read_keywords(settings.languages)
        self._known = known if settings.enabled else {}
        self._whole = settings.match is KeywordMatch.MESSAGE
        self._most = max((key.count(" ") + 1 for key in self._known), default=0)

    def find(self, text: str) -> Spoken | None:
        """Return the keyword that a message is, or begins with where that is enough."""
        words = _fold(text).split(maxsplit=self._most)
        if self._whole:
            return self._known.get(" ".join(words))
        for count in range(min(len(words), self._most), 0, -1):
            found = self._known.get(" ".join(words[:count]))
            if found is not None:
                alone = count == len(words)
                return found if alone or found.act is ConsentAct.OPT_OUT else None
        return None


def _read_keywords(languages: Mapping[str, LanguageSettings]) -> dict[str, Spoken]:
    """Return the keywords by their folded words; of two languages, the first has a shared one."""
    known: dict[str, Spoken] = {}
    places: dict[str, str] = {}
    for place, spoken in _list_keywords(languages):
        key = " ".join(_fold(spoken.keyword).split())
        if not key:
            raise ConfigurationError(f"{place}: {spoken.keyword!r} holds no letter and no digit")
        first = known.setdefault(key, spoken)
        if first.act is not spoken.act:
            raise ConfigurationError(
                f"{place}: {spoken.keyword!r} is also in {places[key]}, which does the opposite"
            )
        places.setdefault(key, place)
    return known


def _list_keywords(languages: Mapping[str, LanguageSettings]) -> Iterator[tuple[str, Spoken]]:
    """Yield every keyword, and where in the configuration it stands."""
    for language, said in languages.items():
        for name, act, keywords, reply in (
            ("stop", ConsentAct.OPT_OUT, said.stop, said.stopped),
            ("start", ConsentAct.OPT_IN, said.start, said.started),
        ):
            for keyword in keywords:
                yield (
                    f"opt_out.languages.{language}.{name}",
                    Spoken(act=act, keyword=keyword, language=language, reply=reply),
                )


def _fold(text: str) -> str:
    # Each character alone: normalising puts accents in order, which takes the square of their
    # number, and they are dropped anyway.
    return "".join(map(_fold_character, text))


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    """Return what of a character makes a word, a space for what parts words, or nothing."""
    if unicodedata.category(character)[0] not in "LMNC":
        return " "  # also ™ and the like, whose compatibility form has letters
    plain = unicodedata.normalize("NFKD", character).upper().casefold()  # else a dotless i is none
    return "".join(map(_part, plain))


def _part(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cf", "Me"} or unicodedata.combining(character) or _is_selector(character):
        return ""  # an invisible mark, an accent, an emoji's form
    return character if category[0] in "LMN" else " "


def _is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f"
