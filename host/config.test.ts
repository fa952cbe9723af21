import { expect } from "chai";
import fc from "fast-check";
import { Config, ConfigDraft, type OnFullMailbox, type Visibility } from "./config.ts";
import { grantThrough, GrantError, stepsOf, type DirectoryGrant } from "./directory-grants.ts";
import { TestHost } from "./functions/testing.ts";
import { Account } from "./group.ts";
import { ImportPolicy, matchesPattern } from "./import-policy.ts";
import { FakeClock } from "./fakes.ts";
import { MemoryDirectory } from "./memory-files.ts";
import type { Directory } from "./system.ts";
import { turnsOf } from "./wasi/testing.ts";

const VISIBILITIES: readonly Visibility[] = ["own", "descendants", "all"];
const NAMES = ["a::x", "a::y", "b::x", "b::yy", "c::z"];
const PATTERNS = ["*", "a::*", "b::*", "*::x", "a::x", "b::y*", "nothing"];
const ROOT: DirectoryGrant = {
  name: "/data",
  readOnly: true,
  open: () => Promise.resolve(MemoryDirectory.create(new FakeClock())),
};

/** Places that directories may lead to. */
const PATHS = ["/data", "/data/a", "/data/a/b", "/data/c", "work", "work/a", "/", "elsewhere"];

/** 0: not at all, 1: to read, 2: to write too. */
function reach(config: Config, path: string): number {
  try {
    return grantThrough(config.preopens, path).readOnly ? 1 : 2;
  } catch (error) {
    if (error instanceof GrantError) return 0;
    throw error;
  }
}

/** Everything a configuration allows, as numbers of which none may grow. */
function rightsOf(config: Config): readonly number[] {
  return [
    config.maxMemory,
    config.maxFuel,
    config.maxProcesses,
    config.mailbox.maxMessages,
    config.mailbox.maxBytes,
    Number(config.canCompileModules),
    Number(config.canCreateConfigs),
    Number(config.canSpawnProcesses),
    Number(config.network.connect),
    Number(config.network.listen),
    Number(config.network.resolve),
    VISIBILITIES.indexOf(config.visibility),
    // What it may cause to those it sends to, and what it survives.
    ["drop-newest", "suspend", "end-receiver"].indexOf(config.onFullMailbox),
    ["end", "pause"].indexOf(config.onFuelExhausted),
    ["reject", "terminate"].indexOf(config.denied),
    ...PATHS.map((path) => reach(config, path)),
    ...NAMES.map((name) => Number((config.policy?.decide(name) ?? "granted") === "granted")),
  ];
}

const u64 = fc.bigInt(0n, 2n ** 64n - 1n);
const drafts = fc
  .record({
    maxMemory: u64,
    maxFuelUnits: fc.oneof(u64, fc.constant(0n)),
    canCompileModules: fc.boolean(),
    canCreateConfigs: fc.boolean(),
    canSpawnProcesses: fc.boolean(),
    maxProcesses: fc.oneof(fc.nat(), fc.constant(Number.POSITIVE_INFINITY)),
    maxMessages: fc.nat(),
    maxMailboxBytes: fc.nat(),
    onFullMailbox: fc.constantFrom<OnFullMailbox | null>(null, "suspend", "end-receiver", "drop-newest"),
    visibility: fc.constantFrom<Visibility | null>(null, ...VISIBILITIES),
    network: fc.record({ connect: fc.boolean(), listen: fc.boolean(), resolve: fc.boolean() }),
    rules: fc.option(
      fc.record({ allow: fc.subarray(PATTERNS, { minLength: 1 }), deny: fc.subarray(["a::y", "c::*"]) }),
    ),
  })
  .map(({ rules, ...settings }) => ({ rules, settings }));
type Wanted = typeof drafts extends fc.Arbitrary<infer T> ? T : never;

function draftOf({ rules, settings }: Wanted, directories: readonly string[] = []): ConfigDraft {
  const draft = new ConfigDraft();
  for (const key of Object.keys(settings) as (keyof typeof settings)[]) draft.set(key, settings[key]);
  for (const list of ["allow", "deny"] as const) for (const pattern of rules?.[list] ?? []) draft.add(list, pattern);
  for (const directory of directories) draft.add("directories", directory);
  return draft;
}

