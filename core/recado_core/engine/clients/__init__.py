"""What the calls of all clients have: an API key, an idempotency key, a place in a list."""
