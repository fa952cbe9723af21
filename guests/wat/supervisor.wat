;; A supervisor, one for one: it links each child with a new tag, in `init`, inside trap::catch, and
;; knows the child that died by that tag alone. Main kills children in turn, by poison (a panic of
;; the child) and by kill, and waits until the supervisor has put others in their places.
(elem (i32.const 16) func $supervisor $init $worker)

(global $children i32 (i32.const 0x9000)) ;; (tag, ID) for each
(global $count i32 (i32.const 12))

(func $main
  (local $supervisor i64) (local $child i64) (local $i i64) (local $n i64)
  (local.set $supervisor (call $spawn (i64.const 64) (i32.const 16) (i64.const 0)))
  (loop $next
    (local.set $n (i64.rem_u (local.get $i) (i64.const 12)))
    (local.set $child (call $request (local.get $supervisor) (i64.const 1) (local.get $n)))
    (if (i64.eqz (i64.and (local.get $i) (i64.const 1)))
      (then (call $send_u64 (local.get $child) (i64.const 0) (i64.const 666)))
      (else (call $kill (local.get $child))))
    (loop $same
      (call $sleep_ms (i64.const 1))
      (br_if $same (i64.eq (local.get $child)
        (call $request (local.get $supervisor) (i64.const 1) (local.get $n)))))
    (local.set $i (i64.add (local.get $i) (i64.const 1)))
    (br_if $next (i64.lt_u (local.get $i) (i64.const 50))))
  ;; All that live answer.
  (local.set $n (i64.const 0))
  (loop $ask
    (call $check (i64.eq (i64.const 42)
      (call $request (call $request (local.get $supervisor) (i64.const 1) (local.get $n)) (i64.const 2) (i64.const 41))))
    (local.set $n (i64.add (local.get $n) (i64.const 1)))
    (br_if $ask (i64.lt_u (local.get $n) (i64.const 12))))
  (call $check (i64.eq (call $request (local.get $supervisor) (i64.const 32) (i64.const 0)) (i64.const 50))))

(func $supervisor (param i64)
  (local $kind i32) (local $tag i64) (local $from i64) (local $restarts i64) (local $at i32)
  (call $die_when_link_dies (i32.const 0))
  (call $check (i32.eq (call $trap_catch (i32.const 17) (i32.const 0)) (i32.const 1)))
  (loop $next
    (local.set $kind (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))
    (local.set $tag (call $get_tag))
    (if (i32.eq (local.get $kind) (i32.const 1))
      (then
        (local.set $at (call $place_of (local.get $tag)))
        (call $start (local.get $at))
        (local.set $restarts (i64.add (local.get $restarts) (i64.const 1)))
        (br $next)))
    (call $check (i32.eqz (local.get $kind)))
    (local.set $from (call $read_u64))
    (if (i64.eq (call $handler_of (local.get $tag)) (i64.const 1))
      (then
        (local.set $at (i32.add (global.get $children) (i32.shl (i32.wrap_i64 (call $read_u64)) (i32.const 4))))
        (call $reply (local.get $from) (local.get $tag) (i64.load offset=8 (local.get $at)))
        (br $next)))
    (call $check (i64.eq (call $handler_of (local.get $tag)) (i64.const 32)))
    (call $reply (local.get $from) (local.get $tag) (local.get $restarts))))

(func $init (param i32) (result i32)
  (local $i i32)
  (loop $next
    (call $start (i32.add (global.get $children) (i32.shl (local.get $i) (i32.const 4))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $i) (global.get $count))))
  (i32.const 1))

;; Starts the child of a place and waits for its first message, as `start_link` does.
(func $start (param $at i32)
  (local $tag i64)
  (local.set $tag (call $new_tag))
  (i64.store (local.get $at) (local.get $tag))
  (i64.store offset=8 (local.get $at) (call $spawn (local.get $tag) (i32.const 18) (call $process_id)))
  (call $check (i32.eqz (call $tag_receive (i64.const 100)))))

(func $place_of (param $tag i64) (result i32)
  (local $i i32) (local $at i32)
  (loop $next
    (local.set $at (i32.add (global.get $children) (i32.shl (local.get $i) (i32.const 4))))
    (if (i64.eq (i64.load (local.get $at)) (local.get $tag)) (then (return (local.get $at))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $i) (global.get $count))))
  ;; "link death signal not belonging to a child"
  (call $panic)
  unreachable)

(func $worker (param $supervisor i64)
  (local $tag i64) (local $from i64)
  (call $send_u64 (local.get $supervisor) (i64.const 100) (i64.const 1))
  (loop $next
    (call $check (i32.eqz (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
    (local.set $tag (call $get_tag))
    (local.set $from (call $read_u64))
    (if (i64.eqz (local.get $tag)) (then (call $panic)))
    (call $reply (local.get $from) (local.get $tag) (i64.add (call $read_u64) (i64.const 1)))
    (br $next)))
