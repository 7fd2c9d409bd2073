"""OHIF, served on loopback as a web server in a hospital serves it, over the DICOMweb of irisnode."""

import functools
import http.server
import json
import pathlib
import threading


class Files(http.server.SimpleHTTPRequestHandler):
    """OHIF's files; any other path is a page of its own."""

    configuration = b""

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/app-config.js":
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript")
            self.send_header("Content-Length", str(len(self.configuration)))
            self.end_headers()
            self.wfile.write(self.configuration)
            return
        if not pathlib.Path(self.translate_path(path)).is_file():
            self.path = "/index.html"
        super().do_GET()

    def end_headers(self):
        # What it decodes with wants memory that its threads share.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_):
        pass


def serve(ohif, configuration, port, dicomweb):
    """Serves `ohif` until the process ends; it asks `dicomweb` (a URL)."""
    text = configuration.read_text().replace('"/dicom-web"', json.dumps(dicomweb))
    handler = type("Handler", (Files,), {"configuration": text.encode()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(handler, directory=str(ohif)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
