"""A made-up Odoo with ChatRoom as a process: ``python tests/odoo_rpc --generation 15 --port 0``.

It prints ``{"port": N}`` and serves until it is killed: Odoo's JSON-RPC at ``/jsonrpc``, ChatRoom's
webhook, and for tests ``/_fake/…``, by which they set faults and look at records and calls.
"""

import argparse
import json
import sys
from http.server import ThreadingHTTPServer

from server import Handler
from world import World


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--generation", type=int, default=15)
    args = parser.parse_args()
    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer((args.host, args.port), Handler)
    server.generation = args.generation
    server.world = World(args.generation)
    sys.stdout.write(json.dumps({"port": server.server_address[1]}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


main()
