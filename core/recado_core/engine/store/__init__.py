"""The database: its connection, its tables, and every statement on them."""
