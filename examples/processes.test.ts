import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

async function output(example: string): Promise<string> {
  const path = fileURLToPath(new URL(`${example}.js`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path]);
  return stdout;
}

describe("examples of processes", function () {
  this.timeout(60_000);

  it("ping-pong: every round is answered", async () => {
    expect(await output("ping-pong")).to.match(
      /^ping-pong: 1000 replies of process 2\nended: normal, [\d,]+ messages a second\n$/,
    );
  });

  it("supervised workers: the one that panicked is replaced", async () => {
    const text = await output("supervised-workers");
    expect(text).to.match(
      /stderr: panicked: a worker was poisoned\n {2}process 4 ended: trap: unreachable\n {2}process 6 was spawned by 2\n/,
    );
    expect(text).to.match(/worker-2 is a new process: 12 squared is 144\nrestarts: 1\n/);
    expect(text).to.match(/process 1 ended: normal\n/);
  });

  it("untrusted plugin: what it may not do ends it alone", async () => {
    expect(await output("untrusted-plugin")).to.equal(
      [
        "shout hello: answered 'HELLO'",
        "print I was here: answered 'printed'",
        "arguments: the plugin ended: import denied: wasi_snapshot_preview1::args_sizes_get is not permitted",
        "spawn: the plugin ended: import denied: lunatic::process::spawn is not permitted",
        "grow: answered 'no more than 32 pages'",
        "loop: the plugin ended: fuel exhausted: 10000000 used, 10000000 allowed",
        "the log has: I was here",
        "the embedder ended: normal",
        "",
      ].join("\n"),
    );
  });

  it("fork bomb: it is contained, and the neighbour goes on", async () => {
    const text = await output("fork-bomb");
    const [, made, most] = /made (\d+) processes, of which at most (\d+) lived/.exec(text) ?? [];
    // Those that are being made count too, and are seen when they are ready.
    expect(Number(made)).to.be.at.least(50);
    expect(Number(most)).to.be.within(50, 100);
    const [, ratio] = /that is ([\d.]+) times as long/.exec(text) ?? [];
    expect(Number(ratio)).to.be.above(0);
    expect(text).to.match(/0 of its processes were left/);
  });
});
