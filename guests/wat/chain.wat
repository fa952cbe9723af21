;; A chain of 1,002 linked processes with 18 pages each: every one spawns the next with a link and
;; waits. The last one tells main; then main has one in the chain killed and hears of it by its link.
(elem (i32.const 16) func $member)

(func $main
  (local $last i64)
  (call $die_when_link_dies (i32.const 0))
  (drop (call $spawn (i64.const 500) (i32.const 16) (i64.const 1001)))
  ;; Main is process 1, the members come after.
  (call $check (i32.eqz (call $tag_receive (i64.const 100))))
  (local.set $last (call $read_u64))
  (call $check (i64.eq (local.get $last) (i64.const 1003)))
  (call $check (call $exists (local.get $last)))
  (call $kill (local.get $last))
  (call $check (i32.eq (call $receive (i32.const 0) (i32.const 0) (i64.const -1)) (i32.const 1)))
  (call $check (i64.eq (call $get_tag) (i64.const 500)))
  (call $check (i32.eqz (call $exists (local.get $last))))
  (call $check (i32.eqz (call $exists (i64.const 2)))))

(func $member (param $left i64)
  (if (i64.eqz (local.get $left))
    (then (call $send_u64 (i64.const 1) (i64.const 100) (call $process_id)))
    (else (drop (call $spawn (call $new_tag) (i32.const 16) (i64.sub (local.get $left) (i64.const 1))))))
  (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
