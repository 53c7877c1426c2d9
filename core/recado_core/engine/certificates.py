"""The certificate authorities that all connections trust, read once."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """Return the context of all HTTP clients: making one takes tens of milliseconds."""
    return httpx.create_ssl_context()
