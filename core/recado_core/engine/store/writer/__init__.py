"""SQLite's writer as a process of its own, which shares no interpreter's lock with the gateway."""