/** A member of a tree: whose child it is, what it asks for, and whether it is saved and restored on the way. */
const members = fc.record({
  creator: fc.nat(),
  draft: drafts,
  directories: fc.subarray([...PATHS, "/data/../work", "~"], { maxLength: 3 }),
  restored: fc.option(
    fc.record({
      onFuelExhausted: fc.constantFrom("end" as const, "pause" as const),
      denied: fc.constantFrom("reject" as const, "terminate" as const),
    }),
  ),
});
type Member = typeof members extends fc.Arbitrary<infer T> ? T : never;
const roots = fc
  .record({
    onFuelExhausted: fc.constantFrom("end" as const, "pause" as const),
    denied: fc.constantFrom("reject" as const, "terminate" as const),
    onFullMailbox: fc.constantFrom<OnFullMailbox>("suspend", "end-receiver", "drop-newest"),
    visibility: fc.constantFrom(...VISIBILITIES),
    preopens: fc.subarray([
      ROOT,
      { ...ROOT, name: "/data/a", readOnly: false },
      { ...ROOT, name: "work", readOnly: false },
    ]),
  })
  .map(
    (options) => new Config({ ...options, maxMemory: 2 ** 30, maxFuel: 2 ** 40, imports: { allow: ["a::*", "b::*"] } }),
  );

/** The child that asks for it; null where a directory is not there to give. A creator's own are asked for as often as others. */
function childOf(creator: Config, { draft, directories, restored }: Member): Config | null {
  try {
    const child = creator.meet(draftOf(draft, directories));
    if (restored === null) return child;
    const preopens = child.preopens.map(({ name }) => ({ name, readOnly: false }));
    return creator.restored({ ...child, ...restored, preopens, rules: [] });
  } catch (error) {
    if (error instanceof GrantError) return null;
    throw error;
  }
}

