"""Every statement on the database, each a named function; one module for each table.

A function takes the connection of a transaction that its caller opened, and says in its name what
it does. No statement stands anywhere else.
"""
