/** Programs from npm packages do the same on our engine and on the host's. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "chai";
import { hashModule, hostProgram, ourProgram, packageFile, type Program, type ProgramImports } from "./programs.ts";

const require = createRequire(import.meta.url);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Plays the scenario on both engines, expects the same, and returns what was seen. */
function onBoth<T>(
  bytes: Uint8Array,
  imports: (log: string[]) => ProgramImports,
  scenario: (program: Program) => T,
): T {
  const ourLog: string[] = [];
  const hostLog: string[] = [];
  const ours = scenario(ourProgram(bytes, imports(ourLog)));
  const host = scenario(hostProgram(bytes, imports(hostLog)));
  expect(ours).to.deep.equal(host);
  expect(ourLog).to.deep.equal(hostLog);
  return ours;
}

const zeroTerminated = (text: string) => encoder.encode(`${text}\0`);

function cString(program: Program, address: number): string {
  let end = address;
  while (program.read(end, 1)[0] !== 0) end++;
  return decoder.decode(program.read(address, end - address));
}

describe("hash-wasm", () => {
  const input = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7 + (i >> 3)) & 0xff);

  const cases: [name: string, bits: number, node: string, digestBytes: number][] = [
    ["md5", 0, "md5", 16],
    ["sha1", 0, "sha1", 20],
    ["sha256", 256, "sha256", 32],
    ["sha512", 512, "sha512", 64],
    ["ripemd160", 0, "ripemd160", 20],
  ];
  for (const [name, bits, node, digestBytes] of cases) {
    it(`computes ${node}`, () => {
      const digest = onBoth(
        hashModule(name),
        () => ({}),
        (program) => {
          const buffer = Number(program.call("Hash_GetBuffer"));
          program.call("Hash_Init", bits);
          program.write(buffer, input);
          program.call("Hash_Update", input.length);
          program.call("Hash_Final", 0);
          return Buffer.from(program.read(buffer, digestBytes)).toString("hex");
        },
      );
      expect(digest).to.equal(createHash(node).update(input).digest("hex"));
    });
  }

  it("computes xxhash64, which is 64-bit arithmetic throughout", () => {
    onBoth(
      hashModule("xxhash64"),
      () => ({}),
      (program) => {
        const buffer = Number(program.call("Hash_GetBuffer"));
        program.write(buffer, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
        program.call("Hash_Init", 0);
        program.write(buffer, input);
        program.call("Hash_Update", input.length);
        program.call("Hash_Final", 0);
        return Buffer.from(program.read(buffer, 8)).toString("hex");
      },
    );
  });
});

