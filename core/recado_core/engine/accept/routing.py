"""Which accounts may carry a message, in which order; values in, values out."""

from collections.abc import Callable, Collection, Sequence

from recado_core.engine.settings import RouteSettings
from recado_core.messages import Category


def matching_route(
    routes: Sequence[RouteSettings], channel: str, category: Category, address: str
) -> RouteSettings | None:
    """Return the first route for such a message, or None."""
    for route in routes:
        match = route.match
        if (
            route.channel == channel
            and (match.category is None or match.category == category)
            and (match.prefix is None or address.startswith(match.prefix))
        ):
            return route
    return None


def is_one_for_all(routes: Sequence[RouteSettings], channel: str, category: Category) -> bool:
    """Tell whether neither an address nor a draw decides which accounts carry such messages."""
    for route in routes:
        if route.channel == channel and route.match.category in {None, category}:
            return route.match.prefix is None and not route.weights
    return False


def order_accounts(
    route: RouteSettings, paused: Collection[str], draw: Callable[[], float]
) -> list[str]:
    """Return the route's accounts in the order in which to try them.

    Args:
        route: Failover in its own order, or with ``weights`` the first drawn in proportion.
        paused: Accounts that a person must wake first; they come last.
        draw: Gives a number from 0 up to 1.
    """
    accounts = list(route.accounts)
    if route.weights:
        active = [
            (name, weight)
            for name, weight in zip(accounts, route.weights, strict=True)
            if name not in paused
        ]
        mark = draw() * sum(weight for _, weight in active)
        for name, weight in active:
            mark -= weight
            if mark < 0:
                accounts.remove(name)
                accounts.insert(0, name)
                break
    return sorted(accounts, key=lambda name: name in paused)
