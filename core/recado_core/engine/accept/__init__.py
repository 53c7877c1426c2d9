"""Taking messages in: checked, routed, durable, and the client answered."""
