;; One process sends to main in an endless loop, and main does not take these messages; beside it
;; main makes 5,000 requests and needs every answer.
(elem (i32.const 16) func $flooder $echo)

(func $main
  (local $echo i64) (local $i i64)
  (drop (call $spawn (i64.const 0) (i32.const 16) (call $process_id)))
  (local.set $echo (call $spawn (i64.const 1) (i32.const 17) (i64.const 0)))
  (loop $next
    (call $check (i64.eq (local.get $i) (call $request (local.get $echo) (i64.const 1) (local.get $i))))
    (local.set $i (i64.add (local.get $i) (i64.const 1)))
    (br_if $next (i64.lt_u (local.get $i) (i64.const 5000))))
  (call $check (i32.eqz (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
  (call $check (i64.eq (call $read_u64) (i64.const 7))))

(func $flooder (param $to i64)
  (loop $again
    (call $send_u64 (local.get $to) (i64.const 5) (i64.const 7))
    (br $again)))

(func $echo (param i64)
  (local $tag i64) (local $from i64)
  (loop $next
    (call $check (i32.eqz (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
    (local.set $tag (call $get_tag))
    (local.set $from (call $read_u64))
    (call $reply (local.get $from) (local.get $tag) (call $read_u64))
    (br $next)))
