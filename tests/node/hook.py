"""Takes what is posted and writes it down, a line of JSON each; the first N posts are answered with 500.

usage: hook.py PORT OUT N [CERTIFICATE KEY]
"""

import base64
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, out, failures = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        global failures
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 500 if failures > 0 else 200
        failures -= 1
        taken = {
            "path": self.path,
            "status": status,
            "authorization": self.headers["Authorization"],
            "type": self.headers["Content-Type"],
            "body": base64.b64encode(body).decode(),
        }
        with open(out, "a") as file:
            file.write(json.dumps(taken) + "\n")
        self.send_response(status)
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", port), Hook)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