describe("Config", () => {
  it("never gives a child a right that its creator does not have, over any generations", () => {
    fc.assert(
      fc.property(fc.array(drafts, { minLength: 1, maxLength: 6 }), (generations) => {
        let config = new Config({ maxMemory: 2 ** 30, maxFuel: 2 ** 40, imports: { allow: ["a::*", "b::*"] } });
        for (const draft of generations) {
          const child = config.meet(draftOf(draft));
          const before = rightsOf(config);
          rightsOf(child).forEach((right, i) => {
            expect(right).to.be.at.most(before[i]!);
          });
          config = child;
        }
      }),
    );
  });

  it("never gives anyone in a tree a right that one above does not have: directories, and what others feel, too", () => {
    let withDirectories = 0;
    fc.assert(
      fc.property(roots, fc.array(members, { minLength: 1, maxLength: 12 }), (root, asked) => {
        const tree: { readonly config: Config; readonly creator: number }[] = [{ config: root, creator: -1 }];
        for (const member of asked) {
          const creator = member.creator % tree.length;
          const config = childOf(tree[creator]!.config, member);
          if (config === null) continue;
          if (config.preopens.length > 0) withDirectories++;
          const rights = rightsOf(config);
          for (let above = creator; above >= 0; above = tree[above]!.creator) {
            const bounds = rightsOf(tree[above]!.config);
            rights.forEach((right, i) => {
              expect(right, `right ${i}`).to.be.at.most(bounds[i]!);
            });
          }
          tree.push({ config, creator });
        }
      }),
      { numRuns: 200 },
    );
    // The property says something about directories only where some are given.
    expect(withDirectories).to.be.above(5);
  });

  it("restores no process with what happens to denied imports or without fuel laxer than the restorer has it", () => {
    const strict = new Config({ denied: "reject", onFuelExhausted: "end" });
    const lax = new Config({ denied: "terminate", onFuelExhausted: "pause" });
    const outcomes = [strict, lax].flatMap((own) =>
      [strict, lax].map((saved) => own.restored({ ...saved, preopens: [], rules: [] })),
    );
    expect(outcomes.map(({ denied, onFuelExhausted }) => `${denied} ${onFuelExhausted}`)).to.deep.equal([
      ...["reject end", "reject end"],
      ...["reject end", "terminate pause"],
    ]);
  });

  it("is the same for drafts that ask for the same, and another for others", () => {
    const config = new Config();
    const draft = new ConfigDraft();
    const first = config.meet(draft);
    expect(config.meet(new ConfigDraft())).to.equal(first);
    draft.add("args", "x");
    const second = config.meet(draft);
    draft.set("canSpawnProcesses", true);
    const third = config.meet(draft);
    draft.add("deny", "x");
    expect(new Set([first, second, third, config.meet(draft)]).size).to.equal(4);
  });

  it("remembers long drafts nowhere but in themselves", () => {
    const config = new Config();
    const draft = new ConfigDraft();
    draft.add("args", "x".repeat(100_000));
    const first = config.meet(draft);
    expect(config.meet(draft)).to.equal(first);
    expect(config.internedCount).to.equal(0);
    draft.add("args", "y");
    expect(config.meet(draft).args).to.have.length(2);
    draft.set("maxMemory", 1n);
    expect(config.meet(draft).maxMemory).to.equal(1);
    draft.add("deny", "z");
    expect(config.meet(draft).rules).to.deep.equal([{ deny: ["z"] }]);
    expect(new Config({ maxMemory: 0 }).meet(draft).maxMemory).to.equal(0);
  });

  it("remembers only so many and so much over all generations", () => {
    const root = new Config();
    for (let i = 0; i < 40; i++) {
      const draft = new ConfigDraft();
      draft.add("args", `${i}`);
      const child = root.meet(draft);
      for (let j = 0; j < 40; j++) {
        draft.set("maxProcesses", j);
        child.meet(draft);
      }
    }
    expect(root.internedCount).to.equal(1_024);
    for (let i = 0; i < 400; i++) {
      const draft = new ConfigDraft();
      draft.add("args", `${"x".repeat(4_000)}${i}`);
      root.meet(draft);
    }
    expect(root.internedCount).to.be.below(270);
  });

  it("keeps u64 limits exact in drafts and saturates them in configurations", () => {
    const draft = new ConfigDraft();
    draft.set("maxMemory", 2n ** 64n - 1n);
    draft.set("maxFuelUnits", 2n ** 63n);
    expect(draft.settings.maxMemory).to.equal(2n ** 64n - 1n);
    const child = new Config().meet(draft);
    expect([child.maxMemory, child.maxFuel]).to.deep.equal([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    draft.set("maxFuelUnits", 3n);
    expect(new Config({ maxFuel: 250_000 }).meet(draft).maxFuel).to.equal(250_000);
    expect(new Config().meet(draft).maxFuel).to.equal(300_000);
  });
});

describe("directory grants", () => {
  it("reach only what lies inside the creator's directories, and keep them read-only", () => {
    const grants = [ROOT, { ...ROOT, name: "work", readOnly: false }, { ...ROOT, name: ".", readOnly: true }];
    expect(grantThrough(grants, "/data/a/./b").readOnly).to.equal(true);
    expect(grantThrough(grants, "work/x").readOnly).to.equal(false);
    expect(grantThrough(grants, "other").readOnly).to.equal(true);
    for (const path of ["/", "/dat", "/data/..", "/data/../etc", "~", "../x", "/etc", "work/~/x", "a\0b"]) {
      expect(() => grantThrough(grants, path), path).to.throw(GrantError);
    }
    expect(() => grantThrough([], ".")).to.throw(GrantError);
  });

  it("open a handle of their own, and fail for what is no directory", async () => {
    const directory = MemoryDirectory.create(new FakeClock());
    await directory.createDirectory("sub");
    const file = await directory.open("file", { read: true, write: true, create: true });
    await file.close();
    const grants = [{ ...ROOT, open: () => Promise.resolve(directory) }];
    const inside = await grantThrough(grants, "/data/sub").open();
    expect(inside.kind).to.equal("directory");
    for (const path of ["/data/file", "/data/missing"]) {
      const error = await grantThrough(grants, path)
        .open()
        .then(() => null, String);
      expect(error, path).to.match(/ENOTDIR|ENOENT/);
    }
  });
});

describe("directories given on", () => {
  const opened: string[] = [];

  /** A grant whose directories have all names, and say which are opened. */
  function endless(): DirectoryGrant {
    const directory = {
      kind: "directory",
      open: async (name: string) => {
        opened.push(name);
        return directory;
      },
      close: async () => {},
    } as unknown as Directory;
    return { name: "data", readOnly: false, isScripted: true, open: async () => directory };
  }

  beforeEach(() => {
    opened.length = 0;
  });

  it("under other names are no chain of them, however many generations give them on", async () => {
    let grant = endless();
    for (let i = 0; i < 20_000; i++) grant = grantThrough([grant], i % 2 === 0 ? "data/." : "data");
    expect(stepsOf(grant)).to.equal(0);
    expect((await grant.open()).kind).to.equal("directory");
    let inside = grantThrough([grant], "data/a/b");
    for (let i = 0; i < 20_000; i++) inside = grantThrough([inside], i % 2 === 0 ? "data//a/b" : "data/a/b");
    expect(stepsOf(inside)).to.equal(2);
    await inside.open();
    expect(opened).to.deep.equal(["a", "b"]);
    expect(stepsOf(grantThrough([grantThrough([inside], "data/a/b/c")], "data/a/b/c/d"))).to.equal(4);
  });

  it("are opened with a way to the event loop between them", async () => {
    const grant = grantThrough([endless()], `data${"/x".repeat(100)}`);
    expect(await turnsOf([grant.open()])).to.be.at.least(10);
    expect(opened).to.have.length(100);
  });

  it("are refused when they are too deep or their path is too long", () => {
    const grants = [endless()];
    expect(grantThrough(grants, `data${"/x".repeat(127)}`).name).to.have.length(258);
    for (const path of [`data${"/x".repeat(128)}`, `data/${"x".repeat(4_092)}`, "/".repeat(5_000)]) {
      expect(() => grantThrough(grants, path)).to.throw(GrantError, /at most|characters/);
    }
    const name = "/x".repeat(3_000);
    expect(() => grantThrough([{ ...grants[0]!, name }], name), "the embedder's own").to.throw(GrantError);
  });

  it("cost their child the directories on the way, whether they are open or not", async () => {
    const host = new TestHost();
    const grant = grantThrough([endless()], "data/a/b/c");
    const fuels: number[] = [];
    for (const preopens of [[], [grant], [grant]]) {
      const handle = host.start(`(func (export "main"))`, { config: { preopens } });
      await host.settle();
      expect(handle.process.exitReason?.kind).to.equal("normal");
      fuels.push(handle.stats.fuel);
    }
    expect(fuels.map((fuel) => fuel - fuels[0]!)).to.deep.equal([0, 3 * 2_000, 3 * 2_000]);
    expect(host.runtime.group.used(Account.Fuel)).to.equal(fuels.reduce((sum, fuel) => sum + fuel));
  });
});

describe("import patterns", () => {
  it("match with stars for any text, in bounded time", () => {
    for (const [pattern, text, matches] of [
      ["a::b", "a::b", true],
      ["a::b", "a::bc", false],
      ["a::*", "a::", true],
      ["*", "", true],
      ["*::fd_*", "wasi::fd_read", true],
      ["*::fd_*", "wasi::path_open", false],
      ["a*b*c", "aXbYbZc", true],
      ["a*b*c", "aXbYbZ", false],
      ["", "", true],
    ] as const) {
      expect(matchesPattern(pattern, text), `${pattern} ${text}`).to.equal(matches);
    }
    // Trying all ways to divide the text would not end.
    expect(matchesPattern(`${"*a".repeat(500)}b`, "a".repeat(5_000))).to.equal(false);
  });

  it("match as a regular expression does", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (p, t) => {
        expect(matchesPattern(p, t)).to.equal(new RegExp(`^${p.replaceAll("*", ".*")}$`).test(t));
      }),
    );
  });

  it("cost little for long names, which are denied unseen", () => {
    const policy = new ImportPolicy({ deny: new Array<string>(256).fill(`*${"a".repeat(510)}b`) });
    const long = "a".repeat(100_000);
    expect([policy.decide(long), policy.knows(long)]).to.deep.equal(["denied", false]);
    const short = long.slice(0, 512);
    expect([policy.knows(short), policy.decide(short), policy.knows(short)]).to.deep.equal([false, "granted", true]);
  });

  it("are counted over the generations", () => {
    let config = new Config({ imports: { deny: new Array<string>(800).fill("*x") } });
    const draft = new ConfigDraft();
    for (let i = 0; i < 200; i++) draft.add("deny", "*x");
    config = config.meet(draft);
    expect(() => config.meet(draft)).to.throw(GrantError, /patterns/);
    expect(config.meet(new ConfigDraft()).policy).to.equal(config.policy);
  });
});

