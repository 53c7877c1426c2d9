"""Campaigns: one text to many people, from the audience's file to the results."""
