"""Files that people hand in, read row by row."""
