/* armcost: a plugin for qemu-aarch64 that counts what happens between two marker instructions.

   A program marks what is to be counted with hint #0x4d and hint #0x4e (mark.c, runner.c), any number of times. After
   each second marker the plugin writes one section: how many instructions ran, loads and stores, misses of a model of
   the first- and second-level data caches (LRU, 64-byte lines, no prefetching), and every block of code that ran.

     # insns=N loads=N stores=N load_bytes=N store_bytes=N l1_misses=N l2_misses=N
     ADDRESS COUNT WORDS       both numbers of a block, and its instructions as hexadecimal words one after the other

   Options: out=FILE, mem=0|1 (loads, stores and caches), l1k= l1w= l2k= l2w= (kB and ways).

   It declares the part of qemu's plugin interface that it uses, since few systems ship the header: version 1, as in
   QEMU 4.2 to 8.2. Left out: all threads but the first, and caches of instructions. Note that qemu shows a load of 16
   bytes as two of 8. */

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define LINE_BITS 6
#define HINT 0xd503201fu
#define BEGIN (HINT | 0x4du << 5)
#define END (HINT | 0x4eu << 5)

/* ---- qemu's side ---- */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t PluginId;
typedef uint32_t MemoryInfo;
typedef void (*OnTranslate)(PluginId, struct qemu_plugin_tb *);
typedef void (*OnExecute)(unsigned, void *);
typedef void (*OnMemory)(unsigned, MemoryInfo, uint64_t, void *);
enum { NO_REGISTERS = 0, READS_AND_WRITES = 3 };

void qemu_plugin_register_vcpu_tb_trans_cb(PluginId, OnTranslate);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, OnExecute, int, void *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, OnExecute, int, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, OnMemory, int, int, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
unsigned qemu_plugin_mem_size_shift(MemoryInfo);
bool qemu_plugin_mem_is_store(MemoryInfo);
EXPORT int qemu_plugin_version = 1;

/* ---- caches ---- */

typedef struct {
    uint64_t sets, ways, clock, misses;
    uint64_t *lines, *used;
} Cache;

static void make_cache(Cache *cache, uint64_t kb, uint64_t ways) {
    cache->ways = ways;
    cache->sets = kb * 1024 / (1 << LINE_BITS) / ways;
    cache->lines = malloc(cache->sets * ways * sizeof *cache->lines);
    cache->used = calloc(cache->sets * ways, sizeof *cache->used);
    if (!cache->lines || !cache->used) abort();
    memset(cache->lines, 0xff, cache->sets * ways * sizeof *cache->lines);
}

/* Whether the line was there; it is from now on, in the place of the one that was not used for longest. */
static bool touch(Cache *cache, uint64_t line) {
    uint64_t *lines = cache->lines + line % cache->sets * cache->ways;
    uint64_t *used = cache->used + line % cache->sets * cache->ways;
    size_t oldest = 0;
    cache->clock++;
    for (size_t i = 0; i < cache->ways; i++) {
        if (lines[i] == line) {
            used[i] = cache->clock;
            return true;
        }
        if (used[i] < used[oldest]) oldest = i;
    }
    lines[oldest] = line;
    used[oldest] = cache->clock;
    cache->misses++;
    return false;
}

/* ---- counting ---- */

typedef struct Block {
    struct Block *next;
    uint64_t address, count;
    uint32_t size;
    uint32_t words[];
} Block;

static Block *blocks;
static bool active, with_memory = true;
static uint64_t loads, stores, load_bytes, store_bytes;
static Cache level1, level2;
static FILE *out;

static void on_memory(unsigned cpu, MemoryInfo info, uint64_t address, void *unused) {
    (void)unused;
    if (cpu || !active) return;
    uint64_t bytes = (uint64_t)1 << qemu_plugin_mem_size_shift(info);
    if (qemu_plugin_mem_is_store(info)) {
        stores++;
        store_bytes += bytes;
    } else {
        loads++;
        load_bytes += bytes;
    }
    for (uint64_t line = address >> LINE_BITS; line <= (address + bytes - 1) >> LINE_BITS; line++)
        if (!touch(&level1, line)) touch(&level2, line);
}

static void on_block(unsigned cpu, void *block) {
    if (active && cpu == 0) ((Block *)block)->count++;
}

static void on_begin(unsigned cpu, void *unused) {
    (void)unused;
    if (cpu == 0) active = true;
}

static void on_end(unsigned cpu, void *unused) {
    (void)unused;
    if (cpu || !active) return;
    active = false;
    uint64_t insns = 0;
    for (Block *block = blocks; block; block = block->next) insns += block->count * block->size;
    fprintf(out, "# insns=%" PRIu64 " loads=%" PRIu64 " stores=%" PRIu64, insns, loads, stores);
    fprintf(out, " load_bytes=%" PRIu64 " store_bytes=%" PRIu64, load_bytes, store_bytes);
    fprintf(out, " l1_misses=%" PRIu64 " l2_misses=%" PRIu64 "\n", level1.misses, level2.misses);
    for (Block *block = blocks; block; block = block->next) {
        if (!block->count) continue;
        fprintf(out, "%" PRIx64 " %" PRIu64 " ", block->address, block->count);
        for (uint32_t i = 0; i < block->size; i++) fprintf(out, "%08x", block->words[i]);
        fputc('\n', out);
        block->count = 0;
    }
    fflush(out);
    loads = stores = load_bytes = store_bytes = level1.misses = level2.misses = 0;
}

static void on_translate(PluginId id, struct qemu_plugin_tb *tb) {
    (void)id;
    size_t size = qemu_plugin_tb_n_insns(tb);
    Block *block = calloc(1, sizeof *block + size * sizeof *block->words);
    if (!block) abort();
    block->address = qemu_plugin_tb_vaddr(tb);
    block->size = (uint32_t)size;
    block->next = blocks;
    blocks = block;
    for (size_t i = 0; i < size; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        memcpy(&block->words[i], qemu_plugin_insn_data(insn), sizeof block->words[i]);
        if (block->words[i] == BEGIN) qemu_plugin_register_vcpu_insn_exec_cb(insn, on_begin, NO_REGISTERS, NULL);
        if (block->words[i] == END) qemu_plugin_register_vcpu_insn_exec_cb(insn, on_end, NO_REGISTERS, NULL);
        if (with_memory) qemu_plugin_register_vcpu_mem_cb(insn, on_memory, NO_REGISTERS, READS_AND_WRITES, NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_REGISTERS, block);
}

/* ---- options ---- */

static uint64_t option(int count, char **options, const char *name, uint64_t otherwise) {
    size_t length = strlen(name);
    for (int i = 0; i < count; i++)
        if (!strncmp(options[i], name, length) && options[i][length] == '=')
            return strtoull(options[i] + length + 1, NULL, 10);
    return otherwise;
}

EXPORT int qemu_plugin_install(PluginId id, const void *about, int count, char **options) {
    (void)about;
    out = stderr;
    for (int i = 0; i < count; i++)
        if (!strncmp(options[i], "out=", 4) && !(out = fopen(options[i] + 4, "w"))) return 1;
    with_memory = option(count, options, "mem", 1);
    make_cache(&level1, option(count, options, "l1k", 32), option(count, options, "l1w", 2));
    make_cache(&level2, option(count, options, "l2k", 1024), option(count, options, "l2w", 16));
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