describe("import policies", () => {
  it("an outer redirection hides no denial inside, and stands before an inner one", () => {
    const one = { params: [], results: [], call: () => [] };
    const other = { ...one };
    const redirect = (definition: typeof one, outer?: ImportPolicy) =>
      new ImportPolicy({ redirect: { "a::x": definition } }, outer);
    expect(new ImportPolicy({ deny: ["a::*"] }, redirect(one)).decide("a::x")).to.equal("denied");
    expect(redirect(other, redirect(one)).decide("a::x")).to.equal(one);
    const restored = new ImportPolicy({ allow: ["b::*"], redirected: ["a::*"] }, redirect(one));
    expect(["a::x", "a::y", "b::y"].map((name) => restored.decide(name))).to.deep.equal([one, "denied", "granted"]);
    expect([restored.redirects, new ImportPolicy({ redirect: {} }).redirects]).to.deep.equal([true, false]);
  });

  it("ask each of thousands that lie in each other once, whoever is asked first", () => {
    let policy = new ImportPolicy({ deny: ["a::0"] });
    for (let i = 1; i < 20_000; i++) policy = new ImportPolicy({ deny: [`a::${i}`] }, policy);
    expect(policy.patternCount).to.equal(20_000);
    expect(["a::0", "a::19999", "a::20000"].map((name) => policy.decide(name))).to.deep.equal([
      "denied",
      "denied",
      "granted",
    ]);
    const inner = new ImportPolicy({ deny: ["b::*"] }, policy);
    expect([inner.knows("a::20000"), inner.decide("a::20000"), inner.knows("a::20000")]).to.deep.equal([
      false,
      "granted",
      true,
    ]);
  });
});
