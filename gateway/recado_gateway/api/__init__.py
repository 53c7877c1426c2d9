"""The calls of the HTTP API, one room for each resource."""

from litestar.handlers import HTTPRouteHandler

from recado_gateway.api import (
    accounts,
    api_keys,
    campaigns,
    consents,
    conversations,
    do_not_disturb,
    health,
    links,
    messages,
    metrics,
    plugins,
    schedules,
    sinks,
    stats,
    suppressions,
    templates,
    webhooks,
)

HANDLERS: list[HTTPRouteHandler] = [
    *messages.HANDLERS,
    *conversations.HANDLERS,
    *links.HANDLERS,
    *campaigns.HANDLERS,
    *schedules.HANDLERS,
    *templates.HANDLERS,
    *suppressions.HANDLERS,
    *do_not_disturb.HANDLERS,
    *consents.HANDLERS,
    *stats.HANDLERS,
    *accounts.HANDLERS,
    *sinks.HANDLERS,
    *api_keys.HANDLERS,
    *plugins.HANDLERS,
    *webhooks.HANDLERS,
    *health.HANDLERS,
    *metrics.HANDLERS,
]
