"""Serves GET /lines: newline-delimited JSON in chunks that cut lines."""
import http.server
import sys


class Lines(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in (b'{"n": 1}\n{"n"', b': 2, "text": "\xc3', b'\xa9"}\n\n', b'{"n": 3.50}'):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Lines)
with open(sys.argv[1], "w") as f:
    f.write("127.0.0.1:%d\n" % server.server_port)
server.serve_forever()
