"""Odoo's services ``common`` and ``object``, as JSON-RPC reaches them."""

from typing import NamedTuple

from failures import ACCESS_DENIED, OdooError, no_database


class Call(NamedTuple):
    service: str
    method: str
    args: list
    kwargs: dict
    model: str | None


VERSIONS = {generation: f"{generation}.0-20250101" for generation in range(13, 19)}


def read(params):
    """Return what a call is: of ``object``, the method of the model that it names."""
    service, method, args = params["service"], params["method"], params["args"]
    if service != "object":
        return Call(service, method, args, {}, None)
    kwargs = args[6] if method == "execute_kw" and len(args) > 6 else {}
    rest = args[5] if method == "execute_kw" else args[5:]
    return Call(service, args[4], [*args[:3], *rest], kwargs, args[3])


def answer(world, call):
    """Return what a call returns, or raise ``OdooError``."""
    if call.service == "common":
        return common(world, call)
    database, uid, password, *args = call.args
    if database != world.database:
        raise no_database(database)
    user = world.users.get(uid)
    if user is None or user.password != password:
        raise OdooError(ACCESS_DENIED, "Access Denied")
    world.calls.append(
        {"user": user.login, "model": call.model, "method": call.method, "args": args}
        | {"kwargs": call.kwargs}
    )
    return world.call(user, call.model, call.method, args, call.kwargs)


def common(world, call):
    world.calls.append({"method": call.method})
    if call.method == "version":
        generation = world.generation
        return {
            "server_version": VERSIONS[generation],
            "server_version_info": [generation, 0, 0, "final", 0, ""],
            "server_serie": f"{generation}.0",
            "protocol_version": 1,
        }
    database, login, password = call.args[:3]
    if database != world.database:
        raise no_database(database)
    found = [
        uid
        for uid, user in world.users.items()
        if user.login == login and user.password == password
    ]
    return found[0] if found else False
