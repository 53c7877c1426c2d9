"""The suppression list: what leads on to it and off it, and who is told."""
