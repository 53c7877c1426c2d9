"""What end_to_end.py can measure, besides what `recado bench` does."""
