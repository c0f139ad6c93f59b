# An HTTP server in threads, and clients of the same program.
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path} {self.client_address} {threading.current_thread().name}".encode())

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(n):
    with opener.open(f"http://127.0.0.1:{server.server_port}/{n}", timeout=30) as answer:
        return answer.read().decode(), answer.headers["Date"]


with ThreadPoolExecutor(6) as pool:
    for done in as_completed([pool.submit(ask, n) for n in range(12)]):
        print(*done.result())
server.shutdown()
