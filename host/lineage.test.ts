import { expect } from "chai";
import fc from "fast-check";
import { countReachable } from "./node/testing.ts";
import { Lineage } from "./lineage.ts";

interface Member {
  readonly lineage: Lineage<Member>;
  readonly maker: Member | null;
  isLiving: boolean;
}

function member(maker: Member | null): Member {
  const made: { lineage?: Lineage<Member>; maker: Member | null; isLiving: boolean } = { maker, isLiving: true };
  made.lineage = new Lineage(made as Member);
  if (maker !== null) made.lineage.madeBy(maker.lineage);
  return made as Member;
}

function end(one: Member): void {
  one.isLiving = false;
  one.lineage.end();
}

/** By the whole chain, which nobody forgets. */
function livingMakerOf({ maker }: Member): Member | null {
  let living = maker;
  while (living !== null && !living.isLiving) living = living.maker;
  return living;
}

describe("Lineage", () => {
  it("names the nearest maker that still runs, whoever ends in whatever order", () => {
    const command = fc.record({ kind: fc.constantFrom("make", "make", "end", "ask"), which: fc.nat(1_000) });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        let living = [member(null), member(null)];
        for (const { kind, which } of commands) {
          const one = living[which % living.length];
          if (one === undefined) return;
          if (kind === "make") living.push(member(one));
          else if (kind === "ask") expect(one.lineage.livingMaker).to.equal(livingMakerOf(one));
          else {
            expect(one.lineage.livingMaker).to.equal(livingMakerOf(one));
            end(one);
            living = living.filter((other) => other !== one);
          }
        }
        for (const one of living) expect(one.lineage.livingMaker).to.equal(livingMakerOf(one));
      }),
      { numRuns: 300 },
    );
  });

  it("remembers fewer that have ended than there are living, also of chains that end from below", async () => {
    const all: WeakRef<object>[] = [];
    const made = (maker: Lineage<object> | null): Lineage<object> => {
      const lineage = new Lineage<object>({});
      if (maker !== null) lineage.madeBy(maker);
      all.push(new WeakRef(lineage));
      return lineage;
    };
    const root = made(null);
    const kept = [root];
    const chain = (): void => {
      const links = [root];
      for (let i = 0; i < 1_000; i++) {
        links.push(made(links.at(-1)!));
        // Every hundredth has one that stays, so that some are forks.
        if (i % 100 === 0) kept.push(made(links.at(-1)!));
      }
      for (const link of links.slice(1).reverse()) link.end();
    };
    for (let i = 0; i < 5; i++) chain();
    expect(all.length).to.equal(5_051);
    expect(await countReachable(all)).to.be.within(51, 101);
    while (kept.length > 1) kept.pop()!.end();
    expect(await countReachable(all)).to.equal(1);
    expect(root.livingMaker).to.equal(null);
  });
});
