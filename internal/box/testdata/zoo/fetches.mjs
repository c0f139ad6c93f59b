// An HTTP server and twelve fetches in one process.
import http from "node:http";

const server = http.createServer((request, response) => {
  const n = Number(request.url.slice(1));
  setTimeout(() => response.end(`${n} from ${request.socket.remotePort}`), (n * 7) % 5);
});
await new Promise((up) => server.listen(0, "127.0.0.1", up));
const base = `http://127.0.0.1:${server.address().port}`;
await Promise.all([...Array(12).keys()].map(async (n) => {
  const answer = await fetch(`${base}/${n}`);
  console.log(await answer.text(), answer.headers.get("date"));
}));
server.closeAllConnections();
server.close();
