"""Taking in what providers bring or are asked for: DLRs and MO messages."""
