"""Conversations as people lead them: by the API, and at the desk of a business system."""
