"""The accounts at providers: their state, their limits, and how a provider is asked."""
