/* The calls of Lunatic that the C guests use. Pointers and lengths are those of this memory. */

#ifndef LUNATIC_H
#define LUNATIC_H

#include <stdint.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

#define FOREVER UINT64_MAX
#define OWN ((uint64_t)-1)

enum signal { SIGNAL_DATA = 0, SIGNAL_LINK_DIED = 1, SIGNAL_PROCESS_DIED = 2, SIGNAL_TIMED_OUT = 9027 };

IMPORT("lunatic::message", "create_data") void create_data(uint64_t tag, uint64_t capacity);
IMPORT("lunatic::message", "write_data") uint32_t write_data(const void *data, uint32_t length);
IMPORT("lunatic::message", "read_data") uint32_t read_data(void *data, uint32_t length);
IMPORT("lunatic::message", "send") uint32_t send_message(uint64_t process);
IMPORT("lunatic::message", "receive") uint32_t receive(const uint64_t *tags, uint32_t count, uint64_t timeout_ms);
IMPORT("lunatic::process", "spawn")
uint32_t spawn(uint64_t link, uint64_t config, uint64_t module, const char *name, uint32_t name_length,
               const void *params, uint32_t params_length, uint64_t *id);
IMPORT("lunatic::process", "process_id") uint64_t process_id(void);
IMPORT("lunatic::process", "sleep_ms") void sleep_ms(uint64_t milliseconds);
IMPORT("lunatic::process", "die_when_link_dies") void die_when_link_dies(uint32_t flag);

#endif
