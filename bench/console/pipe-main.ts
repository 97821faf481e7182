import { connect, createServer } from "node:net";

/**
 * Passes a unix socket on to another one and does nothing else: what any relay in a process of its own costs on this
 * computer at this moment. Arguments: where to, and where to listen. Ends with its stdin.
 */
const [to = "", path = ""] = process.argv.slice(2);
const server = createServer((viewer) => {
  const vnc = connect({ path: to });
  for (const socket of [viewer, vnc])
    socket.on("error", () => {
      viewer.destroy();
      vnc.destroy();
    });
  viewer.pipe(vnc);
  vnc.pipe(viewer);
});
server.listen(path, () => process.stdout.write("ready\n"));
process.stdin.on("end", () => process.exit(0)).resume();
