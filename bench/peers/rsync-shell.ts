import { connect } from "node:net";

/**
 * What rsync takes for ssh: joins its two ends over the counted line.
 *   rsync -e "node bench/peers/rsync-shell.ts SOCKET" ... host:PATH
 * The first line tells the other side, as ssh would, with which arguments to start rsync there.
 */
const [path = "", , ...command] = process.argv.slice(2);
const socket = connect({ path, allowHalfOpen: true });
socket.write(`${JSON.stringify(command)}\n`);
process.stdin.pipe(socket);
socket.pipe(process.stdout);
// stdout to a pipe is written at once on Linux, and nothing would end it otherwise.
socket.on("end", () => process.exit(0));
socket.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
