"""The calls of the HTTP API, one room for each resource."""

from litestar.handlers import HTTPRouteHandler

from recado_gateway.api import accounts, api_keys, health, messages, metrics, plugins, webhooks

HANDLERS: list[HTTPRouteHandler] = [
    *messages.HANDLERS,
    *accounts.HANDLERS,
    *api_keys.HANDLERS,
    *plugins.HANDLERS,
    *webhooks.HANDLERS,
    *health.HANDLERS,
    *metrics.HANDLERS,
]
