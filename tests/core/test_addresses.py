import re

import phonenumbers
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from recado_core.addresses import (
    AddressKind,
    digits,
    forms_of,
    kind_of,
    mask,
    national_digits,
    normalise_number,
    normalise_sender_id,
    read_number,
    same_line,
)
from recado_core.errors import AddressError

MOBILE = "+5511900000001"
LANDLINE = "+551130000001"
EVERY_KIND = frozenset(AddressKind)

DIGITS = st.text("0123456789", max_size=16) | st.text("0123456789", min_size=6, max_size=11)
REGIONS = st.sampled_from(["BR", "BR", "BR", "US", "PT", "AR", "AU", "KR", "br", "", "XX", "001"])
CALLING_CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
TRUNK_PREFIXES = st.sampled_from(["", "", "0", "00", "1", "8", "9"])
INTERNATIONAL = st.builds("+{}{}{}".format, CALLING_CODES, TRUNK_PREFIXES, DIGITS)
BRAZILIAN = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "+", "00", " +", "++"]),
    st.sampled_from(["", "55", "0", "015", "550", "55015", "90"]),
    st.sampled_from(["", "11", "55", "90", "80", "(11)", " 55 "]),
    st.sampled_from(["", "9", "3", "9.", "0"]).flatmap(lambda start: DIGITS.map(start.__add__)),
)
SIGNS = "+ ()-./,;x#*\n\t\0\xa0\xad\u200e\uff0b\uff11\u0661\u00b2"
HOSTILE = st.text(st.sampled_from("0123456789" * 3 + SIGNS) | st.characters(), max_size=70)
MARKS = st.sampled_from(["", "", "", "", " ", "-", "(", ")", ".", "\xa0", "+", "  "])
DECORATED = st.builds(
    lambda number, marks: "".join(a + b for a, b in zip(number, marks, strict=False)),
    st.one_of(BRAZILIAN, INTERNATIONAL),
    st.lists(MARKS, min_size=30, max_size=30),
)
ANY_TEXT = st.one_of(INTERNATIONAL, BRAZILIAN, DECORATED, HOSTILE, DIGITS, st.text())


