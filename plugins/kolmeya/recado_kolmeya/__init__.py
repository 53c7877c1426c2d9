"""The Kolmeya plugin: what it registers."""
