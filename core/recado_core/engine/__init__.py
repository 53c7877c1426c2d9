"""The machinery that the gateway runs: accept, dispatch, receive, and the store beneath them."""
