"""Which parts of the engine can do their work, and why the others can't."""

from collections.abc import Collection, Iterator, Mapping

import msgspec

from recado_core.engine.accounts.account import Account


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the engine, and whether it can do its work."""

    name: str
    ok: bool
    detail: str


def of_accounts(accounts: Mapping[str, Account], holding: Collection[str]) -> Iterator[Component]:
    """Tell of every account, and of those that only messages know.

    Args:
        accounts: Those of the configuration.
        holding: For which messages wait, and which are not in the configuration.
    """
    for name in holding:
        yield Component(
            name=f"account.{name}",
            ok=False,
            detail="messages wait for it, and it is not in the configuration",
        )
    for name, account in accounts.items():
        yield Component(
            name=f"account.{name}",
            ok=account.paused_at is None and account.trouble is None,
            detail=account.reason or account.trouble or "active",
        )


def of_sinks(
    reasons: Mapping[str, str | None], holding: Collection[str], *, delivering: bool
) -> Iterator[Component]:
    """Tell of every sink, and of those that only deliveries know.

    Args:
        reasons: Why each takes nothing now, if it does not.
        holding: For which deliveries wait, and which are not in the configuration.
        delivering: Whether this process delivers; one that does not knows no reasons.
    """
    for name in holding:
        yield Component(
            name=f"sink.{name}",
            ok=False,
            detail="deliveries wait for it, and it is not in the configuration",
        )
    for name, reason in reasons.items():
        well = "up" if delivering else "not told from this process"
        yield Component(name=f"sink.{name}", ok=reason is None, detail=reason or well)
