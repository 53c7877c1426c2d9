"""Templates: kept, filled, and shown as the messages that they would be."""
