"""A message's life: drafted, going from status to status, told of, shown."""
