"""What messages have come to, counted."""
