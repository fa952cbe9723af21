;; The common part of guests with the shape of compiled Rust programs: a WASI command whose every
;; export is wrapped, a table that is not exported, 18 pages, spawning by table index. It is no
;; module of its own: a program's functions and `elem` follow, then the module ends.
;;
;; A program defines $main, and puts functions into the table from 16 on:
;; (param i64) for processes, (param i32) (result i32) for what `catch` calls.

(import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
(import "lunatic::error" "string_size" (func $error_string_size (param i64) (result i32)))
(import "lunatic::error" "to_string" (func $error_to_string (param i64 i32)))
(import "lunatic::error" "drop" (func $error_drop (param i64)))
(import "lunatic::message" "create_data" (func $create_data (param i64 i64)))
(import "lunatic::message" "write_data" (func $write_data (param i32 i32) (result i32)))
(import "lunatic::message" "read_data" (func $read_data (param i32 i32) (result i32)))
(import "lunatic::message" "seek_data" (func $seek_data (param i64)))
(import "lunatic::message" "get_tag" (func $get_tag (result i64)))
(import "lunatic::message" "get_process_id" (func $get_process_id (result i64)))
(import "lunatic::message" "data_size" (func $data_size (result i64)))
(import "lunatic::message" "send" (func $send (param i64) (result i32)))
(import "lunatic::message" "send_receive_skip_search"
  (func $send_receive_skip_search (param i64 i64 i64) (result i32)))
(import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
(import "lunatic::process" "spawn"
  (func $process_spawn (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
(import "lunatic::process" "get_or_spawn"
  (func $get_or_spawn (param i32 i32 i64 i64 i64 i32 i32 i32 i32 i32 i32) (result i32)))
(import "lunatic::process" "die_when_link_dies" (func $die_when_link_dies (param i32)))
(import "lunatic::process" "process_id" (func $process_id (result i64)))
(import "lunatic::process" "kill" (func $kill (param i64)))
(import "lunatic::process" "exists" (func $exists (param i64) (result i32)))
(import "lunatic::process" "monitor" (func $monitor (param i64)))
(import "lunatic::process" "unlink" (func $unlink (param i64)))
(import "lunatic::process" "sleep_ms" (func $sleep_ms (param i64)))
(import "lunatic::registry" "get" (func $registry_get (param i32 i32 i32 i32) (result i32)))
(import "lunatic::registry" "put" (func $registry_put (param i32 i32 i64 i64)))
(import "lunatic::registry" "remove" (func $registry_remove (param i32 i32)))
(import "lunatic::trap" "catch" (func $trap_catch (param i32 i32) (result i32)))
;; Every program that spawns links these, though it calls only the first.
(import "lunatic::distributed" "node_id" (func $node_id (result i64)))
(import "lunatic::distributed" "module_id" (func $module_id (result i64)))
(import "lunatic::distributed" "spawn"
  (func $distributed_spawn (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
(import "lunatic::distributed" "send" (func $distributed_send (param i64 i64) (result i32)))

(memory (export "memory") 18)
(table 64 64 funcref)
(global $stack (mut i32) (i32.const 0x10_0000))
(global $heap (mut i32) (i32.const 0x11_8000))

(data (i32.const 0x10_0000) "_lunatic_spawn_by_index_0.14.1")

;; Scratch memory of the functions below, below the data like a shadow stack.
(global $params i32 (i32.const 0xff00))
(global $id i32 (i32.const 0xff40))
(global $value i32 (i32.const 0xff48))
(global $tags i32 (i32.const 0xff50))

(type $process (func (param i64)))
(type $wrapper (func (param i32)))
(type $closure (func (param i32) (result i32)))

(elem (i32.const 1) func $receive_argument)

;; wasi-libc: the constructors look for preopened directories, in every export.
(func $__wasm_call_ctors
  (local $fd i32) (local $errno i32)
  (local.set $fd (i32.const 3))
  (loop $next
    (local.set $errno (call $fd_prestat_get (local.get $fd) (i32.const 0xff80)))
    (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
    (br_if $next (i32.eqz (local.get $errno))))
  ;; EBADF
  (call $check (i32.eq (local.get $errno) (i32.const 8))))
(func $__wasm_call_dtors)

(func (export "_start")
  (call $__wasm_call_ctors)
  (call $main)
  (call $__wasm_call_dtors))
(func (export "__main_void") (result i32)
  (call $__wasm_call_ctors)
  (call $main)
  (call $__wasm_call_dtors)
  (i32.const 0))
(func (export "_lunatic_spawn_by_index_0.14.1") (param $function i32) (param $argument i32)
  (call $__wasm_call_ctors)
  (call_indirect (type $wrapper) (local.get $argument) (local.get $function))
  (call $__wasm_call_dtors))
(func (export "_lunatic_catch_trap") (param $function i32) (param $pointer i32) (result i32)
  (local $result i32)
  (call $__wasm_call_ctors)
  (local.set $result (call_indirect (type $closure) (local.get $pointer) (local.get $function)))
  (call $__wasm_call_dtors)
  (local.get $result))
(func (export "lunatic_alloc") (param $size i32) (result i32)
  (call $__wasm_call_ctors)
  (global.get $heap)
  (global.set $heap (i32.add (global.get $heap) (local.get $size)))
  (call $__wasm_call_dtors))

;; A panic: the message goes to stderr, then `unreachable`.
(func $panic
  (i32.store (i32.const 0xff90) (i32.const 0x10_0040))
  (i32.store (i32.const 0xff94) (i32.const 32))
  (drop (call $fd_write (i32.const 2) (i32.const 0xff90) (i32.const 1) (i32.const 0xff98)))
  unreachable)
(data (i32.const 0x10_0040) "thread '<unnamed>' panicked at \n")
(func $check (param $condition i32)
  (if (i32.eqz (local.get $condition)) (then (call $panic))))

;; What a spawned process runs: its first message is the captured value.
(func $receive_argument (param $function i32)
  (call $check (i32.eqz (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
  (call_indirect (type $process) (call $read_u64) (local.get $function)))

;; Process::spawn_link_tag; tag 0 spawns without a link. The child's function stands in the table.
(func $spawn (param $tag i64) (param $function i32) (param $argument i64) (result i64)
  (local $child i64)
  (i32.store8 (global.get $params) (i32.const 0x7f))
  (i64.store (i32.add (global.get $params) (i32.const 1)) (i64.const 1))
  (i64.store (i32.add (global.get $params) (i32.const 9)) (i64.const 0))
  (i32.store8 (i32.add (global.get $params) (i32.const 17)) (i32.const 0x7f))
  (i64.store (i32.add (global.get $params) (i32.const 18)) (i64.extend_i32_u (local.get $function)))
  (i64.store (i32.add (global.get $params) (i32.const 26)) (i64.const 0))
  (call $check (i32.eqz (call $process_spawn
    (local.get $tag) (i64.const -1) (i64.const -1)
    (i32.const 0x10_0000) (i32.const 30) (global.get $params) (i32.const 34) (global.get $id))))
  (local.set $child (i64.load (global.get $id)))
  (call $send_u64 (local.get $child) (i64.const 0) (local.get $argument))
  (local.get $child))

;; Process::send: local, since the node is this one.
(func $send_u64 (param $to i64) (param $tag i64) (param $value i64)
  (call $create_data (local.get $tag) (i64.const 0))
  (call $write_u64 (local.get $value))
  (if (i64.eqz (call $node_id))
    (then (call $check (i32.eqz (call $send (local.get $to)))))
    (else (drop (call $distributed_send (i64.const 0) (local.get $to))))))
(func $write_u64 (param $value i64)
  (i64.store (global.get $value) (local.get $value))
  (call $check (i32.eq (call $write_data (global.get $value) (i32.const 8)) (i32.const 8))))
(func $read_u64 (result i64)
  (call $check (i32.eq (call $read_data (global.get $value) (i32.const 8)) (i32.const 8)))
  (i64.load (global.get $value)))

;; Mailbox::tag_receive: the kind of the message with this tag.
(func $tag_receive (param $tag i64) (result i32)
  (i64.store (global.get $tags) (local.get $tag))
  (call $receive (global.get $tags) (i32.const 1) (i64.const -1)))

;; ProcessRef::request: the handler stands in the tag's top byte, the reply's tag in the lower 56 bits.
(global $next_tag (mut i64) (i64.const 129))
(func $new_tag (result i64)
  (global.get $next_tag)
  (global.set $next_tag (i64.add (global.get $next_tag) (i64.const 1))))
(func $request (param $to i64) (param $handler i64) (param $value i64) (result i64)
  (local $tag i64)
  (local.set $tag (call $new_tag))
  (call $create_data
    (i64.or (i64.shl (local.get $handler) (i64.const 56)) (local.get $tag)) (i64.const 0))
  (call $write_u64 (call $process_id))
  (call $write_u64 (local.get $value))
  (call $check (i32.eqz (call $send_receive_skip_search (local.get $to) (local.get $tag) (i64.const -1))))
  (call $read_u64))
;; The other side: the scratch slot holds a request whose sender has been read.
(func $reply (param $to i64) (param $request_tag i64) (param $value i64)
  (call $send_u64 (local.get $to)
    (i64.and (local.get $request_tag) (i64.const 0x00ff_ffff_ffff_ffff)) (local.get $value)))
(func $handler_of (param $tag i64) (result i64)
  (i64.shr_u (local.get $tag) (i64.const 56)))
