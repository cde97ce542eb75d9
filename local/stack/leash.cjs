// Loaded into Azurite: ends it, with time to write its data, when the supervisor lets go of its
// standard input. Azurite listens to one SIGTERM only; this listener stays, so that a second one (the
// kernel's, at the death of the supervisor) does not cut its writing short.
"use strict";

const GRACE_MILLISECONDS = 10000;
let ending = false;

process.on("SIGTERM", () => {
  if (ending) return;
  ending = true;
  const azuriteListens = process.listenerCount("SIGTERM") > 1;
  if (!azuriteListens) process.exit(0);
  setTimeout(() => process.exit(1), GRACE_MILLISECONDS).unref();
});
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.on("error", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
process.stdin.unref();
