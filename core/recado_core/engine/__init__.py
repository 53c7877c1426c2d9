"""The machinery that the gateway runs: accept, dispatch, receive, deliver, above one store."""
