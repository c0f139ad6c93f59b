"""Serves what the sample server does not: newline-delimited JSON in chunks that
cut lines (GET /lines), and events of every form (GET /events)."""
import http.server
import sys

LINES = (b'{"n": 1}\n{"n"', b': 2, "text": "\xc3', b'\xa9"}\n\n', b'{"n": 3.50}')
EVENTS = (
    b"\xef\xbb", b"\xbfdata: first\n", b"\ndata: two\ndata: lines\nid: 7\n\n", b": a comment\n\nevent: n\xc3",
    b"\xa4mlich\r\ndata:no space\r", b"\n\r\nretry: 10\n\ndata\n\nevent: empty\n\n", b'data: {"last": 1.50}\n\ndata: never ended',
)


class Lines(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        events = self.path == "/events"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if events else "application/x-ndjson")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in EVENTS if events else LINES:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Lines)
with open(sys.argv[1], "w") as f:
    f.write("127.0.0.1:%d\n" % server.server_port)
server.serve_forever()