describe("llhttp of undici", () => {
  const PARSER = packageFile("undici", "lib", "llhttp", "llhttp-wasm.js");
  const EVENTS = [
    "wasm_on_message_begin",
    "wasm_on_headers_complete",
    "wasm_on_message_complete",
    "wasm_on_url",
    "wasm_on_status",
    "wasm_on_header_field",
    "wasm_on_header_value",
    "wasm_on_body",
  ];
  const imports = (log: string[]): ProgramImports => ({
    env: Object.fromEntries(
      EVENTS.map((name) => [
        name,
        (program, _parser, address, length) => {
          const hasText = !/begin|complete/.test(name);
          log.push(hasText ? `${name} ${decoder.decode(program.read(Number(address), Number(length)))}` : name);
          return 0;
        },
      ]),
    ),
  });

  const cases: [what: string, type: number, pieces: string[]][] = [
    ["a request", 1, ["POST /path?x=1 HTTP/1.1\r\nHost: example\r\nContent-Length: 5\r\n\r\nhello"]],
    [
      "a response in small pieces",
      2,
      [..."HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ],
    ["nonsense", 1, ["NONSENSE / HTTP/9.9\r\n\r\n"]],
    ["a bad chunk size", 2, ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"]],
  ];
  for (const [what, type, pieces] of cases) {
    it(`parses ${what}`, () => {
      onBoth(require(PARSER) as Uint8Array, imports, (program) => {
        const parser = Number(program.call("llhttp_alloc", type));
        const buffer = Number(program.call("malloc", 4_096));
        const results = pieces.map((piece) => {
          const bytes = encoder.encode(piece);
          program.write(buffer, bytes);
          return program.call("llhttp_execute", parser, buffer, bytes.length);
        });
        const errno = Number(program.call("llhttp_get_errno", parser));
        const reason = Number(program.call("llhttp_get_error_reason", parser));
        return [
          ...results,
          cString(program, Number(program.call("llhttp_errno_name", errno))),
          reason === 0 ? null : cString(program, reason),
          program.call("llhttp_get_status_code", parser),
        ];
      });
    });
  }
});

describe("the mappings of source-map", () => {
  const bytes = () => readFileSync(packageFile("source-map", "lib", "mappings.wasm"));
  const imports = (log: string[]): ProgramImports => ({
    env: {
      mapping_callback: (_program, ...args) => {
        log.push(args.join(" "));
        return undefined;
      },
    },
  });
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const vlq = (value: number): string => {
    let rest = value < 0 ? (-value << 1) | 1 : value << 1;
    let text = "";
    do {
      const digit = rest & 31;
      rest >>>= 5;
      text += DIGITS[rest > 0 ? digit | 32 : digit];
    } while (rest > 0);
    return text;
  };
  /** Many lines of segments, with steps in all directions. */
  const mappings = Array.from({ length: 300 }, (_, line) =>
    Array.from(
      { length: line % 9 },
      (_, i) => vlq(i + 1) + vlq(0) + vlq((line % 3) - 1 + (line === 0 ? 1 : 0)) + vlq((i * 17) % 40),
    ).join(","),
  ).join(";");

  for (const [what, text] of [
    ["parses and finds", mappings],
    ["refuses what is malformed", "AAAA,!!!!"],
  ] as const) {
    it(what, () => {
      onBoth(bytes(), imports, (program) => {
        const content = encoder.encode(text);
        const buffer = Number(program.call("allocate_mappings", content.length)) >>> 0;
        program.write(buffer, content);
        const parsed = Number(program.call("parse_mappings", buffer)) >>> 0;
        if (parsed === 0) return [0, program.call("get_last_error")];
        program.call("by_generated_location", parsed);
        program.call("compute_column_spans", parsed);
        program.call("by_original_location", parsed, 0);
        for (let line = 0; line < 300; line += 13) program.call("original_location_for", parsed, line, line % 20, 1);
        program.call("free_mappings", parsed);
        return [1];
      });
    });
  }
});

describe("QuickJS of quickjs-wasi", () => {
  const bytes = () => readFileSync(packageFile("quickjs-wasi", "quickjs.wasm"));
  const imports = (log: string[]): ProgramImports => ({
    env: {
      host_get_timezone_offset: () => 0,
      host_interrupt: () => 0,
      host_promise_rejection: () => undefined,
      host_module_normalize: () => 0,
      host_module_load: () => 0,
      host_call: () => 0,
    },
    wasi_snapshot_preview1: {
      clock_time_get: (program, _id, _precision, address) => {
        program.write(Number(address), new Uint8Array(8).fill(1));
        return 0;
      },
      random_get: (program, address, length) => {
        program.write(Number(address), new Uint8Array(Number(length)).fill(7));
        return 0;
      },
      fd_write: (program, fd, vectors, count, result) => {
        let total = 0;
        for (let i = 0; i < Number(count); i++) {
          const view = new DataView(program.read(Number(vectors) + i * 8, 8).buffer);
          const part = program.read(view.getUint32(0, true), view.getUint32(4, true));
          log.push(`${fd}: ${decoder.decode(part)}`);
          total += part.length;
        }
        program.write(Number(result), new Uint8Array(new Uint32Array([total]).buffer));
        return 0;
      },
      fd_close: () => 8,
      fd_fdstat_get: () => 8,
      fd_seek: () => 8,
    },
  });

  function evaluate(program: Program, code: string): string {
    const allocate = (content: Uint8Array): number => {
      const address = Number(program.call("wasm_malloc", content.length));
      program.write(address, content);
      return address;
    };
    const source = zeroTerminated(code);
    const value = program.call("qjs_eval", allocate(source), source.length - 1, allocate(zeroTerminated("test.js")), 0);
    const isError = program.call("qjs_is_exception", value ?? 0) !== 0;
    const shown = isError ? (program.call("qjs_get_exception") ?? 0) : (value ?? 0);
    return `${isError ? "throws " : ""}${cString(program, Number(program.call("qjs_get_string", shown)))}`;
  }

  const cases: [code: string, result: string][] = [
    ["[1, 2, 3].map((x) => x ** 2).join()", "1,4,9"],
    ["let a = 0n; for (let i = 1n; i < 30n; i++) a = a * 3n + i; String(a)", "51472783023647"],
    [
      "JSON.stringify({ a: [0.1 + 0.2, 1 / 3, 1e21, -0], b: 'x'.repeat(3) })",
      '{"a":[0.30000000000000004,0.3333333333333333,1e+21,0],"b":"xxx"}',
    ],
    ["'2024-02-29'.replace(/(\\d+)-(\\d+)-(\\d+)/u, '$3.$2.$1')", "29.02.2024"],
    ["[Math.sin(1), Math.exp(2), Math.pow(2, 0.5), Math.atan2(1, 2)].join()", ""],
    ["function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) } fib(15)", "610"],
    ["(function f() { return 1 + f() })()", ""],
    ["null.x", ""],
    ["let (", ""],
  ];
  it("evaluates JavaScript", () => {
    const results = onBoth(bytes(), imports, (program) => {
      program.call("qjs_init");
      // Its own limit comes before that of any engine below.
      program.call("qjs_set_max_stack_size", 32_768);
      return cases.map(([code]) => evaluate(program, code));
    });
    cases.forEach(([, expected], i) => {
      if (expected !== "") expect(results[i]).to.equal(expected);
    });
  }).timeout(60_000);
});
