"""A service whose every answer takes as long as the query says: `python slow_api.py PORT`."""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Slow(BaseHTTPRequestHandler):
    """Answers each request in a thread of its own."""

    def do_GET(self):
        """Answer after `s` seconds."""
        time.sleep(float(parse_qs(urlsplit(self.path).query).get("s", ["0"])[0]))
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_):
        """Keep quiet."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Slow).serve_forever()