def outcome(read, text, region):
    try:
        return read(text, region)
    except AddressError as error:
        return error.args


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+5511900000001", MOBILE),
        ("+55 (11) 9.0000-0001", MOBILE),
        ("(+55) 11 90000 0001", MOBILE),
        ("+55 (0)11 90000-0001", MOBILE),
        ("+55 011 90000-0001", MOBILE),
        ("55011900000001", MOBILE),
        ("5511900000001", MOBILE),
        ("005511900000001", MOBILE),
        ("11900000001", MOBILE),
        ("(11) 90000-0001", MOBILE),
        ("011 90000-0001", MOBILE),
        ("0 15 11 90000-0001", MOBILE),
        ("0 91 11 90000-0001", MOBILE),
        ("05511900000001", MOBILE),
        ("  11900000001\n", MOBILE),
        ("\u202a+55 11 90000\u20110001\u202c", MOBILE),
        ("11\xa090000\u22120001", MOBILE),
        ("\uff0b\uff15\uff15\uff11\uff11900000001", MOBILE),
        ("+551130000001", LANDLINE),
        ("1130000001", LANDLINE),
        ("01130000001", LANDLINE),
        ("0151130000001", LANDLINE),
        ("0800 000 0001", "+558000000001"),
        ("900 000 0001", "+559000000001"),
    ],
)
def test_number_is_read_in_every_notation_of_brazil(text, expected):
    assert normalise_number(text, "BR") == expected
    assert read_number(text, "BR") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("55912345678", "+5555912345678"),  # 11 digits: area code 55, a mobile
        ("5532200000", "+555532200000"),  # 10 digits: area code 55, a landline
        ("55512345678", "+5555512345678"),  # which the library takes for country code 55
        ("555532200000", "+555532200000"),  # 12 digits: country code 55 first
        ("5555912345678", "+5555912345678"),  # 13 digits: the same
        ("055912345678", "+5555912345678"),  # trunk prefix and area code 55
        ("05555912345678", "+5555912345678"),  # carrier 55 or country code: the same number
        ("0551130000001", LANDLINE),
    ],
)
def test_fifty_five_is_area_code_or_country_code_by_length(text, expected):
    assert normalise_number(text, "BR") == expected


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("+14155550123", "BR", "+14155550123"),
        ("+1 (415) 555-0123", "BR", "+14155550123"),
        ("0014155550123", "BR", "+14155550123"),
        ("00351912345678", "BR", "+351912345678"),
        ("(415) 555-0123", "US", "+14155550123"),
        ("14155550123", "US", "+14155550123"),
        ("011 55 11 90000-0001", "US", MOBILE),
        ("00 55 11 90000-0001", "US", MOBILE),
        ("00 55 11 90000-0001", "PT", MOBILE),
        ("0011 55 11 90000-0001", "AU", MOBILE),
        ("0044 7400 123456", "AU", "+447400123456"),
        ("912 345 678", "pt", "+351912345678"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06.12.34.56.78", "FR", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "BR", "+33612345678"),
        ("+390612345678", "BR", "+390612345678"),  # Italy keeps its zero
        ("+5491123456789", "BR", "+5491123456789"),
        ("+54 11 15 2345 6789", "BR", "+5491123456789"),
        ("+80012345678", "BR", "+80012345678"),  # of no country
        ("+2902158", "BR", "+2902158"),
        ("11900000001", "br", MOBILE),
    ],
)
def test_number_of_another_country_is_read_as_its_plan_says(text, region, expected):
    assert normalise_number(text, region) == expected


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("", "BR", "needs digits"),
        ("+", "BR", "needs digits"),
        ("90000-0001", "BR", "9 digits .* area code"),
        ("3000-0001", "BR", "8 digits .* area code"),
        ("+55900000001", "US", "9 digits .* area code"),
        ("119000000012", "BR", "12 digits"),
        ("351912345678", "BR", "another country's number is written with \\+"),
        ("0351912345678901", "BR", "16 digits"),
        ("9011900000001", "BR", "13 digits"),
        ("+5511", "BR", "2 digits"),
        ("+55119000000012", "BR", "12 digits"),
        ("11900000001 ramal 2", "BR", "'r'"),
        ("0800 FLOWERS", "BR", "'F'"),
        ("tel:+5511900000001", "BR", "'t'"),
        ("(11) 3000-0001/2", "BR", "'/'"),
        ("11900000001,11900000002", "BR", "','"),
        ("11900000001;ext=2", "BR", "';'"),
        ("1130000001.0", "BR", "fraction"),
        ("5511900000001.00", "BR", "fraction"),
        ("1.1900000001E+10", "BR", "'E'"),
        ("++5511900000001", "BR", "'\\+'"),
        ("55+11900000001", "BR", "'\\+'"),
        ("1190000000\u00b2", "BR", "'\u00b2'"),
        ("11900000001\0", "BR", "x00"),
        ("1" * 65, "BR", "65 characters"),
        (" " * 60 + "11900000001", "BR", "71 characters"),
        ("+0011900000001", "BR", "no country"),
        ("+2101234567", "BR", "no country"),
        ("+1415555012", "BR", "of \\+1: it has too few"),
        ("+141555501234", "BR", "of \\+1: it has too many"),
        ("5550123", "US", "of \\+1: its area code is missing"),
        ("+49 00 40600", "BR", "of \\+49: it can be read in two ways"),
        ("+35191234567890", "BR", "of \\+351: it has too many"),
        ("1", "PT", "too few"),
        ("1" * 40, "PT", "too many"),
        ("912345678", "XX", "'XX'"),
        ("912345678", "", "no region"),
    ],
)
def test_refusal_says_what_is_wrong(text, region, reason):
    with pytest.raises(AddressError, match=reason):
        normalise_number(text, region)


@pytest.mark.whole
@settings(max_examples=300, deadline=None)
@given(ANY_TEXT, REGIONS)
@example("+55" + " " * 60 + "11900000001", "BR")
@example("+559041234567", "US")
@example("+5511900000001\n", "BR")
@example("+440740012345", "BR")
def test_short_cut_agrees_with_the_long_way(text, region):
    assert outcome(normalise_number, text, region) == outcome(read_number, text, region)


@settings(max_examples=200, deadline=None)
@given(INTERNATIONAL)
def test_international_number_is_what_the_library_says(text):
    assume(not text.startswith("+55"))  # Brazil has a rule of its own, below
    try:
        parsed = phonenumbers.parse(text, None)
        possible = phonenumbers.is_possible_number_with_reason(parsed)
    except phonenumbers.NumberParseException:
        possible = None
    expected = None
    if possible == phonenumbers.ValidationResult.IS_POSSIBLE:
        address = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        expected = address if phonenumbers.parse(address) == parsed else None
    result = outcome(normalise_number, text, "BR")
    assert (result if isinstance(result, str) else None) == expected


