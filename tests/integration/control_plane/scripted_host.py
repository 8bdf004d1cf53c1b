"""A model host that loads nothing; ``SCRIPTED_HOST`` says how its health is."""

import argparse
import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = os.environ["SCRIPTED_HOST"]
        message = "the file is damaged" if status == "failed" else ""
        model = {"name": "llm", "state": status, "seconds": 0.1, "message": message}
        body = json.dumps({"status": status, "models": [model]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
assert os.environ["VISAVIS_HOST_API_KEY"]
HTTPServer(("127.0.0.1", parser.parse_args().port), Health).serve_forever()
