import { expect } from "chai";
import { WASI_FUNCTIONS } from "./functions.ts";
import { TestGuest } from "./testing.ts";

/** Every function of the module with its type: i for i32, l for i64, without the resulting errno. */
const SIGNATURES: Readonly<Record<string, string>> = {
  args_get: "ii",
  args_sizes_get: "ii",
  clock_res_get: "ii",
  clock_time_get: "ili",
  environ_get: "ii",
  environ_sizes_get: "ii",
  fd_advise: "illi",
  fd_allocate: "ill",
  fd_close: "i",
  fd_datasync: "i",
  fd_fdstat_get: "ii",
  fd_fdstat_set_flags: "ii",
  fd_fdstat_set_rights: "ill",
  fd_filestat_get: "ii",
  fd_filestat_set_size: "il",
  fd_filestat_set_times: "illi",
  fd_pread: "iiili",
  fd_prestat_dir_name: "iii",
  fd_prestat_get: "ii",
  fd_pwrite: "iiili",
  fd_read: "iiii",
  fd_readdir: "iiili",
  fd_renumber: "ii",
  fd_seek: "ilii",
  fd_sync: "i",
  fd_tell: "ii",
  fd_write: "iiii",
  path_create_directory: "iii",
  path_filestat_get: "iiiii",
  path_filestat_set_times: "iiiilli",
  path_link: "iiiiiii",
  path_open: "iiiiillii",
  path_readlink: "iiiiii",
  path_remove_directory: "iii",
  path_rename: "iiiiii",
  path_symlink: "iiiii",
  path_unlink_file: "iii",
  poll_oneoff: "iiii",
  proc_raise: "i",
  random_get: "ii",
  sched_yield: "",
  sock_accept: "iii",
  sock_recv: "iiiiii",
  sock_send: "iiiii",
  sock_shutdown: "ii",
};

describe("the functions of wasi_snapshot_preview1", () => {
  it("are all there, with the types of the interface", () => {
    const ours = [...WASI_FUNCTIONS].filter(([name]) => name !== "proc_exit");
    const found = Object.fromEntries(
      ours.map(([name, { params }]) => [name, params.map((type) => (type === "i64" ? "l" : "i")).join("")]),
    );
    expect(found).to.deep.equal(SIGNATURES);
    for (const [, { results }] of ours) expect(results).to.deep.equal(["i32"]);
    expect(WASI_FUNCTIONS.get("proc_exit")).to.deep.include({ params: ["i32"], results: [] });
  });

  it("answer with an errno, whatever they are called with", async () => {
    const extremes = [0, 3, -1, 65_535, 0x7fff_ffff];
    for (const [name, { params }] of WASI_FUNCTIONS) {
      if (name === "proc_exit") continue;
      for (const value of extremes) {
        const guest = new TestGuest();
        guest.stdin.end();
        const args = params.map((type) => (type === "i64" ? BigInt(value) : value));
        expect(await guest.call(name, ...args), `${name}(${value}…)`).to.be.within(0, 76);
      }
    }
  });
});
