/** Sockets (sock_*): preview 1 gives a guest none unless it is handed one, which nothing here does. */

import { Errno } from "./abi.ts";
import type { WasiFunction, WasiValType } from "./define.ts";
import { define } from "./define.ts";

function onSocket(...params: WasiValType[]): WasiFunction {
  return define(params, ({ descriptors }, _guest, fd) => {
    descriptors.get(Number(fd));
    return Errno.Notsock;
  });
}

export const SOCK_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  sock_accept: onSocket("i32", "i32", "i32"),
  sock_recv: onSocket("i32", "i32", "i32", "i32", "i32", "i32"),
  sock_send: onSocket("i32", "i32", "i32", "i32", "i32"),
  sock_shutdown: onSocket("i32", "i32"),
};
