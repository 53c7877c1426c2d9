"""Odoo's exceptions, by the names under which RPC tells them."""

ACCESS_DENIED = "odoo.exceptions.AccessDenied"


class OdooError(Exception):
    def __init__(self, name, message):
        super().__init__(message)
        self.name = name
        self.message = message


def no_database(name):
    return OdooError("psycopg2.OperationalError", f'FATAL:  database "{name}" does not exist\n')


def no_access(model):
    message = f"You are not allowed to access '{model}' ({model}) records."
    return OdooError("odoo.exceptions.AccessError", message)
