import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "node:test";

import { Server, inTime } from "./server.mjs";

// A process that has nothing left to wait for ends by itself.
test("close leaves no timer and no socket behind", async (t) => {
  const server = await Server.start(t);
  const { user } = await server.client("ann");
  for (const port of [server.port, 1]) {
    const program = `
      import { Voicechan } from ${JSON.stringify(new URL("../../examples/web/voicechan.js", import.meta.url).href)};
      import { WebSocket } from ${JSON.stringify(new URL("server.mjs", import.meta.url).href)};
      const client = new Voicechan({ url: "http://127.0.0.1:${port}", key: "${user.token}", WebSocket });
      const lines = [client.notifications(), client.signaling({ room: "a" }), client.voice("a")];
      const wait = new Promise((resolve) => setTimeout(resolve, 500));
      await (${port} === 1 ? wait : Promise.all(lines.map((line) => line.opened())));
      if (${port} !== 1) lines[1].send("nobody", {}).catch(() => {});
      client.close();`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: ["ignore", "ignore", "inherit"] });
    t.after(() => child.kill());
    const [code] = await inTime(once(child, "exit"), `the end, port ${port}`, 5);
    assert.equal(code, 0);
  }
});
