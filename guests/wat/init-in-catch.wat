;; `init` of an abstract process runs inside trap::catch, spawns a process of its own there and waits
;; for that one's first message; nested as deep as the argument says. At the bottom `init` panics,
;; which is caught there and reported upwards as 0; all others report one more than they got.
(elem (i32.const 16) func $server $init)

(global $depth (mut i64) (i64.const 0))
(global $parent (mut i64) (i64.const 0))
(global $reported (mut i64) (i64.const 0))

(func $main
  (drop (call $spawn (i64.const 7) (i32.const 16) (i64.const 40)))
  ;; The parent's ID follows, as in the library's protocols.
  (call $introduce)
  (call $check (i32.eqz (call $tag_receive (i64.const 100))))
  (call $check (i64.eq (call $read_u64) (i64.const 40))))

(func $introduce
  (call $send_u64 (i64.load (global.get $id)) (i64.const 99) (call $process_id)))

(func $server (param $depth i64)
  (local $succeeded i32)
  (global.set $depth (local.get $depth))
  (call $check (i32.eqz (call $tag_receive (i64.const 99))))
  (global.set $parent (call $read_u64))
  (local.set $succeeded (call $trap_catch (i32.const 17) (i32.const 0x8000)))
  (call $check (i32.eq (local.get $succeeded) (i64.ne (local.get $depth) (i64.const 0))))
  (call $send_u64 (global.get $parent) (i64.const 100) (global.get $reported)))

(func $init (param $pointer i32) (result i32)
  (call $check (i32.eq (local.get $pointer) (i32.const 0x8000)))
  (if (i64.eqz (global.get $depth)) (then (call $panic)))
  (drop (call $spawn (call $new_tag) (i32.const 16) (i64.sub (global.get $depth) (i64.const 1))))
  (call $introduce)
  (call $check (i32.eqz (call $tag_receive (i64.const 100))))
  (global.set $reported (i64.add (call $read_u64) (i64.const 1)))
  (i32.const 1))
