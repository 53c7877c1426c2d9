"""The calls of the HTTP API, one room for each resource."""

from litestar.handlers import HTTPRouteHandler

from recado_gateway.api import (
    accounts,
    api_keys,
    consents,
    do_not_disturb,
    health,
    messages,
    metrics,
    plugins,
    suppressions,
    webhooks,
)

HANDLERS: list[HTTPRouteHandler] = [
    *messages.HANDLERS,
    *suppressions.HANDLERS,
    *do_not_disturb.HANDLERS,
    *consents.HANDLERS,
    *accounts.HANDLERS,
    *api_keys.HANDLERS,
    *plugins.HANDLERS,
    *webhooks.HANDLERS,
    *health.HANDLERS,
    *metrics.HANDLERS,
]
