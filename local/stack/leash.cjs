// Loaded into Azurite: ends it, with time to write its data, when the supervisor lets go of its
// standard input. A listener of our own stays, because Azurite takes only the first SIGTERM and a
// second one (the kernel's, at the death of the supervisor) would cut its writing short.
"use strict";

const GRACE_MILLISECONDS = 10000;

process.on("SIGTERM", () => setTimeout(() => process.exit(1), GRACE_MILLISECONDS).unref());
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.on("error", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
process.stdin.unref();
