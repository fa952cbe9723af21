#!/usr/bin/env bash
# Builds guests/wasm from guests/c. Needs Debian's clang-19, lld-19, wasi-libc and libclang-rt-19-dev-wasm32 for the very
# bytes that are committed; CLANG names another clang.
# `guests/build.sh [folder [kernels]]` writes to another folder than guests/wasm, and only what needs no library.
set -euo pipefail
cd "$(dirname "$0")"
out="${1:-wasm}"
clang="${CLANG:-clang-19}"
mkdir -p "$out/wasi"

# Kernels: no library; -fno-builtin keeps loops that fill or copy from becoming calls of memset and memcpy.
for source in c/*.c; do
  name="$(basename "$source" .c)"
  features="-fno-builtin"
  [ "$name" = bulk ] && features="-mbulk-memory"
  "$clang" --target=wasm32 -O2 -std=c17 -Wall -Wextra $features -ffreestanding -nostdlib \
    -Wl,--no-entry -Wl,--export=run -Wl,-z,stack-size=8192 -o "$out/$name.wasm" "$source"
done

# The same with vectors.
mkdir -p "$out/simd"
for source in c/simd/*.c; do
  "$clang" --target=wasm32 -O2 -std=c17 -Wall -Wextra -fno-builtin -msimd128 -ffreestanding -nostdlib \
    -Wl,--no-entry -Wl,--export=run -Wl,-z,stack-size=8192 -o "$out/simd/$(basename "$source" .c).wasm" "$source"
done

if [ "${2:-}" = kernels ]; then exit 0; fi

# Programs: the function names stay in the name section, for backtraces; producers and debug data go.
for source in c/wasi/*.c; do
  name="$(basename "$source" .c)"
  "$clang" --target=wasm32-wasi -Os -std=gnu17 -Wall -Wextra -Wl,-z,stack-size=16384 -Wl,--strip-debug \
    -o "$out/wasi/$name.wasm" "$source"
done
# Programs of processes, with Lunatic's calls.
mkdir -p "$out/lunatic"
for source in c/lunatic/*.c; do
  name="$(basename "$source" .c)"
  "$clang" --target=wasm32-wasi -Os -std=gnu17 -Wall -Wextra -Wl,-z,stack-size=16384 -Wl,--strip-debug \
    -o "$out/lunatic/$name.wasm" "$source"
done
# Programs of threads (wasi-threads), which share a memory that they import. Without a library: Debian's has no threads.
mkdir -p "$out/threads"
for source in c/threads/*.c; do
  name="$(basename "$source" .c)"
  "$clang" --target=wasm32 -O2 -std=gnu17 -Wall -Wextra -fno-builtin -ffreestanding -nostdlib -matomics -mbulk-memory \
    -ftls-model=local-exec -Wl,--shared-memory -Wl,--import-memory -Wl,--export-memory -Wl,--max-memory=4194304 \
    -Wl,-z,stack-size=16384 -Wl,--strip-debug -o "$out/threads/$name.wasm" "$source"
done
ls -l "$out"/*.wasm "$out"/wasi/*.wasm | awk '{ print $5, $9 }'
