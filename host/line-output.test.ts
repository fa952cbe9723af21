import { expect } from "chai";
import { LineOutput } from "./line-output.ts";

function written(...pieces: (string | Uint8Array)[]): string[] {
  const lines: string[] = [];
  const output = new LineOutput((line) => lines.push(line));
  for (const piece of pieces) output.write(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  lines.push("|");
  output.flush();
  return lines;
}

describe("LineOutput", () => {
  it("passes lines on when they end, and the rest when it is told to", () => {
    expect(written("a\n\nb", "c\nd")).to.deep.equal(["a", "", "bc", "|", "d"]);
    expect(written("a\n")).to.deep.equal(["a", "|"]);
  });

  it("puts characters together that come in pieces", () => {
    const bytes = new TextEncoder().encode("é\n");
    expect(written(bytes.subarray(0, 1), bytes.subarray(1))).to.deep.equal(["é", "|"]);
    expect(written(bytes.subarray(0, 1))).to.deep.equal(["|", "\ufffd"]);
  });

  it("keeps little of a line that does not end", () => {
    const lines = written("x".repeat(20_000), `${"y".repeat(9_000)}\n`);
    expect(lines.map(({ length }) => length)).to.deep.equal([8_192, 8_192, 8_192, 4_424, 1]);
    expect(written(`${"x".repeat(20_000)}\n`).map(({ length }) => length)).to.deep.equal([8_192, 8_192, 3_616, 1]);
  });
});
