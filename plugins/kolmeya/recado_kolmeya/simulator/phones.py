"""Phones: national numbers, and the magic ones that choose their own ending."""

from enum import StrEnum

COUNTRY = 55
COUNTRY_13 = COUNTRY * 10**11  # 55 before a mobile number
COUNTRY_12 = COUNTRY * 10**10  # 55 before a landline
MOBILE_MIN, MOBILE_MAX = 11 * 10**9, 10**11
LANDLINE_MIN, LANDLINE_MAX = 11 * 10**8, 10**10
MOBILE_STARTS = {COUNTRY * 1000 + area * 10 + 9 for area in range(11, 100) if area % 10}  # 55119…
MAGIC_BLOCK = 9_999_000  # nine-digit numbers 9 9990 00NN, in every area
MAGIC_SPAN = 100
MOST_DIGITS = 10**18  # JSON carries no more
SAO_PAULO = range(11, 20)  # area codes of the state of São Paulo


class Ending(StrEnum):
    """What happens to a message, chosen by the last two digits of a magic number."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    EXPIRED = "expired"
    INVALID = "invalid"
    INVALID_CODE = "invalid_code"  # invalids[].error is the number 403, not a text
    BLACKLISTED = "blacklisted"
    NOT_DISTURB = "not_disturb"  # by store and in São Paulo only
    DUPLICATE = "duplicate"
    STUCK_TRYING = "stuck_trying"  # status 1 for ever
    STUCK_SENT = "stuck_sent"  # status 2 for ever
    REPLIES = "replies"  # delivered, and the phone answers
    REPLIES_STOP = "replies_stop"  # delivered, and the phone answers SAIR
    SILENT = "silent"  # delivered, without webhook: only a poll finds out
    DOUBLED = "doubled"  # delivered, and the webhook comes twice
    HOMOLOGATION = "homologation"  # the whole request is rejected later
    UNKNOWN_CODE = "unknown_code"  # ends in status 99, which nobody documents


MAGIC_ENDINGS = {
    0: Ending.DELIVERED,
    4: Ending.UNDELIVERED,
    5: Ending.REJECTED,
    6: Ending.EXPIRED,
    10: Ending.INVALID,
    11: Ending.BLACKLISTED,
    12: Ending.NOT_DISTURB,
    13: Ending.DUPLICATE,
    14: Ending.INVALID_CODE,
    20: Ending.STUCK_TRYING,
    21: Ending.STUCK_SENT,
    30: Ending.REPLIES,
    31: Ending.REPLIES_STOP,
    40: Ending.SILENT,
    41: Ending.DOUBLED,
    42: Ending.HOMOLOGATION,
    43: Ending.UNKNOWN_CODE,
}

# The final status code; whatever is not listed is delivered.
FINAL_CODES = {
    Ending.UNDELIVERED: 4,
    Ending.REJECTED: 5,
    Ending.EXPIRED: 6,
    Ending.STUCK_TRYING: 1,
    Ending.STUCK_SENT: 2,
    Ending.UNKNOWN_CODE: 99,
}


def digits_of(phone: int | str) -> int:
    """Read the digits of a phone, whatever stands between them; 0 if there are none."""
    if isinstance(phone, int):
        return min(max(phone, 0), MOST_DIGITS)
    digits = "".join(char for char in phone if "0" <= char <= "9")
    return min(int(digits[:19] or 0), MOST_DIGITS)


def national(phone: int | str, *, strict: bool = False) -> int:
    """Read a phone as the vendor does: a national number without 55, or 0 if it is none.

    Args:
        phone: The number as it was sent, with or without 55.
        strict: Whether a text with anything but digits in it is no phone.
    """
    if isinstance(phone, str):
        if strict and not (phone.isascii() and phone.isdigit()):
            return 0
        phone = digits_of(phone)
    if phone // 10**8 in MOBILE_STARTS:  # as nearly all are sent
        return phone - COUNTRY_13
    if phone // 10**11 == COUNTRY:
        phone -= COUNTRY_13
    elif phone // 10**10 == COUNTRY:
        phone -= COUNTRY_12
    if MOBILE_MIN <= phone < MOBILE_MAX:
        return phone if phone // 10**8 % 10 == 9 and phone // 10**9 % 10 else 0  # noqa: PLR2004 - mobile numbers begin with 9
    if LANDLINE_MIN <= phone < LANDLINE_MAX:
        return phone if 2 <= phone // 10**7 % 10 <= 5 and phone // 10**8 % 10 else 0  # noqa: PLR2004 - landlines with 2 to 5
    return 0


def in_sao_paulo(phone: int) -> bool:
    """Say whether a national number belongs to the state of São Paulo."""
    area = phone // 10**9 if phone >= MOBILE_MIN else phone // 10**8
    return area in SAO_PAULO


def magic_ending(phone: int) -> Ending:
    """Give the ending that a number of the magic block chooses."""
    if phone % 10**9 // MAGIC_SPAN != MAGIC_BLOCK:
        return Ending.DELIVERED
    return MAGIC_ENDINGS.get(phone % MAGIC_SPAN, Ending.DELIVERED)
