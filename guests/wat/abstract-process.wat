;; An abstract process: a loop on `receive` of any message, the handler's number in the top byte of
;; the tag. Handler 0 adds without an answer, 15 answers with the sum, 32 shuts down and answers.
(elem (i32.const 16) func $counter)

(func $main
  (local $counter i64) (local $i i64)
  (local.set $counter (call $spawn (i64.const 64) (i32.const 16) (i64.const 1000)))
  (loop $next
    (local.set $i (i64.add (local.get $i) (i64.const 1)))
    (call $send_u64 (local.get $counter) (i64.const 0) (local.get $i))
    (br_if $next (i64.lt_u (local.get $i) (i64.const 100))))
  (call $check (i64.eq (call $request (local.get $counter) (i64.const 15) (i64.const 0)) (i64.const 6050)))
  (call $check (i64.eq (call $request (local.get $counter) (i64.const 32) (i64.const 0)) (i64.const 0xdead)))
  ;; A child that ends normally does not disturb its link.
  (loop $alive (br_if $alive (call $exists (local.get $counter)))))

(func $counter (param $sum i64)
  (local $tag i64) (local $from i64)
  (loop $next
    (call $check (i32.eqz (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
    (local.set $tag (call $get_tag))
    (if (i64.eqz (call $handler_of (local.get $tag)))
      (then
        (local.set $sum (i64.add (local.get $sum) (call $read_u64)))
        (br $next)))
    (local.set $from (call $read_u64))
    (if (i64.eq (call $handler_of (local.get $tag)) (i64.const 15))
      (then
        (call $reply (local.get $from) (local.get $tag) (local.get $sum))
        (br $next)))
    (call $check (i64.eq (call $handler_of (local.get $tag)) (i64.const 32)))
    (call $reply (local.get $from) (local.get $tag) (i64.const 0xdead))))
