"""Metrics: what a Prometheus server scrapes."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from recado_gateway.endpoints import Endpoint, endpoint, engine_of
from recado_gateway.metrics import look_at
from recado_gateway.requests import Request
from recado_gateway.responses import Response

TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text"


@endpoint("GET", "/metrics", Endpoint(tag="Health", answer=str, media_types=(TEXT, OPENMETRICS)))
async def get_metrics(request: Request) -> Response:
    """Show components, accounts and sinks as Prometheus reads them; it says which format it wants.

    While the database is away, the answer is 200 all the same, with `recado_component_ok` 0 and
    without accounts and sinks.
    """
    encode, content_type = _encoder_for(request.headers.get(b"accept", b"").decode("latin-1"))
    body = encode(await look_at(engine_of(request)))
    return Response(body, media_type=content_type)


def _encoder_for(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    try:
        return choose_encoder(accept)
    except TypeError:  # which a version that is no number makes of the library
        return choose_encoder("")


HANDLERS = [get_metrics]