@settings(deadline=None)
@given(st.from_regex(r"[1-9][0-9]{9,10}", fullmatch=True))
def test_library_takes_every_number_that_is_taken_in_brazil(national):
    for text in (f"+55{national}", f"55{national}", national, f"0{national}", f"015{national}"):
        assert normalise_number(text, "BR") == f"+55{national}"
    parsed = phonenumbers.PhoneNumber(country_code=55, national_number=int(national))
    assert phonenumbers.is_possible_number(parsed)
    if not national.startswith("90"):  # which the library takes for the prefix of a collect call
        assert phonenumbers.parse(f"+55{national}") == parsed


@settings(deadline=None)
@given(ANY_TEXT, REGIONS)
def test_normalised_number_is_e164_and_stays_as_it_is(text, region):
    result = outcome(normalise_number, text, region)
    if isinstance(result, str):
        assert re.fullmatch(r"\+[1-9][0-9]{3,18}", result)
        assert normalise_number(result, "BR") == result
        assert normalise_number(result, "US") == result


@settings(deadline=None)
@given(ANY_TEXT, REGIONS)
def test_refusal_never_repeats_the_number(text, region):
    result = outcome(normalise_number, text, region)
    if not isinstance(result, str):
        said = re.sub(r"\\[xuU][0-9a-f]+", "", " ".join(result))  # a character by its code point
        assert not re.search(r"[0-9]{4}", said)


@pytest.mark.parametrize(
    ("text", "expected", "kind"),
    [
        ("27000", "27000", AddressKind.SHORT_CODE),
        (" 123 ", "123", AddressKind.SHORT_CODE),
        ("270001", "270001", AddressKind.SHORT_CODE),
        ("(11) 90000-0001", MOBILE, AddressKind.NUMBER),
        ("0800 000 0001", "+558000000001", AddressKind.NUMBER),
        ("Recado", "Recado", AddressKind.ALPHANUMERIC),
        ("A", "A", AddressKind.ALPHANUMERIC),
        ("Loja 24-7_&", "Loja 24-7_&", AddressKind.ALPHANUMERIC),
        (" Caf\u00e9 ", "Caf\u00e9", AddressKind.ALPHANUMERIC),
        ("Cafe\u0301", "Caf\u00e9", AddressKind.ALPHANUMERIC),
        ("0800ACME", "0800ACME", AddressKind.ALPHANUMERIC),
        ("+A", "+A", AddressKind.ALPHANUMERIC),
    ],
)
def test_sender_id_has_one_form(text, expected, kind):
    sender_id = normalise_sender_id(text, "BR", EVERY_KIND)
    assert sender_id == expected
    assert kind_of(sender_id) is kind
    assert normalise_sender_id(text, "BR", [kind]) == expected
    with pytest.raises(AddressError):
        normalise_sender_id(text, "BR", EVERY_KIND - {kind})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "needs digits"),
        ("12", "2 digits"),
        ("1234567", "7 digits"),
        ("Twelve chars", "at most 11 characters, this one 12"),
        ("Promo\u00e7\u00e3o", "'\u00e7'"),
        ("A[b]", "'\\['"),
        ("A\nB", "n"),
        ("\u0430\u0441me", "'\u0430'"),  # Cyrillic letters that look Latin
        ("- _ &", "'_'"),
    ],
)
def test_wrong_sender_id_is_refused(text, reason):
    with pytest.raises(AddressError, match=reason):
        normalise_sender_id(text, "BR", EVERY_KIND)


def test_refused_kind_is_named_with_those_allowed():
    allowed = {AddressKind.SHORT_CODE, AddressKind.NUMBER}
    with pytest.raises(AddressError, match="alphanumeric is not allowed here, only: number, short"):
        normalise_sender_id("Recado", "BR", allowed)


