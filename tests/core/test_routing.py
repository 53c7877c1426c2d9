import pytest
from recado_core import Category
from recado_core.engine.accept.routing import is_one_for_all, matching_route, order_accounts
from recado_core.engine.settings import RouteMatch, RouteSettings

MARKETING = RouteSettings(accounts=["bulk"], match=RouteMatch(category=Category.MARKETING))
BRAZIL = RouteSettings(accounts=["local"], match=RouteMatch(prefix="+55"))
BOTH = RouteSettings(
    accounts=["local_bulk"], match=RouteMatch(category=Category.MARKETING, prefix="+55")
)
WHATSAPP = RouteSettings(accounts=["chat"], channel="whatsapp")
REST = RouteSettings(accounts=["world"])


def chosen(routes, *, channel="sms", category=Category.TRANSACTIONAL, address="+5511900000001"):
    route = matching_route(routes, channel, category, address)
    return route and route.accounts[0]


def test_the_first_route_that_matches_wins():
    assert chosen([BRAZIL, MARKETING, REST], category=Category.MARKETING) == "local"
    assert chosen([MARKETING, BRAZIL, REST], category=Category.MARKETING) == "bulk"


def test_a_route_matches_only_where_all_its_keys_do():
    assert chosen([BOTH, REST], category=Category.MARKETING) == "local_bulk"
    assert chosen([BOTH, REST], category=Category.OTP) == "world"
    assert chosen([BOTH, REST], category=Category.MARKETING, address="+12025550100") == "world"


def test_a_route_is_for_its_channel_alone():
    assert chosen([REST, WHATSAPP], channel="whatsapp") == "chat"
    assert chosen([WHATSAPP]) is None


DRAWN = RouteSettings(accounts=["a", "b"], weights=[1, 1])


@pytest.mark.parametrize(
    ("routes", "is_one"),
    [
        ([REST], True),
        ([REST, BRAZIL], True),
        ([WHATSAPP, MARKETING, REST], True),
        ([BRAZIL, REST], False),
        ([MARKETING, BRAZIL, REST], False),
        ([DRAWN], False),
        ([WHATSAPP], False),
        ([], False),
    ],
)
def test_a_route_is_one_for_all_unless_the_address_or_a_draw_decides(routes, is_one):
    assert is_one_for_all(routes, "sms", Category.TRANSACTIONAL) is is_one


def test_a_route_for_another_category_decides_nothing():
    assert is_one_for_all([BOTH, REST], "sms", Category.OTP)
    assert not is_one_for_all([BOTH, REST], "sms", Category.MARKETING)


def test_where_no_route_matches_there_is_none():
    assert chosen([]) is None
    assert chosen([BRAZIL], address="+12025550100") is None


def order(accounts, *, weights=None, paused=(), mark=0.0):
    return order_accounts(
        RouteSettings(accounts=accounts, weights=weights), frozenset(paused), lambda: mark
    )


def test_without_weights_the_order_is_the_routes_own():
    assert order(["a", "b", "c"]) == ["a", "b", "c"]


def test_paused_accounts_come_last():
    assert order(["a", "b", "c"], paused=["a"]) == ["b", "c", "a"]
    assert order(["a", "b"], paused=["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (0.0, ["a", "b", "c"]),
        (0.49, ["a", "b", "c"]),
        (0.5, ["b", "a", "c"]),
        (0.74, ["b", "a", "c"]),
        (0.75, ["c", "a", "b"]),
        (0.999, ["c", "a", "b"]),
    ],
)
def test_weights_draw_the_first_and_the_others_follow_in_order(mark, expected):
    assert order(["a", "b", "c"], weights=[2, 1, 1], mark=mark) == expected


def test_an_account_of_weight_0_is_only_a_fallback():
    assert {order(["a", "b"], weights=[0, 1], mark=mark / 10)[0] for mark in range(10)} == {"b"}


def test_a_paused_accounts_share_goes_to_the_others():
    assert order(["a", "b", "c"], weights=[8, 1, 1], paused=["a"], mark=0.4) == ["b", "c", "a"]
    assert order(["a", "b", "c"], weights=[8, 1, 1], paused=["a"], mark=0.6) == ["c", "b", "a"]


def test_weights_of_paused_accounts_alone_leave_an_order():
    assert order(["a", "b"], weights=[1, 0], paused=["a"]) == ["b", "a"]


def test_the_routes_own_list_is_left_as_it_is():
    route = RouteSettings(accounts=["a", "b"], weights=[1, 1])
    order_accounts(route, {"a"}, lambda: 0.9)
    assert route.accounts == ["a", "b"]
