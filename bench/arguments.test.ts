import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const run = (script: string, ...args: string[]) => {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
};

describe("the benchmarks' command lines", function () {
  this.timeout(20_000);

  for (const script of ["main.js", "fairness.js", "prices.js", "profile.js"]) {
    it(`${script} has usage, and no stack for what is wrong`, () => {
      const help = run(script, "--help");
      expect(help.status).to.equal(0);
      expect(help.stdout).to.match(/^(?:npm run bench|node dist\/bench)/);
      for (const wrong of ["--bogus", "bogus"]) {
        const { status, stdout, stderr } = run(script, wrong);
        expect([status, stdout]).to.deep.equal([2, ""]);
        expect(stderr)
          .to.include("bogus")
          .and.include(help.stdout)
          .and.not.match(/^ +at /m);
      }
    });
  }

  it("counts are whole numbers", () => {
    expect(run("main.js", "--rounds", "x").stderr).to.match(/^--rounds needs a whole number above 0, not 'x'\n/);
  });
});