@settings(deadline=None)
@given(st.text(), st.sets(st.sampled_from(AddressKind)))
def test_sender_id_is_of_an_allowed_kind_and_stays_as_it_is(text, kinds):
    try:
        sender_id = normalise_sender_id(text, "BR", kinds)
    except AddressError:
        return
    assert kind_of(sender_id) in kinds
    assert normalise_sender_id(sender_id, "BR", kinds) == sender_id


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (MOBILE, "+5511*****0001"),
        (LANDLINE, "+5511****0001"),
        ("+14155550123", "+141****0123"),
        ("+2902158", "+2****58"),
        ("5511900000001", "5511*****0001"),
        ("(11) 90000-0001", "***"),
        ("someone@example.com", "***"),
        ("+", "***"),
        ("+12", "+**"),
    ],
)
def test_address_is_masked_for_a_log(address, expected):
    assert mask(address) == expected


@settings(deadline=None)
@given(st.from_regex(r"\+[1-9][0-9]{3,16}", fullmatch=True))
def test_mask_hides_four_digits_at_least_and_keeps_the_length(address):
    masked = mask(address)
    assert len(masked) == len(address)
    assert masked.count("*") >= 4


def test_digits_are_those_of_the_address():
    assert digits(MOBILE) == "5511900000001"
    assert digits("27000") == "27000"


@pytest.mark.parametrize("address", ["Recado", "", "+", "\u0661\u0661", "+55 11"])
def test_address_that_is_not_made_of_digits_has_none(address):
    with pytest.raises(AddressError):
        digits(address)


def test_national_digits_leave_the_country_code_out():
    assert national_digits(MOBILE) == "11900000001"
    assert national_digits(LANDLINE) == "1130000001"
    assert national_digits("+5555912345678") == "55912345678"


@pytest.mark.parametrize("address", ["+14155550123", "27000", "Recado", "+55900000001"])
def test_address_from_elsewhere_has_no_national_digits(address):
    with pytest.raises(AddressError):
        national_digits(address)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (MOBILE, MOBILE),
        (MOBILE, "11900000001"),
        (MOBILE, "5511900000001"),
        (MOBILE, "(11) 90000-0001"),
        (MOBILE, "01511900000001"),
        (LANDLINE, "1130000001"),
        ("+5511987650001", "+551187650001"),  # with and without the ninth digit
        ("+5511987650001", "1187650001"),
        ("1187650001", "5511987650001"),
        ("+5555912345678", "55912345678"),
        ("+14155550123", "14155550123"),
        ("+14155550123", "+1 415 555 0123"),
        ("Recado", "Recado"),
    ],
)
def test_same_line_however_it_is_written(a, b):
    assert same_line(a, b)
    assert same_line(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (MOBILE, "+5511900000002"),
        (MOBILE, "+5521900000001"),
        ("+5511930000001", LANDLINE),  # a landline is not the mobile that ends like it
        (MOBILE, "+11900000001"),  # the same last 11 digits, another country
        ("+5514155550123", "+14155550123"),
        (MOBILE, "900000001"),
        (MOBILE, ""),
        ("", "x"),
        ("Recado1", "Outro1"),
        ("Recado", "27000"),
        ("+14155550123", "+4155550123"),
    ],
)
def test_other_lines_are_other_lines(a, b):
    assert not same_line(a, b)
    assert not same_line(b, a)


@settings(deadline=None)
@given(st.from_regex(r"[1-9][1-9](9[0-9]{8}|[2-5][0-9]{7})", fullmatch=True))
def test_vendor_that_echoes_national_digits_means_the_same_line(national):
    address = normalise_number(national, "BR")
    assert same_line(address, national_digits(address))
    assert same_line(address, digits(address))


@pytest.mark.parametrize(
    ("address", "others"),
    [
        ("+5511988887777", ["+551188887777"]),
        ("+551188887777", ["+5511988887777"]),
        ("+5511900000001", []),  # eight digits that begin with 0 were never a mobile
        (LANDLINE, []),
        ("+14155550123", []),
        ("27500", []),
        ("RECADO", []),
        ("ana@example.com", []),
    ],
)
def test_line_may_be_stored_with_the_ninth_digit_and_without(address, others):
    assert forms_of(address) == (address, *others)


@settings(deadline=None)
@given(st.from_regex(r"\+55[1-9][1-9](9?[6-9][0-9]{7}|[2-5][0-9]{7})", fullmatch=True))
def test_forms_of_a_line_are_the_same_line_and_name_each_other(address):
    forms = forms_of(address)
    assert all(same_line(address, each) for each in forms)
    assert all(set(forms_of(each)) == set(forms) for each in forms)
